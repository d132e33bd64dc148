"""The embedded store of a run: made, emptied between runs, and counted afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import clickhouse_connect
from clickhouse_connect.driver.asyncclient import AsyncClient

from monitor.adapters.clickhouse import connect
from monitor.settings import ClickHouseSettings

DATABASE: Final = "watchkeeper"


async def migrate(address: str) -> None:
    """Create the tables."""
    async with await connect(ClickHouseSettings(url=address)) as store:
        await store.migrate()


@asynccontextmanager
async def _client(address: str) -> AsyncIterator[AsyncClient]:
    host, port = address.removeprefix("http://").split(":")
    client = await clickhouse_connect.get_async_client(host=host, port=int(port), database=DATABASE)
    try:
        yield client
    finally:
        await client.close()


async def empty(address: str) -> None:
    """Take all rows out, of both tables that a stored verdict is in."""
    async with _client(address) as client:
        for table in ("verdict_rows", "arrivals"):
            await client.command(f"TRUNCATE TABLE {table}")


async def stored(address: str) -> int:
    """Distinct events in the store."""
    async with _client(address) as client:
        answer = await client.query("SELECT uniqExact(event_id) FROM verdict_rows")
        return int(answer.result_rows[0][0])
