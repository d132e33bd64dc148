"""An HTTP proxy in front of ClickHouse that makes the inserts of verdicts fail in every way that we know of."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from benchmarks.chaos.faults.tcp_proxy import reset
from monitor.embedded.free_ports import LOOPBACK, free_port

_INSERT: Final = re.compile(rb"\s*INSERT\s+INTO\s+(?:TABLE\s+)?[`\"\w.]*\bverdict_rows\b", re.IGNORECASE)
_HEAD_BYTES: Final = 1024  # an INSERT has named its table within these
_HOP_BY_HOP: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    }
)


class StoreFault(StrEnum):
    """What becomes of one INSERT of verdicts."""

    REFUSE = "refuse"
    """503, and the engine never hears of it."""
    RESET = "reset"
    """The connection is reset before anything is applied."""
    APPLIED_THEN_SILENT = "applied_then_silent"
    """Applied, and never answered: the client gives up, or is reset after `silence_s`."""
    APPLIED_THEN_RESET = "applied_then_reset"
    """Applied, and the connection reset instead of an answer."""
    HALF_ANSWER = "half_answer"
    """Applied, and the connection closed within the answer: within its body, or its headers where it has no body."""
    HALF_APPLIED_BODY = "half_applied_body"
    """The engine gets half of the body under its full Content-Length, and then a reset; so does the client."""
    FULL = "full"
    """ClickHouse's error for a full disk; nothing applied."""
    TOO_MANY_PARTS = "too_many_parts"
    """Its error for inserting faster than it merges; nothing applied."""
    MEMORY = "memory"
    """Its error for memory; nothing applied."""


_ERRORS: Final = {
    StoreFault.FULL: (243, "Cannot reserve 1.00 MiB, not enough space", "NOT_ENOUGH_SPACE"),
    StoreFault.TOO_MANY_PARTS: (
        252,
        "Too many parts (3000). Merges are processing significantly slower than inserts",
        "TOO_MANY_PARTS",
    ),
    StoreFault.MEMORY: (
        241,
        "(total) memory limit exceeded: would use 1.00 GiB, maximum: 1.00 GiB",
        "MEMORY_LIMIT_EXCEEDED",
    ),
}


class ClickHouseProxy:
    """Passes requests on as they are, except those INSERTs into verdict_rows that `will` suffer a fault.

    Holds the body of an INSERT that suffers one in memory, of all others only chunks. For use from one event loop.
    """

    def __init__(self, target_url: str, port: int = 0) -> None:
        """`port` 0: a free one, chosen now, so that it can be told to others before the proxy starts."""
        self.target_url = target_url.rstrip("/")
        self.port = port or free_port()
        self.silence_s = 300.0
        self.done: Counter[StoreFault] = Counter()
        """Faults that happened. One whose client left before it sent the whole INSERT goes back to those pending."""
        self._pending: deque[StoreFault] = deque()
        self._is_away = False
        self._web = web.Server(
            self._handle, auto_decompress=False, access_log=None, handler_cancellation=True
        )
        self._client: aiohttp.ClientSession | None = None
        self._listener: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where clients reach the engine through us."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def pending(self) -> Counter[StoreFault]:
        """Faults that are still to happen."""
        return Counter(self._pending)

    @property
    def is_away(self) -> bool:
        """All connections are reset, open and new ones."""
        return self._is_away

    @is_away.setter
    def is_away(self, value: bool) -> None:
        self._is_away = value
        if value:
            for connection in self._web.connections:
                reset(connection.transport)

    def will(self, fault: StoreFault, count: int = 1) -> None:
        """The next `count` INSERTs of verdicts suffer this, after those that were announced before."""
        self._pending.extend([fault] * count)

    def clear(self) -> None:
        """Forget the faults that are still to happen."""
        self._pending.clear()

    async def __aenter__(self) -> Self:
        # A connection for each request: one that the engine closed meanwhile can't fail what it has never seen.
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10.0),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._protocol, LOOPBACK, self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take no more connections, end the open ones."""
        if self._listener is not None:
            self._listener.close()
        await self._web.shutdown(0.0)
        if self._client is not None:
            await self._client.close()
        if self._listener is not None:
            await self._listener.wait_closed()

    def _protocol(self) -> asyncio.BaseProtocol:
        return _Reset() if self._is_away else self._web()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        head = await _head(request)
        is_insert = _INSERT.match(request.query.get("query", "").encode()) or _INSERT.match(head)
        if not (is_insert and self._pending):
            return await self._passed_on(request, _whole(head, request))
        fault = self._pending.popleft()
        has_happened = False
        try:
            body = head + await request.content.read()
            has_happened = True
        finally:
            if not has_happened:
                self._pending.appendleft(fault)
        self.done[fault] += 1
        return await self._suffer(fault, request, body)

    async def _suffer(self, fault: StoreFault, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        match fault:
            case StoreFault.REFUSE:
                return web.Response(status=503, text="Service Unavailable\n")
            case StoreFault.RESET:
                reset(request.transport)
            case StoreFault.FULL | StoreFault.TOO_MANY_PARTS | StoreFault.MEMORY:
                return _error(*_ERRORS[fault])
            case StoreFault.HALF_APPLIED_BODY:
                await self._half_sent(request, body)
                reset(request.transport)
            case StoreFault.APPLIED_THEN_SILENT | StoreFault.APPLIED_THEN_RESET | StoreFault.HALF_ANSWER:
                # The client may leave meanwhile; the engine is to have it whole all the same.
                answer = await asyncio.shield(asyncio.ensure_future(self._answer(request, body)))
                if fault is StoreFault.HALF_ANSWER:
                    _send_half(answer, request.transport)
                else:
                    if fault is StoreFault.APPLIED_THEN_SILENT:
                        await asyncio.sleep(self.silence_s)  # cancelled when the client closes its connection
                    reset(request.transport)
        return _nothing()

    async def _passed_on(self, request: web.BaseRequest, body: AsyncIterator[bytes]) -> web.StreamResponse:
        try:
            async with self._asked(request, body if request.body_exists else None) as answer:
                response = web.StreamResponse(
                    status=answer.status, reason=answer.reason, headers=_end_to_end(answer.headers)
                )
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response
        except (aiohttp.ClientError, OSError):  # the engine is away, or broke its answer off: so do we
            reset(request.transport)
            return _nothing()

    async def _answer(self, request: web.BaseRequest, body: bytes) -> _Answer:
        try:
            async with self._asked(request, body) as answer:
                return _Answer(answer.status, answer.reason or "", dict(answer.headers), await answer.read())
        except (aiohttp.ClientError, OSError):
            return _Answer(502, "Bad Gateway", {}, b"")

    def _asked(
        self, request: web.BaseRequest, body: AsyncIterator[bytes] | bytes | None
    ) -> aiohttp.client._RequestContextManager:
        if self._client is None:
            raise RuntimeError("the proxy isn't running: use `async with`")
        url = URL(self.target_url + request.raw_path, encoded=True)
        return self._client.request(
            request.method, url, headers=_end_to_end(request.headers), data=body, allow_redirects=False
        )

    async def _half_sent(self, request: web.BaseRequest, body: bytes) -> None:
        """Send the engine the request with half of its body, and reset."""
        target = URL(self.target_url)
        lines = [f"{request.method} {request.raw_path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in _end_to_end(request.headers).items()]
        lines += ["", ""]
        try:
            _, writer = await asyncio.open_connection(target.host, target.port)
            writer.write("\r\n".join(lines).encode("utf-8", "surrogateescape") + body[: len(body) // 2])
            await writer.drain()
            reset(writer.transport)
        except OSError:
            pass  # the engine is away: then it gets nothing


@dataclass(frozen=True)
class _Answer:
    """The engine's answer, whole."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


class _Reset(asyncio.Protocol):
    """Nobody is there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        reset(transport)


async def _head(request: web.BaseRequest) -> bytes:
    """The beginning of the body: enough to see what it is."""
    head = b""
    while request.body_exists and len(head) < _HEAD_BYTES:
        chunk = await request.content.readany()
        if not chunk:
            break
        head += chunk
    return head


async def _whole(head: bytes, request: web.BaseRequest) -> AsyncIterator[bytes]:
    yield head
    async for chunk in request.content.iter_any():
        yield chunk


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP)


def _error(code: int, message: str, name: str) -> web.Response:
    """In ClickHouse's own form."""
    return web.Response(
        status=500,
        body=f"Code: {code}. DB::Exception: {message}. ({name}) (version 26.9.1.1)\n".encode(),
        headers={"X-ClickHouse-Exception-Code": str(code), "Content-Type": "text/plain; charset=UTF-8"},
    )


def _send_half(answer: _Answer, transport: asyncio.Transport | None) -> None:
    if transport is None:
        return
    headers = {
        k: v for k, v in answer.headers.items() if k.lower() not in ("content-length", "transfer-encoding")
    }
    headers["Content-Length"] = str(len(answer.body))
    head = f"HTTP/1.1 {answer.status} {answer.reason}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    raw = head.encode() + answer.body
    transport.write(raw[: len(raw) - max(1, len(answer.body) // 2)] if answer.body else raw[: len(head) // 2])
    transport.close()


def _nothing() -> web.Response:
    """For aiohttp, which wants an answer: the connection that it would go to is closed."""
    return web.Response(status=499)
