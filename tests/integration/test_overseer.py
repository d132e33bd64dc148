"""What is wrong with the stream is told once, where it is, and told to be over once it is mended: real brokers, real workers."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import pytest
from aiokafka import AIOKafkaProducer

from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.free_ports import free_port
from monitor.embedded.kafka import KafkaPart
from tests.fakes.guard_server import GuardServer
from tests.integration.commands import watchkeeper
from tests.integration.fleets import LOGS, Fleet, flowing, freeze, thaw
from tests.waiting import until

SLOW_START: Final = {"WATCHKEEPER_HEALTH__UNOWNED_AFTER_S": "60"}
"""While the second worker starts nobody moderates, on a busy machine for long: what is tested is about other alerts."""


@pytest.fixture
async def guard() -> AsyncIterator[GuardServer]:
    async with GuardServer() as server:
        yield server


@pytest.fixture
async def fleet(
    tmp_path: Path, kafka_part: KafkaPart, clickhouse_part: ClickHousePart, guard: GuardServer
) -> AsyncIterator[Fleet]:
    made = Fleet(tmp_path, kafka_part, clickhouse_part, guard.address)
    async with AsyncExitStack() as stack:
        yield made
        for worker in made.workers:
            stack.push_async_callback(worker.stop)


def distorted(response: Any) -> None:
    """An answer that can't be read."""
    response.outputs[0].shape.append(1)


def place(fleet: Fleet, role: str = "moderation") -> dict[str, str]:
    topics = {"moderation": fleet.kafka.chat_logs_topic, "storage": fleet.kafka.verdicts_topic}
    return {"role": role, "topic": topics[role], "group": f"{fleet.kafka.group_prefix}.{role}"}


def gauge(kind: str) -> str:
    return f'watchkeeper_alerts_firing{{kind="{kind}"}}'


async def history(fleet: Fleet) -> list[tuple[str, str, int]]:
    """What became of each alert, by kind, with a number that stands for its id: when another partition joins it, or after
    a while, it is sent again as it is, which is no news here."""
    ids: dict[str, int] = {}
    records = [
        (alert.kind, alert.state, ids.setdefault(alert.id, len(ids))) for alert in await fleet.alerts()
    ]
    return [record for place, record in enumerate(records) if record not in records[:place]]


def logged(fleet: Fleet) -> list[tuple[str, str]]:
    return [(line["kind"], line["state"]) for line in fleet.logged("alert")]


def shares(fleet: Fleet) -> int:
    """How often workers were given partitions of chat logs or verdicts."""
    topics = (fleet.kafka.chat_logs_topic, fleet.kafka.verdicts_topic)
    return sum(line["topic"] in topics for line in fleet.logged("partitions ours"))


async def test_a_worker_whose_guard_never_answers_is_stalled_until_it_does(
    fleet: Fleet, guard: GuardServer
) -> None:
    worker = await fleet.start()
    await fleet.produce(LOGS)
    await until(lambda: sum(map(len, guard.requests)) >= len(LOGS), "the guard's first answers")
    guard.gate = asyncio.Event()
    await fleet.produce(LOGS)
    firing = await fleet.told("worker_stalled", "firing")
    stalled = 'watchkeeper_worker_condition{kind="worker_stalled"}'
    await until(lambda: fleet.metrics(worker)[stalled] == 1, "the worker's own next look")
    shown = fleet.metrics(worker)
    checked = await watchkeeper(["check"], fleet.environment)
    guard.gate.set()
    await fleet.told("worker_stalled", "resolved")
    listed = await watchkeeper(["alerts", "--json"], fleet.environment)

    assert (firing.place, firing.severity) == (place(fleet), "critical")
    assert firing.facts["partitions"] == "0-3"
    assert firing.facts["workers"] in {status.worker for status in await fleet.statuses()}
    assert firing.facts["waits_for"] == "the guard"
    assert (shown[gauge("worker_stalled")], shown['watchkeeper_worker_condition{kind="worker_stalled"}']) == (
        1,
        1,
    )
    assert checked.code == 1
    assert "worker_stalled" in checked.out
    assert await history(fleet) == [("worker_stalled", "firing", 0), ("worker_stalled", "resolved", 0)]
    assert logged(fleet) == [("worker_stalled", "firing"), ("worker_stalled", "resolved")]
    assert [line["kind"] for line in fleet.logged("worker is not well")] == ["worker_stalled"]
    assert fleet.logged("worker is well again")
    assert [(one["id"], one["state"]) for one in json.loads(listed.out)["alerts"]] == [
        (firing.id, "resolved")
    ]


async def test_partitions_that_nobody_owns_are_told_until_somebody_does(fleet: Fleet) -> None:
    overseeing = await fleet.start("storage")
    moderating = await fleet.start("moderation")
    await fleet.produce(LOGS)
    await until(lambda: fleet.logged("batch stored"), "rows")
    await moderating.stop()
    await fleet.produce(LOGS)
    firing = await fleet.told("partition_unowned", "firing")
    shown = fleet.metrics(overseeing)
    await fleet.start("moderation")
    await fleet.told("partition_unowned", "resolved")

    assert firing.place == place(fleet)
    assert firing.facts["partitions"] == "0-3"
    assert (
        shown[gauge("partition_unowned")],
        shown['watchkeeper_partitions_unowned{role="moderation"}'],
    ) == (1, 4)
    assert await history(fleet) == [("partition_unowned", "firing", 0), ("partition_unowned", "resolved", 0)]
    assert logged(fleet) == [("partition_unowned", "firing"), ("partition_unowned", "resolved")]


async def test_a_worker_that_waits_for_its_guard_at_the_start_says_why_nobody_owns_its_partitions(
    fleet: Fleet,
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    starting = asyncio.ensure_future(fleet.start("moderation", "storage", WATCHKEEPER_TRITON__URL=nowhere))
    firing = await fleet.told("partition_unowned", "firing")
    starting.cancel()

    assert "waits for Triton" in firing.remedy


async def test_a_guard_whose_answers_are_all_unreadable_is_told_until_they_can_be_read(
    fleet: Fleet, guard: GuardServer
) -> None:
    worker = await fleet.start()
    async with flowing(fleet):
        await until(lambda: fleet.logged("batch stored"), "rows")
        guard.distort = distorted
        firing = await fleet.told("guard_unanswering", "firing")
        shown = fleet.metrics(worker)
        guard.distort = None
        await fleet.told("guard_unanswering", "resolved")

    assert (firing.place, firing.severity) == ({"part": "guard"}, "critical")
    assert float(firing.facts["share"]) >= 0.9
    assert shown[gauge("guard_unanswering")] == 1
    assert await history(fleet) == [("guard_unanswering", "firing", 0), ("guard_unanswering", "resolved", 0)]
    assert logged(fleet) == [("guard_unanswering", "firing"), ("guard_unanswering", "resolved")]


async def test_a_share_of_dead_letters_above_its_limit_is_told_before_a_partition_stops(fleet: Fleet) -> None:
    worker = await fleet.start()
    async with flowing(fleet) as flow:
        await until(lambda: fleet.logged("batch stored"), "rows")
        flow.is_bad = lambda number: number % 3 == 0
        firing = await fleet.told("dead_letter_share", "firing")
        shown = fleet.metrics(worker)
        flow.is_bad = lambda _: False
        await fleet.told("dead_letter_share", "resolved")

    assert (firing.place, firing.severity) == (place(fleet), "warning")
    assert 0.1 <= float(firing.facts["share"]) < 0.5
    assert shown[gauge("dead_letter_share")] == 1
    assert await history(fleet) == [("dead_letter_share", "firing", 0), ("dead_letter_share", "resolved", 0)]
    assert logged(fleet) == [("dead_letter_share", "firing"), ("dead_letter_share", "resolved")]
    assert not fleet.logged("partition halted")


async def test_a_halted_partition_is_told_with_its_cause(fleet: Fleet) -> None:
    await fleet.start()
    await fleet.produce([b"no chat log"] * 300, partitions=1)
    firing = await fleet.told("partition_halted", "firing")

    assert (firing.place, firing.facts["partitions"]) == (place(fleet), "0")
    assert "can't be used" in str(firing.facts["cause"])


@pytest.mark.parametrize("killed", ["before it is told", "after it was told"])
async def test_an_alert_outlives_the_worker_that_oversees(
    fleet: Fleet, guard: GuardServer, killed: str
) -> None:
    overseeing = await fleet.start("storage", **SLOW_START)
    await fleet.start(**SLOW_START)
    await fleet.produce(LOGS)
    await until(lambda: sum(map(len, guard.requests)) >= len(LOGS), "the guard's first answers")
    guard.gate = asyncio.Event()
    await fleet.produce(LOGS)
    if killed == "after it was told":
        await fleet.told("worker_stalled", "firing")
    await overseeing.kill()
    await fleet.told("worker_silent", "firing")
    await fleet.told("worker_stalled", "firing")
    guard.gate.set()
    await fleet.told("worker_stalled", "resolved")
    await fleet.told("worker_silent", "resolved")

    told = await history(fleet)
    assert [state for kind, state, _ in told if kind == "worker_stalled"] == ["firing", "resolved"]
    assert [state for kind, state, _ in told if kind == "worker_silent"] == ["firing", "resolved"]
    assert len({number for _, _, number in told}) == 2
    sources = {
        alert.state: alert.source.worker for alert in await fleet.alerts() if alert.kind == "worker_stalled"
    }
    assert len(set(sources.values())) == (2 if killed == "after it was told" else 1)


async def test_a_frozen_overseer_is_replaced_and_tells_nothing_twice_when_it_thaws(
    fleet: Fleet, guard: GuardServer
) -> None:
    overseeing = await fleet.start("storage", **SLOW_START)
    await fleet.start(**SLOW_START)
    await until(lambda: shares(fleet) >= 4, "shared partitions")
    await fleet.produce(LOGS)
    await until(lambda: sum(map(len, guard.requests)) >= len(LOGS), "the guard's first answers")
    guard.gate = asyncio.Event()
    await fleet.produce(LOGS)
    freeze(overseeing)
    try:
        await fleet.told("worker_silent", "firing")
        await fleet.told("worker_stalled", "firing")
    finally:
        thaw(overseeing)
    await fleet.told("worker_silent", "resolved")
    guard.gate.set()
    await fleet.told("worker_stalled", "resolved")

    told = await history(fleet)
    for kind in ("worker_silent", "worker_stalled"):
        assert [state for named, state, _ in told if named == kind] == ["firing", "resolved"]
    assert len({number for _, _, number in told}) == 2


async def test_workers_that_come_and_go_are_no_alert(fleet: Fleet) -> None:
    first = await fleet.start()
    async with flowing(fleet):
        second = await fleet.start()
        await until(lambda: shares(fleet) >= 4, "shared partitions")
        await first.stop()
        third = await fleet.start()
        await second.stop()
        looks = len(await fleet.statuses())
        await until(lambda: still_more(fleet, looks + 20), "a few more seconds of its life")
        await third.stop()

    assert await history(fleet) == []
    assert [line["state"] for line in fleet.logged("alert")] == []


async def still_more(fleet: Fleet, count: int) -> bool:
    return len(await fleet.statuses()) >= count


async def test_a_broker_that_was_away_is_no_alert(
    tmp_path: Path, new_kafka: Callable[[], KafkaPart], clickhouse_part: ClickHousePart, guard: GuardServer
) -> None:
    broker = new_kafka()
    await broker.start()
    fleet = Fleet(tmp_path, broker, clickhouse_part, guard.address)
    worker = await fleet.start(
        WATCHKEEPER_KAFKA__REQUEST_TIMEOUT_S="5",
        WATCHKEEPER_HEALTH__SILENT_AFTER_S="15",
        WATCHKEEPER_HEALTH__STALLED_AFTER_S="10",
    )
    try:
        await fleet.produce(LOGS[:100])
        await until(lambda: fleet.is_stored(100), "the first rows")
        await broker.kill()
        await until(
            lambda: len(fleet.logged("overseeing failed, begun again")) >= 2, "an overseer that sees nothing"
        )
        await broker.start()
        await fleet.produce(LOGS)
        await until(lambda: fleet.is_stored(200), "all rows", within_s=90)
        said = len(await fleet.statuses())
        await until(lambda: still_more(fleet, said + 40), "more statuses than any alert takes")

        assert await history(fleet) == []
    finally:
        await worker.stop()


async def test_transaction_markers_at_the_logs_end_are_no_stall(fleet: Fleet) -> None:
    await fleet.start()
    producer = AIOKafkaProducer(
        bootstrap_servers=fleet.kafka.bootstrap, transactional_id=secrets.token_hex(4)
    )
    await producer.start()
    async with producer.transaction():
        for number, log in enumerate(LOGS):
            await producer.send(fleet.kafka.chat_logs_topic, log, partition=number % 4)
    await producer.stop()
    await until(lambda: fleet.logged("batch stored"), "rows")
    said = len(await fleet.statuses())
    await until(lambda: still_more(fleet, said + 20), "more statuses than a stall takes")

    assert await history(fleet) == []
