"""Opens the store for one spell of what is done once in the fleet (workers/spells.py)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from monitor.adapters.clickhouse import ClickHouse, connect
from monitor.metrics import Metrics
from monitor.settings import ClickHouseSettings


@asynccontextmanager
async def opened_store(settings: ClickHouseSettings, metrics: Metrics) -> AsyncIterator[ClickHouse]:
    """A client of its own, closed at the end; migrated where the workers do that: whoever oversees may have no role that does.
    Raises Retryable or Misconfigured."""
    async with await connect(settings, metrics=metrics) as store:
        if settings.migrate_on_start:
            await store.migrate()
        yield store
