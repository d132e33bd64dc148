"""The embedded store: the ClickHouse engine behind ClickHouse's HTTP protocol, in a process of its own."""

from __future__ import annotations

import asyncio
import http.client
import sys
from pathlib import Path
from typing import ClassVar

from monitor.embedded.clickhouse_room import KEEP_FREE_BYTES
from monitor.embedded.free_ports import LOOPBACK
from monitor.embedded.part import Command, Part, accepts


class ClickHousePart(Part):
    """`address` is the HTTP URL."""

    name: ClassVar[str] = "clickhouse"
    port_names: ClassVar[tuple[str, ...]] = ("http",)
    grace_s: float = 20.0
    keep_free_bytes: int = KEEP_FREE_BYTES
    """With less free on the disk of its folder, it refuses inserts and doesn't merge."""

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.ports['http']}"

    @property
    def data(self) -> Path:
        """Where the engine keeps its tables."""
        return self.folder / "data"

    async def _command(self) -> Command:
        self.facts |= {"engine": "chDB"}
        arguments = ["--data", str(self.data), "--port", str(self.ports["http"])]
        arguments += ["--keep-free-bytes", str(self.keep_free_bytes)]
        return Command([sys.executable, "-m", "monitor.embedded.clickhouse_server", *arguments])

    async def _probe(self) -> bool:
        return await accepts(self.ports["http"]) and await asyncio.to_thread(self._ping)

    def _ping(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.ports["http"], timeout=3.0)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().read() == b"Ok.\n"
        except http.client.HTTPException:
            return False
        finally:
            connection.close()
