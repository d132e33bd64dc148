"""The small HTTP server, over real sockets: what it answers, what it refuses, and whom it doesn't wait for."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http import HTTPStatus

import pytest

from workers.page_server import MOST_BYTES, MOST_CONNECTIONS, Page, PageServer

HELLO = Page(HTTPStatus.OK, "text/plain; charset=utf-8", "grüezi\n".encode())
Answer = tuple[int, dict[str, str], bytes]


def page(path: str) -> Page:
    """The only page is /; one path is a defect of ours."""
    if path == "/defect":
        raise RuntimeError("zanzibar-marmalade")
    return HELLO if path == "/" else Page.of(HTTPStatus.NOT_FOUND, {"status": "not found"})


Serve = Callable[..., PageServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(**options: float) -> PageServer:
            server = PageServer("127.0.0.1", 0, page, **options)
            server.start()
            stack.callback(server.close)
            return server

        yield start


def ask(server: PageServer, method: str = "GET", path: str = "/", **request: object) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request(method, path, **request)  # type: ignore[arg-type]  # body and headers, as http.client takes them
        answer = connection.getresponse()
        headers = {name: value for name, value in answer.getheaders() if name != "Date"}
        return answer.status, headers, answer.read()
    finally:
        connection.close()


def said(server: PageServer, request: bytes) -> bytes:
    """All that comes back for these bytes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def headers(kind: str, length: int) -> dict[str, str]:
    return {
        "Server": "watchkeeper",
        "Content-Type": kind,
        "Content-Length": str(length),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Connection": "close",
    }


def test_a_page_comes_with_its_type_and_length_and_is_kept_by_nobody(serve: Serve) -> None:
    assert ask(serve()) == (200, headers(HELLO.content_type, len(HELLO.body)), HELLO.body)


def test_head_is_get_without_the_body(serve: Serve) -> None:
    server = serve()
    status, fields, _ = ask(server)
    assert ask(server, "HEAD") == (status, fields, b"")


def test_a_query_makes_no_other_page(serve: Serve) -> None:
    assert ask(serve(), path="/?name=value")[2] == HELLO.body


def test_an_unknown_path_is_not_found(serve: Serve) -> None:
    body = b'{"status": "not found"}\n'
    assert ask(serve(), path="/zanzibar-marmalade") == (404, headers("application/json", len(body)), body)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed(serve: Serve, method: str) -> None:
    status, fields, body = ask(serve(), method, body=b"x" * 3 * MOST_BYTES)
    assert (status, fields["Allow"], body) == (405, "GET, HEAD", b'{"status": "method not allowed"}\n')


def test_a_method_that_nobody_knows_is_not_implemented(serve: Serve) -> None:
    assert ask(serve(), "BREW")[0] == 501


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * MOST_BYTES + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * MOST_BYTES + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * (MOST_BYTES // 6) + b"\r\n",
    ],
)
def test_a_request_that_is_too_large_is_refused(serve: Serve, head: bytes) -> None:
    assert said(serve(), head).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "request_line", [b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n"]
)
def test_what_is_no_request_is_refused_without_an_echo(serve: Serve, request_line: bytes) -> None:
    server = serve()
    answer = said(server, b"zanzibar-marmalade " + request_line)
    assert b"zanzibar" not in answer
    assert ask(server)[0] == 200


def test_a_defect_of_a_page_is_an_error_that_says_nothing_more(serve: Serve) -> None:
    server = serve()
    status, _, body = ask(server, path="/defect")
    assert (status, body) == (500, b'{"status": "failed; the log says why"}\n')
    assert ask(server)[0] == 200


def test_a_client_that_dawdles_is_cut_at_the_deadline_however_busy_it_looks(serve: Serve) -> None:
    server = serve(deadline_s=0.5)
    has_ended = threading.Event()
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as slow:

        def dawdle() -> None:
            try:
                while not has_ended.wait(0.05):
                    slow.sendall(b"X")
            except OSError:
                pass

        typing = threading.Thread(target=dawdle)
        typing.start()
        try:
            rest = b"".join(iter(lambda: slow.recv(65_536), b""))
        except ConnectionResetError:
            rest = b""
        finally:
            has_ended.set()
            typing.join()
    assert rest == b""
    assert ask(server)[0] == 200


def test_clients_that_say_nothing_keep_nobody_out(serve: Serve) -> None:
    server = serve(deadline_s=60)
    with ExitStack() as stack:
        for _ in range(3 * MOST_CONNECTIONS):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
        assert ask(server)[0] == 200


def test_after_its_end_nobody_listens(serve: Serve) -> None:
    server = PageServer("127.0.0.1", 0, page)
    server.start()
    port = server.port
    server.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=30)
