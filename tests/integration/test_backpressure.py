"""A slow guard or store makes the backlog grow in Kafka and nowhere else, and `watchkeeper check` says which of them it is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart
from schemas.status import RoleStatus
from tests.fakes.guard_server import GuardServer
from tests.integration.commands import watchkeeper
from tests.integration.fleets import Fleet, chat_log, freeze, thaw
from tests.waiting import until

MANY = [chat_log(number) for number in range(6_000)]
BATCH = 100
SETTINGS = {
    "WATCHKEEPER_MODERATION__BATCH_MAX_EVENTS": str(BATCH),
    "WATCHKEEPER_STORAGE__BATCH_MAX_EVENTS": str(BATCH),
    "WATCHKEEPER_HEALTH__STALLED_AFTER_S": "40",
    "WATCHKEEPER_HEALTH__UNCOMMITTED_AFTER_S": "45",
}


@pytest.fixture
async def guard() -> AsyncIterator[GuardServer]:
    async with GuardServer() as server:
        yield server


@pytest.fixture
async def clickhouse(new_clickhouse: Callable[[], ClickHousePart]) -> ClickHousePart:
    part = new_clickhouse()
    await part.start()
    return part


@pytest.fixture
async def fleet(
    tmp_path: Path, kafka_part: KafkaPart, clickhouse: ClickHousePart, guard: GuardServer
) -> AsyncIterator[Fleet]:
    made = Fleet(tmp_path, kafka_part, clickhouse, guard.address)
    async with AsyncExitStack() as stack:
        yield made
        for worker in made.workers:
            stack.push_async_callback(worker.stop)


def most(role: RoleStatus) -> int:
    """Messages that a worker may hold: a batch closes at or above its limit, by no more than one read."""
    return (role.in_flight_limit + 1) * 2 * BATCH


async def said_of(fleet: Fleet, role: str) -> list[RoleStatus]:
    """All that was lately said of a role."""
    return [one for status in await fleet.statuses() for one in status.roles if one.role == role]


async def last_of(fleet: Fleet, role: str) -> RoleStatus:
    """What was last said of a role, once anything was."""
    return (await until(lambda: said_of(fleet, role), f"a status of {role}", within_s=90))[-1]


def known(role: RoleStatus) -> int:
    """Messages that a worker knows to be in the log: ends are asked for every few seconds."""
    return sum(partition.end for partition in role.partitions)


def held(fleet: Fleet, role: str, topic: str) -> float:
    """Messages that left the consumer and aren't durable."""
    metrics = fleet.metrics(fleet.workers[0])
    labels = f'{{role="{role}",topic="{topic}"}}'
    durable = metrics.get(f"watchkeeper_messages_durable_total{labels}", 0)
    return metrics[f"watchkeeper_messages_taken_total{labels}"] - durable


async def pace(fleet: Fleet, role: str) -> tuple[str, str]:
    """What `watchkeeper check` says of a role's pace."""
    done = await watchkeeper(["check", "--json"], fleet.environment)
    (check,) = [one for one in json.loads(done.out)["checks"] if one["check"] == f"pace of {role}"]
    return check["state"], check["facts"]


async def test_a_slow_guard_makes_the_backlog_grow_in_kafka_alone_and_is_named(
    fleet: Fleet, guard: GuardServer
) -> None:
    guard.takes_s = 0.2
    await fleet.start(**SETTINGS, WATCHKEEPER_TRITON__CONCURRENCY="1", WATCHKEEPER_TRITON__MAX_BATCH="10")
    await fleet.produce(MANY)

    async def has_piled_up() -> bool:
        last = await last_of(fleet, "moderation")
        return last.messages >= 2 * BATCH and known(last) == len(MANY)

    await until(has_piled_up, "batches done, and the logs' ends known", within_s=90)
    statuses = await said_of(fleet, "moderation")
    waiting = sum(partition.end - partition.position for partition in statuses[-1].partitions)
    state, sentence = await pace(fleet, "moderation")

    assert max(role.in_flight for role in statuses) == statuses[0].in_flight_limit + 1
    assert held(fleet, "moderation", fleet.kafka.chat_logs_topic) <= most(statuses[0])
    assert waiting > 3 * most(statuses[0])
    assert state == "warning"
    assert " messages behind " in sentence
    assert "waits for the guard: " in sentence
    assert (await pace(fleet, "storage"))[0] == "ok"
    assert await fleet.alerts() == []  # slow is not stalled


async def test_a_stalled_store_makes_the_backlog_grow_in_kafka_alone_and_is_named(
    fleet: Fleet, clickhouse: ClickHousePart
) -> None:
    await fleet.start(**SETTINGS)
    freeze(clickhouse)
    try:
        await fleet.produce(MANY)

        async def has_piled_up() -> bool:
            moderation, storage = await last_of(fleet, "moderation"), await last_of(fleet, "storage")
            is_still = all(partition.still_s > 5 for partition in storage.partitions)
            return moderation.messages == len(MANY) == known(storage) and is_still

        await until(has_piled_up, "all verdicts in Kafka", within_s=90)
        statuses = await said_of(fleet, "storage")
        state, sentence = await pace(fleet, "storage")
        taken = held(fleet, "storage", fleet.kafka.verdicts_topic)
    finally:
        thaw(clickhouse)
    await until(lambda: fleet.is_stored(len(MANY)), "all rows", within_s=90)

    assert max(role.in_flight for role in statuses) == statuses[0].in_flight_limit + 1
    assert taken <= most(statuses[0])
    assert state == "warning"
    assert sentence.startswith(f"storage is {len(MANY):,} messages behind and waits for ClickHouse: ")
