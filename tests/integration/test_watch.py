"""Drift is watched on real parts: windows hold what is stored, whoever closes them, and a shift is told once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError

import pytest

from benchmarks.watch_kills.killing import run
from monitor.adapters.clickhouse import connect
from monitor.adapters.windows import WatchTables
from monitor.drift.policy import policy_of
from monitor.drift.watch import Watch
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart
from monitor.settings import load
from schemas.windows import Window
from tests.fakes.guard_server import GuardServer
from tests.integration.fleets import Fleet, flowing
from tests.waiting import until

WATCH = {
    "WATCHKEEPER_DRIFT__WINDOW_S": "1",
    "WATCHKEEPER_DRIFT__LEARN_DAYS": "0",
    "WATCHKEEPER_DRIFT__CHECKPOINT_EVERY_S": "2",
    "WATCHKEEPER_RETRY__HALTED_S": "1",
}


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


async def test_alerts_are_those_of_an_undisturbed_watch_though_whoever_watches_is_killed(
    tmp_path: Path, kafka_part: KafkaPart, clickhouse_part: ClickHousePart
) -> None:
    """`python -m benchmarks.watch_kills` does it 50 times."""
    outcome = await run(tmp_path, kafka_part, clickhouse_part, kills=4, seed=3)

    assert outcome.kills == 4
    assert (outcome.wrong, outcome.gaps) == (0, 0)
    assert outcome.told
    assert outcome.told == outcome.expected


async def test_a_watch_whose_states_are_all_damaged_is_told_until_one_is_built_anew(fleet: Fleet) -> None:
    worker = await fleet.start()
    await until(lambda: has_states(fleet, 2), "states", within_s=60)
    await worker.kill()
    settings = load(fleet.environment)
    async with await connect(settings.clickhouse) as store:
        tables = WatchTables(store, fleet.kafka.group_prefix, fleet.kafka.chat_logs_topic)
        for checkpoint in await tables.checkpoints():
            await tables.keep(checkpoint.position, b"damaged", slot=checkpoint.slot)
        await fleet.start()
        firing = await fleet.told("watch_state_damaged", "firing")
        last = await tables.last_end()
        rebuilt = Watch.new(policy_of(settings.drift), fleet.kafka.group_prefix)
        assert last is not None
        await tables.keep(last, rebuilt.to_bytes(), slot=0)
        over = await fleet.told("watch_state_damaged", "resolved")
        await until(lambda: goes_on(tables, last), "windows after it")
        standing = [one async for one in tables.windows(last - timedelta(hours=1), last + timedelta(hours=1))]

    assert (firing.severity, firing.place, firing.id) == ("critical", {"part": "watch"}, over.id)
    assert "watchkeeper drift rebuild" in firing.remedy
    ends = [one.ends_at for one in standing]
    assert [one.begins_at for one in standing[1:]] == ends[
        :-1
    ]  # what ended while nothing was watched is made up for


async def has_states(fleet: Fleet, count: int) -> bool:
    query = f"SELECT toUInt32(count()) FROM watch_states WHERE fleet = '{fleet.kafka.group_prefix}'"
    try:
        return bool((await fleet.rows(query))[0][0] >= count)
    except HTTPError:
        return False


async def goes_on(tables: WatchTables, after: datetime) -> bool:
    last = await tables.last_end()
    return last is not None and last > after
