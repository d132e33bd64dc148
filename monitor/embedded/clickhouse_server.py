"""ClickHouse's HTTP interface over the engine in this process: `python -m monitor.embedded.clickhouse_server`.

For the embedded stack and the tests: on loopback, one user (`default`), everything else as a server's port 8123 does
it, so that clickhouse_connect, Grafana's plugin and curl can't tell. Bodies stream both ways and are bounded in
memory: results in the formats that may be joined go out block by block, other results are held whole (up to
MAX_WHOLE_RESULT_BYTES), data of an INSERT … FORMAT is kept in a file until it is whole. What a server does and this doesn't is
refused with NOT_IMPLEMENTED: ClickHouse's own compressed blocks (`compress=1`, `decompress=1`) and external tables.
`query_id` is echoed, but KILL QUERY finds a statement by the engine's own id (system.processes) alone.

Prints "ready PORT" when it serves, ends cleanly on SIGTERM or SIGINT, and with exit code 2 and a message on stderr
where the folder or the port is in use.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hmac
import json
import signal
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import BodyPartReader, web

from monitor.embedded import clickhouse_errors as errors
from monitor.embedded.clickhouse_engine import STREAMED_FORMATS, Connection, Engine, EngineError
from monitor.embedded.clickhouse_exchange import Answer, Body, GoneError, error, is_on
from monitor.embedded.clickhouse_room import KEEP_FREE_BYTES, Room
from monitor.embedded.clickhouse_statement import InsertHead, describe, insert_head, is_insert
from monitor.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_WHOLE_RESULT_BYTES: Final = 256 * 1024 * 1024
MAX_STATEMENT_BYTES: Final = 64 * 1024 * 1024
HEAD_BYTES: Final = 262_144  # ClickHouse's max_query_size: the head of an INSERT ends within it
THREADS: Final = 16
DRAIN_S: Final = 5.0  # then what still runs at a stop is cancelled
GONE_POLL_S: Final = 0.5
SESSION_TIMEOUT_S: Final = 60.0
SESSION_TIMEOUT_MAX_S: Final = 3600.0

# Parameters of the HTTP interface itself; every other one is a setting of the query.
_RESERVED: Final = frozenset(
    [
        "query",
        "database",
        "default_format",
        "user",
        "password",
        "session_id",
        "session_timeout",
        "session_check",
        "query_id",
        "quota_key",
        "role",
        "wait_end_of_query",
        "buffer_size",
        "compress",
        "decompress",
        "enable_http_compression",
        "http_zlib_compression_level",
        "stacktrace",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "client_protocol_version",
        "add_http_cors_header",
        "cancel_http_readonly_queries_on_client_close",
    ]
)


@dataclass(frozen=True, slots=True)
class _Call:
    """One request, read."""

    params: Mapping[str, str]
    query: bytes
    tag: str = field(default_factory=lambda: f"http-{uuid.uuid4()}")

    @property
    def bound(self) -> dict[str, str]:
        """The query parameters, still escaped: the engine unescapes them as the server does."""
        return {name[6:]: value for name, value in self.params.items() if name.startswith("param_")}

    @property
    def settings(self) -> dict[str, str]:
        """The settings of this query. log_comment is how it is found again, where the client doesn't set its own."""
        given = {k: v for k, v in self.params.items() if k not in _RESERVED and not k.startswith("param_")}
        return {"log_comment": self.tag, **given}


@dataclass(slots=True)
class _Session:
    connection: Connection
    timeout_s: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    used_at: float = field(default_factory=time.monotonic)


class ClickHouseServer:
    """Answers ClickHouse's HTTP requests from an engine. `password` is that of the user `default`; empty: none."""

    def __init__(self, engine: Engine, room: Room, password: str = "") -> None:
        self._engine = engine
        self._room = room
        self._password = password
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="clickhouse")
        self._sessions: dict[str, _Session] = {}
        self._sessions_lock = threading.Lock()
        with self._connection({}) as connection:
            facts = connection.run(b"SELECT version(), timezone(), hostName()").body.decode().split("\t")
        self._version, self._timezone, self._name = (fact.strip() for fact in facts)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One HTTP request."""
        if request.path == "/ping" or (request.path == "/" and request.method == "HEAD"):
            return web.Response(text="Ok.\n")
        if request.path == "/replicas_status":
            return web.Response(text="Ok.\n")
        if request.path != "/":
            return web.Response(status=404, text=f"There is no handle {request.path}\n\nUse / or /ping\n")
        if request.method == "GET" and not request.query_string:
            return web.Response(text="Ok.\n")
        if request.method not in ("GET", "POST"):
            return web.Response(status=501, text="use GET or POST\n")
        loop = asyncio.get_running_loop()
        answer = Answer(
            request, loop, str(request.query.get("query_id") or uuid.uuid4()), self._common_headers()
        )
        try:
            self._admit(request)
            params = dict(request.query)
            if request.content_type == "multipart/form-data":
                params.update(await _form(request))
                body = Body(request, loop, empty=True)
            else:
                body = Body(request, loop, empty=request.method == "GET")
            call = _Call(params, params.get("query", "").encode("utf-8", "surrogateescape"))
            await self._while_wanted(
                request, call.tag, loop.run_in_executor(self._pool, self._serve, call, body, answer)
            )
        except EngineError as exc:
            await answer.fail(exc, self._version)
        except (ConnectionError, GoneError):
            pass  # the client is away: nobody to tell
        return await answer.finished()

    async def close(self) -> None:
        """Give back the threads and the sessions' connections. No request may be running any more."""
        await asyncio.to_thread(self._pool.shutdown)
        for session in self._sessions.values():
            session.connection.close()

    def cancel_all(self) -> None:
        """Cancel every statement that runs; their clients get ClickHouse's error for it. Doesn't block."""
        asyncio.get_running_loop().run_in_executor(None, self._engine.kill)

    async def _while_wanted(self, request: web.BaseRequest, tag: str, work: asyncio.Future[None]) -> None:
        """Wait for the thread; cancel its query once the client has gone, or it would hold one of our few threads."""
        wanted = True
        while not (await asyncio.wait({work}, timeout=GONE_POLL_S))[0]:
            if wanted and request.transport is None:
                wanted = False
                await asyncio.to_thread(self._engine.kill, tag)
        work.result()

    def _common_headers(self) -> dict[str, str]:
        return {"X-ClickHouse-Server-Display-Name": self._name, "X-ClickHouse-Timezone": self._timezone}

    def _admit(self, request: web.BaseRequest) -> None:
        """One user; and no page in a browser may reach a loopback port in the name of who sits there."""
        origin = request.headers.get("Origin")
        if origin is not None and origin.split("://")[-1] != request.host:
            raise error(
                errors.AUTHENTICATION_FAILED,
                "Requests from web pages are not served",
                "AUTHENTICATION_FAILED",
            )
        user = request.headers.get("X-ClickHouse-User", request.query.get("user", ""))
        password = request.headers.get("X-ClickHouse-Key", request.query.get("password", ""))
        header = request.headers.get("Authorization", "")
        if header.lower().startswith("basic "):
            try:
                user, _, password = base64.b64decode(header[6:], validate=True).decode().partition(":")
            except ValueError:
                raise error(
                    errors.AUTHENTICATION_FAILED, "Bad Authorization header", "AUTHENTICATION_FAILED"
                ) from None
        if (user or "default") != "default" or not hmac.compare_digest(
            password.encode(), self._password.encode()
        ):
            message = (
                "default: Authentication failed: password is incorrect, or there is no user with such name"
            )
            raise error(errors.AUTHENTICATION_FAILED, message, "AUTHENTICATION_FAILED")

    def _serve(self, call: _Call, body: Body, answer: Answer) -> None:
        """In a thread of its own: read the statement, run it, write the answer."""
        for name in ("compress", "decompress"):
            if call.params.get(name, "0") not in ("0", "false", ""):
                message = (
                    f"{name}=1 (blocks of ClickHouse's own format) is not served here; use Content-Encoding"
                )
                raise error(errors.NOT_IMPLEMENTED, message, "NOT_IMPLEMENTED")
        text = call.query
        head: InsertHead | None = None
        if not text:
            text = body.read(HEAD_BYTES)
        elif not body.is_empty:
            text += b"\n"
        head = insert_head(text)
        if head is not None or is_insert(text):
            self._room.check()
        with self._connection(
            call.params, read_only=body.request.method == "GET", settings=call.settings
        ) as connection:
            if head is not None:
                data = _chain(text[head.data_at :], body)
                progress = connection.insert(head.query, head.format, data, settings=head.settings)
                answer.send_whole(b"", None, progress)
                return
            self._run(connection, call, text + body.read(MAX_STATEMENT_BYTES), answer)

    def _run(self, connection: Connection, call: _Call, text: bytes, answer: Answer) -> None:
        if len(text) >= MAX_STATEMENT_BYTES:
            raise error(
                errors.QUERY_IS_TOO_LARGE,
                f"statements end at {MAX_STATEMENT_BYTES} bytes",
                "QUERY_IS_TOO_LARGE",
            )
        if not text.strip():
            raise error(errors.SYNTAX_ERROR, "Empty query", "SYNTAX_ERROR")
        statement = describe(text[:HEAD_BYTES]) if is_insert(text[:HEAD_BYTES]) else describe(text)
        if statement.files is not None:
            raise error(
                errors.NOT_IMPLEMENTED, f"{statement.files} is not allowed over HTTP", "NOT_IMPLEMENTED"
            )
        count, is_read_only = connection.statements(text)
        if count > 1:
            raise error(
                errors.SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed)", "SYNTAX_ERROR"
            )
        output_format = statement.format or call.params.get("default_format", "TabSeparated")
        if is_read_only and output_format in STREAMED_FORMATS:
            blocks = connection.stream(text, output_format, call.bound)
            if blocks is not None:
                answer.send_blocks(blocks, output_format, is_held=is_on(call.params.get("wait_end_of_query")))
                return
        if is_read_only:
            connection.apply({"max_result_bytes": str(MAX_WHOLE_RESULT_BYTES)}, None)
        output = connection.run(text, output_format, call.bound)
        shown = output_format if is_read_only or output.body else None
        answer.send_whole(output.body, shown, output.progress)

    @contextmanager
    def _connection(
        self, params: Mapping[str, str], *, read_only: bool = False, settings: Mapping[str, str] | None = None
    ) -> Iterator[Connection]:
        """A connection for one request, or that of its session, with the request's settings."""
        session_id = params.get("session_id")
        given = dict(settings or {})
        if read_only and given.get("readonly", "0") == "0":
            given["readonly"] = "2"
        if session_id is None:
            connection = self._engine.connect()
            try:
                connection.apply(given, params.get("database"))
                yield connection
            finally:
                connection.close()
            return
        session = self._session(session_id, params)
        if not session.lock.acquire(blocking=False):
            raise error(
                errors.SESSION_IS_LOCKED, "Session is locked by a concurrent client", "SESSION_IS_LOCKED"
            )
        try:
            before = _values(session.connection, given)
            try:
                session.connection.apply(given, params.get("database"))
                yield session.connection
            finally:
                session.connection.apply(before, None)
        finally:
            session.used_at = time.monotonic()
            session.lock.release()

    def _session(self, session_id: str, params: Mapping[str, str]) -> _Session:
        try:
            timeout_s = min(float(params.get("session_timeout", SESSION_TIMEOUT_S)), SESSION_TIMEOUT_MAX_S)
        except ValueError:
            raise error(72, "session_timeout is not a number", "CANNOT_PARSE_NUMBER") from None
        now = time.monotonic()
        with self._sessions_lock:
            for name, old in list(self._sessions.items()):
                if now - old.used_at > old.timeout_s and not old.lock.locked():
                    self._sessions.pop(name).connection.close()
            session = self._sessions.get(session_id)
            if session is None:
                if is_on(params.get("session_check")):
                    raise error(errors.SESSION_NOT_FOUND, "Session not found", "SESSION_NOT_FOUND")
                session = self._sessions[session_id] = _Session(self._engine.connect(), timeout_s)
            session.timeout_s = timeout_s
            return session


async def _form(request: web.BaseRequest) -> dict[str, str]:
    """The fields of a multipart form: the query and its parameters."""
    fields = {}
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader) or part.filename is not None:
            raise error(errors.NOT_IMPLEMENTED, "External tables are not served here", "NOT_IMPLEMENTED")
        fields[part.name or ""] = await part.text()
    return fields


def _chain(first: bytes, body: Body) -> Iterator[bytes]:
    if first:
        yield first
    yield from body


def _values(connection: Connection, names: Mapping[str, str]) -> dict[str, str]:
    """What these settings are now, so that a session gets them back after the request."""
    if not names:
        return {}
    output = connection.run(b"SELECT name, value FROM system.settings", "JSONEachRow")
    rows = map(json.loads, output.body.splitlines())
    return {row["name"]: row["value"] for row in rows if row["name"] in names}


async def serve(folder: Path, port: int, password: str, keep_free_bytes: int = KEEP_FREE_BYTES) -> None:
    """Serve until SIGTERM or SIGINT. Raises Misconfigured where folder or port is in use."""
    with Engine(folder) as engine:
        room = Room(engine, folder, keep_free_bytes=keep_free_bytes)
        server = ClickHouseServer(engine, room, password)
        runner = web.ServerRunner(
            web.Server(server.handle, auto_decompress=False, access_log=None), shutdown_timeout=2 * DRAIN_S
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
        except OSError as exc:
            raise Misconfigured(
                f"port {port} of 127.0.0.1 can't be had: address already in use", "give another --port, or 0"
            ) from exc
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        sys.stdout.write(f"ready {runner.addresses[0][1]}\n")
        sys.stdout.flush()
        watching = asyncio.create_task(room.watch())
        await stop.wait()
        watching.cancel()
        impatience = asyncio.get_running_loop().call_later(DRAIN_S, server.cancel_all)
        await runner.cleanup()
        impatience.cancel()
        await server.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code: 0, or 2 where folder, port or installation are wrong."""
    parser = argparse.ArgumentParser(
        prog="clickhouse_server", description=(__doc__ or "").split("\n", maxsplit=1)[0]
    )
    parser.add_argument("--data", type=Path, required=True, help="data folder, made if missing")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0: a free one")
    parser.add_argument(
        "--keep-free-bytes", type=int, default=KEEP_FREE_BYTES, help="with less free, no writing"
    )
    parser.add_argument("--password-file", type=Path, help="file that holds the password of the user default")
    given = parser.parse_args(arguments)
    try:
        password = given.password_file.read_text().strip() if given.password_file else ""
        asyncio.run(serve(given.data, given.port, password, given.keep_free_bytes))
    except (Misconfigured, OSError) as exc:
        sys.stderr.write(f"clickhouse_server: {exc}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
