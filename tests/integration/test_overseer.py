"""What is wrong with the stream is told once, where it is, and told to be over once it is mended: real brokers, real workers."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from aiokafka import AIOKafkaProducer

from monitor.adapters.control import alert_log, said_lately
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.free_ports import free_port
from monitor.embedded.kafka import KafkaPart
from monitor.embedded.workers import WorkersPart
from monitor.settings import KafkaSettings
from schemas.alerts import Alert
from schemas.status import WorkerStatus
from tests.fakes.guard_server import GuardServer
from tests.integration.commands import watchkeeper
from tests.waiting import until

QUICK = {
    "WATCHKEEPER_HEALTH__STATUS_EVERY_S": "0.5",
    "WATCHKEEPER_HEALTH__LOOK_EVERY_S": "0.5",
    "WATCHKEEPER_HEALTH__LEADER_SESSION_TIMEOUT_S": "6",
    "WATCHKEEPER_HEALTH__STALLED_AFTER_S": "4",
    "WATCHKEEPER_HEALTH__UNCOMMITTED_AFTER_S": "6",
    "WATCHKEEPER_HEALTH__UNOWNED_AFTER_S": "8",
    "WATCHKEEPER_HEALTH__REBALANCE_WITHIN_S": "20",
    "WATCHKEEPER_HEALTH__SILENT_AFTER_S": "4",
    "WATCHKEEPER_HEALTH__FORGOTTEN_AFTER_S": "8",
    "WATCHKEEPER_HEALTH__WINDOW_S": "2",
    "WATCHKEEPER_HEALTH__RESOLVE_AFTER_S": "2",
}


class Fleet:
    """Worker processes with topics, groups and a database of their own, and a guard that can be told to fail."""

    def __init__(
        self, folder: Path, kafka: KafkaPart, clickhouse: ClickHousePart, guard: GuardServer
    ) -> None:
        name = secrets.token_hex(4)
        self.folder = folder
        self.kafka = KafkaSettings(
            bootstrap=kafka.address,
            chat_logs_topic=f"chat.logs.{name}",
            chat_logs_backfill_topic=f"chat.logs.{name}.backfill",
            chat_logs_dlq_topic=f"chat.logs.{name}.dlq",
            verdicts_topic=f"safety.verdicts.{name}",
            verdicts_dlq_topic=f"safety.verdicts.{name}.dlq",
            control_topic=f"safety.control.{name}",
            alerts_topic=f"safety.alerts.{name}",
            group_prefix=f"wk-{name}",
            session_timeout_s=6,
        )
        self.environment = {
            **{
                f"WATCHKEEPER_KAFKA__{field.upper()}": str(value)
                for field, value in self.kafka.model_dump(exclude_defaults=True).items()
            },
            "WATCHKEEPER_TRITON__URL": guard.address,
            "WATCHKEEPER_TRITON__DEADLINE_S": "1",
            "WATCHKEEPER_TRITON__BREAKER_OPEN_S": "1",
            "WATCHKEEPER_CLICKHOUSE__URL": clickhouse.address,
            "WATCHKEEPER_CLICKHOUSE__DATABASE": f"watchkeeper_{name}",
            "WATCHKEEPER_RETRY__MAX_S": "1",
            "WATCHKEEPER_WORKER__HTTP_PORT": "0",
            "WATCHKEEPER_WORKER__LOG_FORMAT": "json",
            "WATCHKEEPER_WORKER__DRAIN_S": "2",
            **QUICK,
        }
        self.workers: list[WorkersPart] = []

    async def start(self, *roles: str, **settings: str) -> WorkersPart:
        """One more worker."""
        folder = self.folder / f"workers-{len(self.workers)}"
        worker = WorkersPart(
            folder, {**self.environment, **settings}, roles=roles or ("moderation", "storage")
        )
        self.workers.append(worker)
        await worker.start()
        return worker

    async def produce(self, values: list[bytes], partitions: int = 4) -> None:
        """Round robin over the partitions."""
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka.bootstrap)
        await producer.start()
        for number, value in enumerate(values):
            await producer.send(self.kafka.chat_logs_topic, value, partition=number % partitions)
        await producer.stop()

    async def alerts(self) -> list[Alert]:
        """All that stands on the topic, oldest first; none before it is there."""
        async with KafkaAdmin.connect(self.kafka) as admin:
            if self.kafka.alerts_topic not in await admin.partitions():
                return []
            return await alert_log(admin, self.kafka.alerts_topic, datetime.now(UTC) - timedelta(hours=1))

    async def statuses(self) -> list[WorkerStatus]:
        """All that the workers have said lately."""
        async with KafkaAdmin.connect(self.kafka) as admin:
            said = await said_lately(admin, self.kafka.control_topic, self.kafka.group_prefix)
            return [one.status for one in said]

    async def told(self, kind: str, state: str) -> Alert:
        """The newest alert of this kind, once it is in this state."""

        async def newest() -> Alert | None:
            of_kind = [alert for alert in await self.alerts() if alert.kind == kind]
            return of_kind[-1] if of_kind and of_kind[-1].state == state else None

        alert = await until(newest, f"{kind} {state}", within_s=60)
        if alert is None:
            raise TypeError("`until` returned what isn't truthy")
        return alert

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The workers' log lines of this event."""
        lines = [line for worker in self.workers for line in worker.log.read_text().splitlines()]
        return [
            entry for line in lines if line.startswith("{") and (entry := json.loads(line))["event"] == event
        ]

    def metrics(self, worker: WorkersPart) -> dict[str, float]:
        """What a worker serves, by name with labels."""
        ready = [line for line in worker.log.read_text().splitlines() if '"event": "workers ready"' in line]
        url = json.loads(ready[-1])["endpoints"]
        lines = urlopen(f"{url}/metrics").read().decode().splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}


def chat_log(number: int) -> bytes:
    """An OpenAI record."""
    message = {"role": "assistant", "content": "With light."}
    return json.dumps(
        {
            "id": f"e{number}",
            "created": 1_741_000_000,
            "model": "gpt-4o",
            "request": {"model": "gpt-4o", "messages": [{"role": "user", "content": "How do plants grow?"}]},
            "response": {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]},
        }
    ).encode()


LOGS = [chat_log(number) for number in range(200)]


@pytest.fixture
async def guard() -> AsyncIterator[GuardServer]:
    async with GuardServer() as server:
        yield server


@pytest.fixture
async def fleet(
    tmp_path: Path, kafka_part: KafkaPart, clickhouse_part: ClickHousePart, guard: GuardServer
) -> AsyncIterator[Fleet]:
    made = Fleet(tmp_path, kafka_part, clickhouse_part, guard)
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


async def test_a_worker_whose_guard_never_answers_is_stalled_until_it_does(
    fleet: Fleet, guard: GuardServer
) -> None:
    worker = await fleet.start()
    await fleet.produce(LOGS)
    await until(lambda: sum(map(len, guard.requests)) >= len(LOGS), "the guard's first answers")
    guard.gate = asyncio.Event()
    await fleet.produce(LOGS)
    firing = await fleet.told("worker_stalled", "firing")
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
    overseeing = await fleet.start("storage")
    await fleet.start()
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
    overseeing = await fleet.start("storage")
    await fleet.start()
    await until(lambda: len(fleet.logged("partitions ours")) >= 4, "shared partitions")
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
        await until(lambda: len(fleet.logged("partitions ours")) >= 4, "shared partitions")
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


class Flow:
    """Chat logs as they come in; those that `is_bad` names can't be used."""

    is_bad: Callable[[int], bool] = staticmethod(lambda _: False)


@asynccontextmanager
async def flowing(fleet: Fleet) -> AsyncIterator[Flow]:
    """Some forty chat logs a second, in and after the block's beginning, until its end."""
    flow = Flow()

    async def flow_on() -> None:
        number = 0
        while True:
            batch = range(number, number + 20)
            await fleet.produce([b"no chat log" if flow.is_bad(n) else chat_log(n) for n in batch])
            number += 20
            await asyncio.sleep(0.5)

    streaming = asyncio.ensure_future(flow_on())
    try:
        yield flow
    finally:
        streaming.cancel()
        with suppress(asyncio.CancelledError):
            await streaming


def freeze(worker: WorkersPart) -> None:
    os.kill(pid_of(worker), signal.SIGSTOP)


def thaw(worker: WorkersPart) -> None:
    os.kill(pid_of(worker), signal.SIGCONT)


def pid_of(worker: WorkersPart) -> int:
    if worker.pid is None:
        raise RuntimeError("the worker doesn't run")
    return worker.pid
