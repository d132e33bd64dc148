"""A store for the dashboard that needs no engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from monitor.adapters.clickhouse import ClickHouse
from monitor.errors import Retryable
from monitor.settings import ClickHouseSettings


class Comes:
    """A store that is away until it comes back. `rows`: its answers, by query; none to all others."""

    def __init__(self, rows: Mapping[str, list[dict[str, object]]] | None = None) -> None:
        self.rows = rows
        self.is_away = rows is None
        self.connections = 0

    async def connect(self, _: ClickHouseSettings) -> ClickHouse:
        self.connections += 1
        if self.is_away:
            raise Retryable("ClickHouse doesn't answer")
        return cast(ClickHouse, self)

    async def query(self, name: str, **_: object) -> list[dict[str, object]]:
        if self.is_away:
            raise Retryable("ClickHouse went away")
        if self.rows is not None:
            return self.rows.get(name, [])
        return [{"windows_until": 1, "stored": 5}] if name == "dashboard_news" else []

    async def aclose(self) -> None:
        pass
