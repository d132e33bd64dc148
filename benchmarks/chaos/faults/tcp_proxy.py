"""A TCP proxy on loopback that can cut, delay, freeze and refuse what goes through it."""

from __future__ import annotations

import asyncio
import enum
import socket
import struct
from types import TracebackType
from typing import Final, Self

from monitor.embedded.free_ports import LOOPBACK, free_port

CHUNK_BYTES: Final = 65_536
CHUNKS_UNDER_WAY: Final = 16
"""In one direction of one connection. A delay bounds its throughput: CHUNK_BYTES * CHUNKS_UNDER_WAY / delay_s."""


class _End(enum.Enum):
    """How a direction ends; passed on in its order, like the bytes before it."""

    EOF = enum.auto()
    RESET = enum.auto()


_Item = tuple[float, bytes | _End]


class TcpProxy:
    """Passes connections on to the target, and bytes both ways. Faults are switched by setting attributes.

    A target that is away resets the client's connection. Memory is bounded: whoever sends faster than the other side
    takes is slowed down. For use from one event loop.
    """

    def __init__(self, target_host: str, target_port: int, port: int = 0) -> None:
        """`port` 0: a free one, chosen now, so that it can be told to others before the proxy starts."""
        self.target_host = target_host
        self.target_port = target_port
        self.port = port or free_port()
        self.delay_s = 0.0
        """Added to each chunk on its way, in both directions; order is kept, connections don't wait for each other."""
        self.is_refusing = False
        """New connections are reset at once; open ones are left alone."""
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """host:port, where clients reach the target through us."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    @property
    def under_way(self) -> int:
        """How many chunks were taken from one side and not given to the other yet."""
        return sum(connection.under_way for connection in self._connections)

    @property
    def is_frozen(self) -> bool:
        """A black hole: connections stay open, and nothing, not even their end, is passed on until this is False."""
        return not self._thawed.is_set()

    @is_frozen.setter
    def is_frozen(self, value: bool) -> None:
        if value:
            self._thawed.clear()
        else:
            self._thawed.set()

    def cut(self) -> int:
        """Reset every open connection, on both sides. Returns how many there were."""
        cut = list(self._connections)
        for connection in cut:
            connection.cut()
        return len(cut)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port, limit=CHUNK_BYTES)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take no more connections and reset the open ones; no task of ours is left."""
        if self._server is not None:
            self._server.close()
        tasks = [connection.task for connection in self._connections]
        self.cut()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_refusing:
            reset(writer.transport)
            return
        connection = _Connection(self, self._thawed, reader, writer)
        self._connections.add(connection)
        connection.task.add_done_callback(lambda _: self._connections.discard(connection))


class _Connection:
    """A client's connection and ours to the target, which end together."""

    def __init__(
        self,
        proxy: TcpProxy,
        thawed: asyncio.Event,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._thawed = thawed
        self._writers = [writer]
        self.under_way = 0
        self.task = asyncio.create_task(self._run(reader, writer), name="tcp proxy connection")

    def cut(self) -> None:
        """Reset both sides."""
        for writer in self._writers:
            reset(writer.transport)
        self.task.cancel()

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_whole = False
        try:
            await self._thawed.wait()
            there, to_there = await asyncio.open_connection(
                self._proxy.target_host, self._proxy.target_port, limit=CHUNK_BYTES
            )
            self._writers.append(to_there)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._carry(reader, to_there))
                both.create_task(self._carry(there, writer))
            is_whole = True
        except* OSError:  # the target is away, or one side was reset: the other one is told the same way
            pass
        finally:
            for each in self._writers:
                if is_whole:
                    each.close()
                else:
                    reset(each.transport)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction, to its end. Raises ConnectionError where either side is reset."""
        under_way: asyncio.Queue[_Item] = asyncio.Queue(CHUNKS_UNDER_WAY)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._take(reader, under_way))
            both.create_task(self._deliver(under_way, writer))

    async def _take(self, reader: asyncio.StreamReader, under_way: asyncio.Queue[_Item]) -> None:
        now_s = asyncio.get_running_loop().time
        item: bytes | _End = b""
        while not isinstance(item, _End):
            try:
                item = await reader.read(CHUNK_BYTES) or _End.EOF
            except ConnectionError:
                item = _End.RESET
            self.under_way += 1
            await under_way.put((now_s() + self._proxy.delay_s, item))

    async def _deliver(self, under_way: asyncio.Queue[_Item], writer: asyncio.StreamWriter) -> None:
        now_s = asyncio.get_running_loop().time
        while True:
            due, item = await under_way.get()
            if (wait_s := due - now_s()) > 0:
                await asyncio.sleep(wait_s)
            await self._thawed.wait()
            self.under_way -= 1
            if item is _End.RESET:
                raise ConnectionResetError
            if isinstance(item, _End):
                writer.write_eof()
                return
            writer.write(item)
            await writer.drain()


def reset(transport: asyncio.BaseTransport | None) -> None:
    """End a connection at once with a TCP reset, dropping what is unsent."""
    if not isinstance(transport, asyncio.Transport):
        return
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
