"""A replay keeps conversations in order, keeps its pace, and counts what is acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.cli.chat_log_hints import Hints, hints
from monitor.cli.chat_log_lines import Line
from monitor.cli.replay import Pace, Sender, Sent, send_lines
from monitor.errors import Retryable
from monitor.ports import OutRecord


class KeptOutbox:
    """Keeps what is published; can be told to wait or to fail."""

    def __init__(self) -> None:
        self.published: list[tuple[str, int, list[OutRecord]]] = []
        self.gate: asyncio.Event | None = None
        self.trouble: Exception | None = None

    async def publish(self, topic: str, partition: int, records: Sequence[OutRecord]) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.trouble is not None:
            raise self.trouble
        self.published.append((topic, partition, list(records)))


class FakeTime:
    def __init__(self) -> None:
        self.s = 100.0
        self.slept: list[float] = []

    def now_s(self) -> float:
        return self.s

    async def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.s += seconds


async def test_a_key_always_goes_to_one_partition_in_order() -> None:
    outbox = KeptOutbox()
    sender = Sender(outbox, "chat.logs", 4, Sent())
    for n in range(9_000):
        await sender.add(b"%d" % n, b"conversation-%d" % (n % 7))
    await sender.flush()
    places: dict[bytes, set[int]] = {}
    order: dict[bytes, list[int]] = {}
    for _, partition, records in outbox.published:
        for record in records:
            places.setdefault(record.key or b"", set()).add(partition)
            order.setdefault(record.key or b"", []).append(int(record.value or b""))
    assert all(len(partitions) == 1 for partitions in places.values())
    assert all(values == sorted(values) for values in order.values())
    assert sender.sent.produced == 9_000


async def test_messages_without_a_key_are_spread() -> None:
    outbox = KeptOutbox()
    sender = Sender(outbox, "chat.logs", 4, Sent())
    for n in range(8_000):
        await sender.add(b"%d" % n, None)
    await sender.flush()
    assert {partition for _, partition, _ in outbox.published} == {0, 1, 2, 3}


async def test_what_is_under_way_at_an_interrupt_is_finished_and_counted() -> None:
    outbox = KeptOutbox()
    outbox.gate = asyncio.Event()
    sender = Sender(outbox, "chat.logs", 1, Sent())
    await sender.add(b"{}", None)
    flushing = asyncio.ensure_future(sender.flush())
    await asyncio.sleep(0)
    flushing.cancel()
    await asyncio.sleep(0)
    outbox.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await flushing
    assert sender.sent == Sent(produced=1, bytes=2)


async def test_what_is_not_acknowledged_is_not_counted() -> None:
    outbox = KeptOutbox()
    outbox.trouble = Retryable("no broker")
    sender = Sender(outbox, "chat.logs", 1, Sent())
    await sender.add(b"{}", None)
    with pytest.raises(Retryable):
        await sender.flush()
    assert sender.sent == Sent()


async def keep(pace: Pace, at: datetime | None = None) -> None:
    """One message, as a replay sends it."""
    wait_s = pace.wait_s(at)
    if wait_s > 0:
        await pace.sleep(wait_s)
    pace.count += 1


async def test_rate_spaces_messages_evenly() -> None:
    time = FakeTime()
    pace = Pace(10.0, None, time.now_s, time.sleep)
    for _ in range(5):
        await keep(pace)
    assert time.slept == [0.1, 0.1, 0.1, 0.1]


async def test_a_high_rate_goes_in_bursts_yet_keeps_its_mean() -> None:
    time = FakeTime()
    pace = Pace(10_000.0, None, time.now_s, time.sleep)
    for _ in range(10_001):
        await keep(pace)
    assert 0.94 <= time.s - 100.0 <= 1.0
    assert len(time.slept) < 25


async def test_speed_divides_the_logs_own_spacing() -> None:
    time = FakeTime()
    pace = Pace(None, 60.0, time.now_s, time.sleep)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    for minutes in (0, 1, 1, 0, 3):
        await keep(pace, begin + timedelta(minutes=minutes))
    assert time.slept == [1.0, 2.0]


async def test_a_log_without_a_time_follows_at_once() -> None:
    time = FakeTime()
    pace = Pace(None, 1.0, time.now_s, time.sleep)
    await keep(pace)
    await keep(pace, datetime(2026, 1, 1, tzinfo=UTC))
    await keep(pace)
    assert time.slept == []


async def test_what_waits_for_its_time_holds_nothing_back_that_was_due() -> None:
    outbox = KeptOutbox()
    time = FakeTime()
    sent_at_sleep: list[int] = []

    async def sleep(seconds: float) -> None:
        sent_at_sleep.append(len(outbox.published))
        await time.sleep(seconds)

    async def lines() -> AsyncIterator[list[Line]]:
        yield [Line(b'{"created": %d}' % second, 1, 0) for second in (1_740_960_007, 1_740_960_008)]

    shown: list[int] = []
    sender = Sender(outbox, "chat.logs", 1, Sent())
    pace = Pace(None, 1.0, time.now_s, sleep)
    await send_lines(lines(), sender, pace, on_line=lambda line: shown.append(line.number))
    assert (sent_at_sleep, sender.sent.produced, shown) == ([1], 2, [1, 1])


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'{"id": "a", "created": 1740960007}', Hints(b"a", datetime(2025, 3, 3, 0, 0, 7, tzinfo=UTC))),
        (b'{"id": "a", "metadata": {"session_id": "s"}}', Hints(b"s", None)),
        (b'{"event_id": "e", "conversation_id": "c", "occurred_at": "2026-01-01T00:00:00Z"}',
         Hints(b"c", datetime(2026, 1, 1, tzinfo=UTC))),
        (b'{"traceId": "t", "startTimeUnixNano": "1740960007000000000"}',
         Hints(b"t", datetime(2025, 3, 3, 0, 0, 7, tzinfo=UTC))),
        (b'{"id": 7, "metadata": "text"}', Hints(b"7", None)),
        (b'{"id": "", "created": true}', Hints(None, None)),
        (b"[1, 2]", Hints(None, None)),
        (b"\xff", Hints(None, None)),
        (b"[" * 100_000, Hints(None, None)),
    ],
)  # fmt: skip
def test_a_key_and_a_time_are_found_where_the_formats_have_them(line: bytes, found: Hints) -> None:
    assert hints(line) == found


@given(st.binary())
def test_hints_never_raise(line: bytes) -> None:
    assert isinstance(hints(line), Hints)
