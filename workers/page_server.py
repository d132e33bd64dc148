"""A small HTTP server in threads of its own, for pages that are made on the spot. GET and HEAD, one request a connection.

A request has a deadline, a bounded size and a bounded number of neighbours, so slow clients cost the others nothing.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from io import BufferedIOBase
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Final, cast

import structlog

log = structlog.get_logger("watchkeeper.endpoints")

DEADLINE_S: Final = 5.0
MOST_CONNECTIONS: Final = 32
"""At once. One more, and the oldest is cut."""
MOST_BYTES: Final = 16_384
"""Of a request. Prometheus sends a few hundred."""
POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Page:
    """What is answered."""

    status: HTTPStatus
    content_type: str
    body: bytes

    @classmethod
    def of(cls, status: HTTPStatus, facts: Mapping[str, Any]) -> Page:
        """One JSON object."""
        return cls(status, "application/json", json.dumps(facts).encode() + b"\n")


class PageServer(ThreadingMixIn, TCPServer):
    """Listens as soon as it is made, answers from `start` to `close`. `page` makes the page of a path, in any thread.

    `deadline_s` is for a whole request: to be read, answered and sent.
    """

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(
        self, host: str, port: int, page: Callable[[str], Page], *, deadline_s: float = DEADLINE_S
    ) -> None:
        """Raises OSError where it can't listen there. Port 0 is any free port."""
        self.page = page
        self._deadline_s = deadline_s
        self._until_s: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name="endpoints", daemon=True)
        self.address_family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        super().__init__(cast(Any, address), _Request)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.socket.getsockname()[1])

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def close(self) -> None:
        """Listen no more. Only after `start`."""
        self.shutdown()
        self._thread.join()
        self.server_close()

    def _serve(self) -> None:
        self.serve_forever(POLL_S)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer it in a thread. Called by the library."""
        with self._lock:
            self._until_s[request] = time.monotonic() + self._deadline_s
            excess = list(self._until_s)[:-MOST_CONNECTIONS]
        _cut(excess)
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Cut whoever is late. Called by the library every POLL_S."""
        now_s = time.monotonic()
        with self._lock:
            late = [request for request, until_s in self._until_s.items() if until_s < now_s]
        _cut(late)

    def shutdown_request(self, request: Any) -> None:
        """It is answered, or cut. Called by the library."""
        with self._lock:
            self._until_s.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is nobody's fault."""
        fault = sys.exception()
        if not isinstance(fault, OSError):
            log.error("answering failed", error=type(fault).__name__)


def _cut(connections: list[socket.socket]) -> None:
    """Wake the thread that reads or writes, which then ends."""
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


class _Bounded(BufferedIOBase):
    """Reads at most MOST_BYTES, then as if the file ended."""

    def __init__(self, file: BufferedIOBase) -> None:
        self._file = file
        self.left = MOST_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        data = self._file.read(self.left if size is None or size < 0 else min(size, self.left))
        self.left -= len(data)
        return data

    def readline(self, size: int | None = -1, /) -> bytes:
        data = self._file.readline(self.left if size is None or size < 0 else min(size, self.left))
        self.left -= len(data)
        return data

    def close(self) -> None:
        self._file.close()


class _Request(BaseHTTPRequestHandler):
    """One request. Nothing of it is logged or sent back: it is what anybody may have typed."""

    timeout = DEADLINE_S
    protocol_version = "HTTP/1.1"
    server_version = "watchkeeper"
    wbufsize = -1  # head and body leave together

    def setup(self) -> None:
        super().setup()
        self._bounded = _Bounded(self.rfile)
        self.rfile = self._bounded

    def finish(self) -> None:
        super().finish()
        if self._bounded.left == 0:  # closing over what is unread would cut the answer off
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_WR)
                while self.connection.recv(MOST_BYTES):  # until the client has read it, or the deadline
                    pass

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        if self._bounded.left == 0:
            self.request_version = self.protocol_version
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return False
        return True

    def do_GET(self) -> None:
        """The page, or what kept it from being made. Called by the library."""
        make = cast(PageServer, self.server).page
        try:
            page = make(self.path.partition("?")[0])
        except Exception as exc:  # noqa: BLE001  # the next request may go well
            log.error("page failed", error=type(exc).__name__)
            page = Page.of(HTTPStatus.INTERNAL_SERVER_ERROR, {"status": "failed; the log says why"})
        self._send(page)

    do_HEAD = do_GET  # noqa: N815  # the library looks methods up by these names

    def do_POST(self) -> None:
        """Nothing can be changed here. Called by the library."""
        with suppress(ValueError, OSError):
            self._bounded.read(max(0, int(self.headers.get("Content-Length", "0"))))
        page = Page.of(HTTPStatus.METHOD_NOT_ALLOWED, {"status": "method not allowed"})
        self._send(page, {"Allow": "GET, HEAD"})

    do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_CONNECT = do_POST  # noqa: N815  # as above

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        status = HTTPStatus(code)
        self._send(Page.of(status, {"status": status.phrase.lower()}))

    def _send(self, page: Page, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(page.status)
        for name, value in {
            "Content-Type": page.content_type,
            "Content-Length": str(len(page.body)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Connection": "close",
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page.body)

    def version_string(self) -> str:
        return self.server_version

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the library's name
        """Nothing: a line a scrape would drown the log, and the path is anybody's text."""
