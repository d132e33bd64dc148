"""What a worker says of itself, and what it thinks of that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from monitor.errors import Retryable
from monitor.metrics import Metric, Metrics
from monitor.ports import OutRecord
from monitor.settings import Settings, load
from schemas.status import RoleStatus, WorkerStatus
from tests.fakes.outbox import FakeOutbox
from tests.unit.health.statuses import partition, role
from tests.waiting import until
from workers.heartbeat import Heartbeat
from workers.identity import Identity

WHO = Identity("host-1-abcd", "1", datetime(2025, 3, 3, tzinfo=UTC))
SETTINGS: Settings = load(
    {"WATCHKEEPER_HEALTH__STATUS_EVERY_S": "0.01", "WATCHKEEPER_HEALTH__LOOK_EVERY_S": "0.01"}
)
STALLED = role("moderation", partition(position=10, end=20, still_s=50.0, in_flight=1, doing="guard"))
WELL = role("moderation", partition())


@dataclass
class FakeWorker:
    """Implements workers.heartbeat.Worker."""

    standing: list[RoleStatus] | None = field(default_factory=lambda: [WELL])
    missing: str = ""
    has_crashed: bool = False

    def roles(self) -> list[RoleStatus] | None:
        return self.standing


class Silent(FakeOutbox):
    """Never answers."""

    asked = 0

    async def publish(self, topic: str, partition: int, records: Sequence[OutRecord]) -> None:
        self.asked += 1
        await asyncio.Event().wait()


@pytest.fixture
def itself() -> FakeWorker:
    return FakeWorker()


@pytest.fixture
def outbox() -> FakeOutbox:
    return FakeOutbox()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def heartbeat(itself: FakeWorker, outbox: FakeOutbox, metrics: Metrics) -> AsyncIterator[Heartbeat]:
    made = Heartbeat(WHO, itself, outbox, SETTINGS, metrics=metrics)
    yield made
    await made.stop()


def said(outbox: FakeOutbox) -> list[WorkerStatus]:
    records = outbox.published["safety.control", 0]
    assert {record.key for record in records} <= {b"host-1-abcd"}
    return [WorkerStatus.from_bytes(record.value or b"") for record in records]


async def test_a_worker_says_how_it_stands_before_it_has_begun_and_to_its_goodbye(
    heartbeat: Heartbeat, itself: FakeWorker, outbox: FakeOutbox
) -> None:
    itself.standing, itself.missing = None, "Triton"
    await heartbeat.start()
    await until(lambda: said(outbox), "its first word")
    itself.standing = [WELL]
    await until(lambda: said(outbox)[-1].state == "running", "its roles")
    await heartbeat.stop()

    words = said(outbox)
    assert (words[0].state, words[0].waits_for, words[0].roles) == ("starting", "Triton", ())
    assert (words[-1].state, words[-1].fleet, words[-1].roles) == ("leaving", "watchkeeper", (WELL,))
    assert [word.state for word in words].count("leaving") == 1


async def test_a_worker_that_has_crashed_says_no_goodbye(
    heartbeat: Heartbeat, itself: FakeWorker, outbox: FakeOutbox
) -> None:
    await heartbeat.start()
    await until(lambda: said(outbox), "its first word")
    itself.has_crashed = True
    await heartbeat.stop()

    assert {word.state for word in said(outbox)} == {"running"}


async def test_a_broker_that_is_away_is_logged_once_and_a_word_that_was_not_heard_is_no_matter(
    heartbeat: Heartbeat, outbox: FakeOutbox
) -> None:
    outbox.failures = [Retryable("no broker answers")] * 3
    with capture_logs() as logs:
        await heartbeat.start()
        await until(lambda: said(outbox), "a word that was heard")

    assert [line["event"] for line in logs] == ["status not said, tried again"]


async def test_what_others_cancel_ends_no_heartbeat_and_who_ends_it_ends_it(
    heartbeat: Heartbeat, itself: FakeWorker, outbox: FakeOutbox
) -> None:
    outbox.failures = [asyncio.CancelledError(), asyncio.CancelledError()]
    with capture_logs() as logs:
        await heartbeat.start()
        await until(lambda: said(outbox), "a word after what others cancelled")
        outbox.failures = [asyncio.CancelledError()]
        await until(lambda: len(outbox.failures) == 0, "a cancelled word")
    await heartbeat.stop()

    assert [line["event"] for line in logs][:1] == ["status not said, tried again"]
    assert said(outbox)[-1].state == "leaving"
    assert all(one.done() for one in heartbeat._futures)


async def test_a_goodbye_that_others_cancel_ends_the_heartbeat_all_the_same(
    heartbeat: Heartbeat, outbox: FakeOutbox
) -> None:
    outbox.failures = [asyncio.CancelledError()]
    await heartbeat.on_stop()

    assert outbox.published == {}


async def test_a_heartbeat_that_is_cancelled_ends(itself: FakeWorker, metrics: Metrics) -> None:
    silent = Silent()
    heartbeat = Heartbeat(WHO, itself, silent, SETTINGS, metrics=metrics)
    saying = asyncio.ensure_future(heartbeat._say_now_and_then())
    await until(lambda: silent.asked, "a word that nobody answers")
    saying.cancel()
    await asyncio.wait((saying,))

    assert saying.cancelled()
    assert silent.asked == 1


def test_a_worker_judges_itself_without_any_broker(
    itself: FakeWorker, outbox: FakeOutbox, metrics: Metrics
) -> None:
    heartbeat = Heartbeat(WHO, itself, outbox, SETTINGS, metrics=metrics)
    with capture_logs() as logs:
        heartbeat.judge(1_000.0)
        itself.standing = [STALLED]
        heartbeat.judge(1_003.0)
        shown = metrics.value(Metric.WORKER_CONDITION, kind="worker_stalled")
        heartbeat.judge(1_006.0)
        itself.standing = [WELL]
        for now_s in (1_009.0, 1_100.0):
            heartbeat.judge(now_s)

    assert [(line["event"], line["log_level"], line["kind"]) for line in logs] == [
        ("worker is not well", "error", "worker_stalled"),
        ("worker is well again", "warning", "worker_stalled"),
    ]
    assert (shown, metrics.value(Metric.WORKER_CONDITION, kind="worker_stalled")) == (1, 0)
    assert outbox.published == {}


def test_the_oldest_worker_has_the_first_name() -> None:
    older, newer = Identity("z", "1", datetime(2025, 3, 3, tzinfo=UTC)), Identity.new()
    assert older.client_id < newer.client_id
