"""One HTTP exchange of the embedded ClickHouse server, seen from the thread that runs the statement.

The thread reads the body and writes the answer in chunks of its own choosing; each hop to the event loop waits for
the socket, so that a slow client slows the query down instead of filling the memory.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from typing import Any, Final

from aiohttp import web

from monitor.embedded import clickhouse_codec as codec
from monitor.embedded import clickhouse_errors as errors
from monitor.embedded.clickhouse_engine import Blocks, EngineError, Progress

MAX_HELD_BYTES: Final = 32 * 1024 * 1024  # of a result that the client wants held until it is whole
CHUNK_BYTES: Final = 1024 * 1024

_CONTENT_TYPES: Final = {
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "Native": "application/octet-stream",
    "RowBinary": "application/octet-stream",
    "Parquet": "application/octet-stream",
    "Arrow": "application/octet-stream",
}


class GoneError(Exception):
    """The client closed the connection before the answer was out."""


class Body:
    """The request's body, decompressed, for a thread that reads it in large chunks."""

    def __init__(self, request: web.BaseRequest, loop: asyncio.AbstractEventLoop, *, empty: bool) -> None:
        self.request = request
        self.is_empty = empty or not request.body_exists
        self._loop = loop
        self._left = b""
        encoding = request.headers.get("Content-Encoding", "").strip().lower()
        self._decoder = None
        if encoding not in ("", "identity"):
            self._decoder = codec.decoder(encoding)
            if self._decoder is None:
                message = (
                    f"Unknown compression method of the request: use one of {', '.join(codec.SUPPORTED)}"
                )
                raise error(errors.UNKNOWN_COMPRESSION_METHOD, message, "UNKNOWN_COMPRESSION_METHOD")

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; fewer only at the end."""
        parts, got = [], 0
        while got < size:
            chunk = self._left or next(self._chunks(), b"")
            if not chunk:
                break
            parts.append(chunk[: size - got])
            self._left = chunk[size - got :]
            got += len(parts[-1])
        return b"".join(parts)

    def __iter__(self) -> Iterator[bytes]:
        if self._left:
            left, self._left = self._left, b""
            yield left
        yield from self._chunks()

    def _chunks(self) -> Iterator[bytes]:
        while not self.is_empty:
            try:
                raw = asyncio.run_coroutine_threadsafe(_read_some(self.request), self._loop).result()
            except Exception as exc:
                raise GoneError from exc  # cut off or malformed: an INSERT must not end as if this were all of it
            if not raw:
                self.is_empty = True
                if self._decoder is not None and not self._decoder.is_complete:
                    raise error(
                        errors.CANNOT_DECOMPRESS, "The request's body is cut off", "CANNOT_DECOMPRESS"
                    )
                return
            try:
                chunk = self._decoder.decompress(raw) if self._decoder is not None else raw
            except Exception as exc:  # each codec has an error class of its own; all mean the same here
                message = "The request's body can't be decompressed"
                raise error(errors.CANNOT_DECOMPRESS, message, "CANNOT_DECOMPRESS") from exc
            if chunk:
                yield chunk


async def _read_some(request: web.BaseRequest) -> bytes:
    """A chunk of about CHUNK_BYTES (one hop between threads costs 0.1 ms); empty at the end."""
    parts, got = [], 0
    while got < CHUNK_BYTES:
        part = await request.content.readany()
        if not part:
            break
        parts.append(part)
        got += len(part)
    return b"".join(parts)


class Answer:
    """The response to one request, written from a thread."""

    def __init__(
        self,
        request: web.BaseRequest,
        loop: asyncio.AbstractEventLoop,
        query_id: str,
        headers: Mapping[str, str],
    ) -> None:
        self._request = request
        self._loop = loop
        self._headers = {"X-ClickHouse-Query-Id": query_id, **headers}
        self._response: web.StreamResponse | None = None
        wanted = request.query.get("enable_http_compression", "0")
        name = codec.accepted(request.headers.get("Accept-Encoding", "")) if is_on(wanted) else None
        self._encoding = name
        self._tag = uuid.uuid4().hex[:16]

    def send_whole(self, body: bytes, output_format: str | None, progress: Progress) -> None:
        """The answer of a statement that has ended. `output_format` None: it has no result."""
        self._set_format(output_format)
        self._headers["X-ClickHouse-Summary"] = _summary(progress)
        if self._encoding and body:
            encoder = codec.encoder(self._encoding)
            body = encoder.compress(body) + encoder.flush()
            self._headers["Content-Encoding"] = self._encoding
        self._response = web.Response(body=body, headers=self._headers)

    def send_blocks(self, blocks: Blocks, output_format: str, *, is_held: bool) -> None:
        """A result block by block. The first block is awaited before the headers go out, so that most errors still
        get a status of their own; `is_held` waits for all of it (wait_end_of_query) while it fits the limit."""
        self._set_format(output_format)
        try:
            held, size = [], 0
            for block in blocks:
                held.append(block)
                size += len(block)
                if not is_held or size > MAX_HELD_BYTES:
                    break
            else:
                self.send_whole(b"".join(held), output_format, blocks.progress)
                return
            self._headers["X-ClickHouse-Summary"] = _summary(blocks.progress)
            self._headers["X-ClickHouse-Exception-Tag"] = self._tag
            if self._encoding:
                self._headers["Content-Encoding"] = self._encoding
            self._wait(self._begin())
            encoder = codec.encoder(self._encoding) if self._encoding else None
            try:
                for block in _after(held, blocks):
                    self._write(encoder.compress(block) if encoder else block)
            except EngineError as exc:
                trailer = _late(str(exc), self._tag)
                self._write(encoder.compress(trailer) + encoder.flush() if encoder else trailer)
                self._loop.call_soon_threadsafe(self._abort)
                return
            if encoder:
                self._write(encoder.flush())
        finally:
            blocks.close()

    async def fail(self, failure: EngineError, version: str) -> None:
        """The answer of a statement that failed before anything was sent."""
        text = str(failure).rstrip()
        if not text.startswith("Code: "):
            text = f"Code: {failure.code}. DB::Exception: {text}"
        headers = {
            **{
                k: v for k, v in self._headers.items() if k not in ("X-ClickHouse-Format", "Content-Encoding")
            },
            "X-ClickHouse-Exception-Code": str(failure.code),
            "Content-Type": "text/plain; charset=UTF-8",
        }
        if failure.code == errors.AUTHENTICATION_FAILED:
            headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
        body = f"{text} (version {version} (chDB))\n".encode("utf-8", "replace")
        self._response = web.Response(status=errors.status(failure.code), body=body, headers=headers)

    async def finished(self) -> web.StreamResponse:
        """What aiohttp needs to end the exchange."""
        if self._response is None:
            self._response = web.Response(status=499, reason="Client Closed Request")
        elif not isinstance(self._response, web.Response) and self._request.transport is not None:
            await self._response.write_eof()
        return self._response

    def _set_format(self, output_format: str | None) -> None:
        if output_format is not None:
            self._headers["X-ClickHouse-Format"] = output_format
            self._headers["Content-Type"] = _CONTENT_TYPES.get(output_format, "text/plain; charset=UTF-8")

    async def _begin(self) -> None:
        self._response = web.StreamResponse(headers=self._headers)
        self._response.enable_chunked_encoding()
        await self._response.prepare(self._request)

    def _write(self, chunk: bytes) -> None:
        """In slices: a block of the engine can hold 64 MB, and every layer below would copy it whole."""
        for at in range(0, len(chunk), CHUNK_BYTES):
            if self._response is not None:
                self._wait(self._response.write(memoryview(chunk)[at : at + CHUNK_BYTES]))

    def _wait(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
        except (ConnectionError, RuntimeError, asyncio.CancelledError) as exc:
            raise GoneError from exc

    def _abort(self) -> None:
        """Close without the last chunk: whoever doesn't know the tag still sees that the result is broken."""
        if self._request.transport is not None:
            self._request.transport.close()


def _late(message: str, tag: str) -> bytes:
    """An error after the headers have gone, as servers since 25.11 write it."""
    text = message.rstrip() + "\n"
    return f"\r\n__exception__\r\n{tag}\r\n{text}{len(text.encode())} {tag}\r\n__exception__\r\n".encode()


def _after(held: Iterable[bytes], rest: Iterable[bytes]) -> Iterator[bytes]:
    yield from held
    yield from rest


def _summary(progress: Progress) -> str:
    return json.dumps(
        {
            "read_rows": str(progress.read_rows),
            "read_bytes": str(progress.read_bytes),
            "written_rows": str(progress.written_rows),
            "written_bytes": str(progress.written_bytes),
            "total_rows_to_read": "0",
            "result_rows": str(progress.written_rows),
            "result_bytes": str(progress.written_bytes),
        }
    )


def is_on(value: str | None) -> bool:
    """A flag in a URL."""
    return (value or "0").lower() in ("1", "true")


def error(code: int, message: str, name: str) -> EngineError:
    """An error of the front itself, in ClickHouse's words."""
    return EngineError(code, f"Code: {code}. DB::Exception: {message}. ({name})")
