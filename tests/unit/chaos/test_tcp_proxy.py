"""The TCP proxy passes everything on, until it is told not to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Self

import pytest

from benchmarks.chaos.faults.tcp_proxy import TcpProxy, reset
from monitor.embedded.free_ports import LOOPBACK, free_port
from tests.waiting import until

MIB = 1 << 20


class Target:
    """Echoes what it gets, line by line; keeps each line; "bye" ends the connection, "reset" resets it."""

    def __init__(self) -> None:
        self.port = free_port()
        self.lines: list[bytes] = []
        self.is_reading = asyncio.Event()
        self.is_reading.set()
        self.ended = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port, limit=2 * MIB)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while line := await reader.readline():
                await self.is_reading.wait()
                self.lines.append(line)
                if line == b"reset\n":
                    reset(writer.transport)
                    return
                if line == b"bye\n":
                    break
                writer.write(line)
                await writer.drain()
            writer.write(b"end\n")
            writer.close()
        except ConnectionError:
            pass
        finally:
            self.ended += 1


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    async with Target() as made:
        yield made


@pytest.fixture
async def proxy(target: Target) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(LOOPBACK, target.port) as made:
        yield made


class Client:
    """A connection to a port."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def says(self, text: bytes) -> bytes:
        self.writer.write(text)
        return await self.reader.readline()


Connect = Callable[[int], Awaitable[Client]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    async with AsyncExitStack() as stack:

        async def make(port: int) -> Client:
            client = Client(*await asyncio.open_connection(LOOPBACK, port, limit=2 * MIB))
            stack.callback(client.writer.close)
            return client

        yield make


def is_reading(writer: asyncio.StreamWriter) -> bool:
    """Whether what comes on this connection is taken."""
    assert isinstance(writer.transport, asyncio.ReadTransport)
    return writer.transport.is_reading()


async def test_bytes_pass_both_ways_whole_and_an_end_passes_after_them(
    proxy: TcpProxy, target: Target, connect: Connect
) -> None:
    client = await connect(proxy.port)
    sent = [bytes([65 + n % 26]) * (n * 9973 % MIB) + b"\n" for n in range(60)]

    async def send() -> None:
        for line in sent:
            client.writer.write(line)
            await client.writer.drain()
        client.writer.write_eof()

    sending = asyncio.ensure_future(send())
    got = [line async for line in client.reader]
    await sending
    assert got == [*sent, b"end\n"]
    assert target.lines == sent
    await until(lambda: proxy.connections == 0, "the connection's end")


async def test_an_end_and_a_reset_by_the_target_reach_the_client_as_such(
    proxy: TcpProxy, connect: Connect
) -> None:
    ended, was_reset = await connect(proxy.port), await connect(proxy.port)
    assert [await ended.says(b"bye\n"), await ended.reader.read()] == [b"end\n", b""]
    with pytest.raises(ConnectionResetError):
        await was_reset.says(b"reset\n")


async def test_a_cut_resets_all_that_is_open_on_both_sides(
    proxy: TcpProxy, target: Target, connect: Connect
) -> None:
    clients = [await connect(proxy.port) for _ in range(3)]
    assert [await client.says(b"hello\n") for client in clients] == [b"hello\n"] * 3
    assert proxy.connections == 3

    assert proxy.cut() == 3

    for client in clients:
        with pytest.raises(ConnectionResetError):
            await client.reader.read()
    await until(lambda: target.ended == 3, "the target's connections' end")
    await until(lambda: proxy.connections == 0, "no open connection")
    assert await (await connect(proxy.port)).says(b"again\n") == b"again\n"


async def test_refusing_resets_who_comes_and_leaves_who_is_there(proxy: TcpProxy, connect: Connect) -> None:
    there = await connect(proxy.port)
    assert await there.says(b"one\n") == b"one\n"

    proxy.is_refusing = True
    with pytest.raises(ConnectionResetError):
        await (await connect(proxy.port)).reader.read()
    assert await there.says(b"two\n") == b"two\n"

    proxy.is_refusing = False
    assert await (await connect(proxy.port)).says(b"three\n") == b"three\n"


async def test_frozen_connections_stay_open_and_nothing_passes_until_the_thaw(
    proxy: TcpProxy, target: Target, connect: Connect
) -> None:
    before = await connect(proxy.port)
    assert await before.says(b"one\n") == b"one\n"

    proxy.is_frozen = True
    before.writer.write(b"two\n")
    before.writer.write_eof()
    during = await connect(proxy.port)
    during.writer.write(b"three\n")
    directly = await connect(target.port)
    assert await directly.says(b"four\n") == b"four\n"
    await until(lambda: proxy.connections == 2, "the new connection")
    assert (target.lines, target.ended) == ([b"one\n", b"four\n"], 0)

    proxy.is_frozen = False
    assert await before.reader.read() == b"two\nend\n"
    assert await during.reader.readline() == b"three\n"


async def test_a_delay_keeps_the_order_and_holds_up_no_other_connection(
    proxy: TcpProxy, target: Target, connect: Connect
) -> None:
    slow, fast = await connect(proxy.port), await connect(proxy.port)
    assert [await slow.says(b"1\n"), await fast.says(b"2\n")] == [b"1\n", b"2\n"]
    proxy.delay_s = 1.0
    first = asyncio.ensure_future(slow.says(b"3\n"))
    await until(lambda: proxy.under_way, "a chunk under way")
    proxy.delay_s = 0.0
    slow.writer.write(b"4\n")  # has no delay of its own, and yet comes after what has one

    assert await fast.says(b"5\n") == b"5\n"
    assert target.lines == [b"1\n", b"2\n", b"5\n"]
    assert [await first, await slow.reader.readline()] == [b"3\n", b"4\n"]


async def test_who_sends_faster_than_the_other_side_takes_is_slowed_down(
    proxy: TcpProxy, target: Target, connect: Connect
) -> None:
    client = await connect(proxy.port)
    assert await client.says(b"1\n") == b"1\n"
    target.is_reading.clear()
    sent = [b"x" * MIB + b"\n"] * 64
    client.writer.writelines(sent)

    (connection,) = proxy._connections
    await until(lambda: not is_reading(connection._writers[0]), "the proxy stops to read")
    assert client.writer.transport.get_write_buffer_size() > 32 * MIB

    target.is_reading.set()
    assert [await client.reader.readline() for _ in sent] == sent


async def test_a_target_that_is_away_resets_the_client_and_is_found_when_it_comes_back(
    connect: Connect,
) -> None:
    target = Target()
    async with TcpProxy(LOOPBACK, target.port) as proxy:
        with pytest.raises(ConnectionResetError):
            await (await connect(proxy.port)).reader.read()
        async with target:
            client = await connect(proxy.port)
            assert await client.says(b"hello\n") == b"hello\n"
            client.writer.close()


@pytest.mark.parametrize("is_frozen", [False, True])
async def test_its_end_resets_what_is_open_and_leaves_no_task(
    target: Target, connect: Connect, *, is_frozen: bool
) -> None:
    before = asyncio.all_tasks()
    async with TcpProxy(LOOPBACK, target.port) as proxy:
        client = await connect(proxy.port)
        assert await client.says(b"hello\n") == b"hello\n"
        proxy.is_frozen = is_frozen
        client.writer.write(b"more\n")
    assert not [task for task in asyncio.all_tasks() - before if "tcp proxy" in task.get_name()]
    assert proxy.connections == 0
    with pytest.raises(ConnectionResetError):
        await client.reader.read()
    with pytest.raises(ConnectionRefusedError):
        await connect(proxy.port)
