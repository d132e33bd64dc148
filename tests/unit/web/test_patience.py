"""The server itself: bytes that are no request, requests that never end, and whom a proxy speaks for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn

from monitor.settings import Settings, load
from monitor.web.patience import Patience
from monitor.web.serving import listen, serving
from tests.unit.web.apps import app, csrf
from tests.waiting import until


class Hasty(Patience):
    within_s = 0.05


@asynccontextmanager
async def served(http: type[Patience] = Hasty) -> AsyncIterator[tuple[int, uvicorn.Server]]:
    """A dashboard whose parts are away: its port, and what serves it."""
    with listen(load({"WATCHKEEPER_WEB__PORT": "0"})) as listening:
        config = uvicorn.Config(
            app(), http=http, ws="none", log_config=None, access_log=False, lifespan="off"
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server._serve(sockets=[listening]))
        await until(lambda: server.started, "the server")
        try:
            async with asyncio.timeout(20):
                yield listening.getsockname()[1], server
        finally:
            server.should_exit = server.force_exit = True
            await task


async def answered(port: int, *parts: bytes) -> bytes:
    """All that comes back until the other side hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


GOOD = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n"


async def test_who_never_says_what_is_wanted_is_hung_up_on() -> None:
    async with served() as (port, _):
        assert await answered(port) == b""
        assert await answered(port, GOOD) == b""
        said = await answered(port, GOOD + b"\r\n", b"GET /health")  # also after a request that was whole
        assert said.startswith(b"HTTP/1.1 200")
        assert said.count(b"HTTP/1.1") == 1


async def test_who_has_asked_is_left_to_read_on() -> None:
    async with served(Patience) as (port, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GOOD)
        (one,) = await until(lambda: server.server_state.connections, "the connection")
        assert isinstance(one, Patience)
        assert one._ends is not None
        writer.write(b"\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        assert one._ends is None
        writer.close()


@pytest.mark.parametrize(
    "bytes_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # for nobody
        b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nhost: evil\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx y: z\r\n\r\n",
        b"POST /login HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc",
        b"POST /login HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: -1\r\n\r\n",
        b"\r\n" * 100 + b"\x00\x00 \x00\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_refused_and_quotes_nothing(bytes_: bytes) -> None:
    async with served() as (port, _):
        said = await answered(port, bytes_)
        assert said.startswith((b"HTTP/1.1 400", b"HTTP/1.1 421")) or said == b""
        assert b"aaaa" not in said
        assert b"evil" not in said
        assert (await answered(port, GOOD + b"connection: close\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_a_chunked_form_is_refused_since_it_says_no_length() -> None:
    async with served() as (port, _):
        said = await answered(
            port,
            b"POST /login HTTP/1.1\r\nhost: 127.0.0.1\r\norigin: http://127.0.0.1\r\nconnection: close\r\n"
            b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        )
        assert said.startswith(b"HTTP/1.1 411")


RIGHT = "long enough, and drawn by nobody"


def behind(trusted: str) -> Settings:
    """A dashboard that believes these proxies, whose parts are away."""
    return load(
        {
            "WATCHKEEPER_WEB__PORT": "0",
            "WATCHKEEPER_WEB__TOKEN": RIGHT,
            "WATCHKEEPER_WEB__TRUSTED_PROXIES": trusted,
            "WATCHKEEPER_CLICKHOUSE__URL": "http://127.0.0.1:9",
            "WATCHKEEPER_KAFKA__BOOTSTRAP": "127.0.0.1:9",
        }
    )


async def tries(web: httpx.AsyncClient, address: str, *, token: str = "wrong") -> int:
    """The status of a log-in by the proxy's word. What a client claims stands to the left of what the proxy saw."""
    headers = {"origin": str(web.base_url).rstrip("/"), "x-forwarded-for": f"6.6.6.6, {address}"}
    form = {"csrf": await csrf(web), "token": token}
    return (await web.post("/login", data=form, headers=headers)).status_code


@pytest.mark.parametrize(("trusted", "status"), [("", 429), ("10.9.9.9", 429), ("127.0.0.0/8, ::1", 401)])
async def test_wrong_tokens_count_for_who_sent_them_where_the_proxy_is_trusted(
    trusted: str, status: int
) -> None:
    async with serving(behind(trusted)) as dashboard, httpx.AsyncClient(base_url=dashboard.url) as web:
        assert [await tries(web, "192.0.2.1") for _ in range(5)] == [401] * 5
        assert await tries(web, "192.0.2.1") == 429
        assert await tries(web, "192.0.2.2") == status


async def test_a_crowd_of_guessers_keeps_nobody_else_out() -> None:
    async with (
        serving(behind("127.0.0.0/8")) as dashboard,
        httpx.AsyncClient(base_url=dashboard.url) as web,
    ):
        crowd = [f"198.51.100.{number}" for number in range(12) for _ in range(6)]
        assert [await tries(web, address) for address in crowd] == ([401] * 5 + [429]) * 12
        assert await tries(web, "192.0.2.9", token=RIGHT) == 303
