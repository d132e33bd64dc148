"""Drift is watched on real parts: windows hold what is stored, whoever closes them, and a shift is told once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.adapters.clickhouse import connect
from monitor.adapters.windows import WatchTables
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart
from monitor.settings import load
from schemas.windows import Window
from tests.fakes.guard_server import GuardServer
from tests.integration.fleets import Fleet, flowing
from tests.waiting import until

WATCH = {"WATCHKEEPER_DRIFT__WINDOW_S": "1", "WATCHKEEPER_DRIFT__CHECKPOINT_EVERY_S": "5"}


@pytest.fixture
async def guard() -> AsyncIterator[GuardServer]:
    async with GuardServer() as server:
        yield server


@pytest.fixture
async def fleet(
    tmp_path: Path, kafka_part: KafkaPart, clickhouse_part: ClickHousePart, guard: GuardServer
) -> AsyncIterator[Fleet]:
    made = Fleet(tmp_path, kafka_part, clickhouse_part, guard.address)
    made.environment |= WATCH
    async with AsyncExitStack() as stack:
        yield made
        for worker in made.workers:
            stack.push_async_callback(worker.stop)


async def windows(fleet: Fleet) -> tuple[list[Window], list[Window]]:
    """Those that stand, and what would be counted now for the same stretches."""
    settings = load(fleet.environment)
    async with await connect(settings.clickhouse) as store:
        tables = WatchTables(store, fleet.kafka.group_prefix, fleet.kafka.chat_logs_topic)
        last = await tables.last_end()
        if last is None:
            return [], []
        standing = [one async for one in tables.windows(last - timedelta(hours=1), last)]
        now = await tables.count(standing[0].begins_at, last, timedelta(seconds=1))
    return standing, now


async def test_closed_windows_hold_all_that_arrived_in_them_dead_letters_too(fleet: Fleet) -> None:
    worker = await fleet.start()
    async with flowing(fleet) as flow:
        flow.is_bad = lambda number: number % 7 == 0
        await until(lambda: has_windows(fleet, 15), "windows", within_s=60)
    shown = fleet.metrics(worker)

    standing, now = await windows(fleet)
    assert standing == now
    assert sum(one.messages for one in standing) > 200
    assert sum(one.dead_letters for one in standing) > 20
    assert sum(row.events for one in standing for row in one.rows) == sum(
        one.messages - one.dead_letters for one in standing
    )
    ends = [one.ends_at for one in standing]
    assert [one.begins_at for one in standing[1:]] == ends[:-1]
    assert 0 < shown["watchkeeper_watch_lag_seconds"] < 10
    assert shown["watchkeeper_watch_windows_total"] >= 15
    letters = await fleet.rows("SELECT toUInt32(count()), toUInt32(uniqExact(reason)) FROM dead_letters")
    assert letters[0][0] >= sum(one.dead_letters for one in standing)


async def has_windows(fleet: Fleet, count: int) -> bool:
    standing, _ = await windows(fleet)
    return sum(one.messages > 0 for one in standing) >= count
