"""How the day is sent: at its pace, each conversation to one partition, and counted once acknowledged."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from monitor.demo.messages import messages
from monitor.demo.streaming import Sent, Streamer
from monitor.demo.traffic import Day
from monitor.errors import Retryable
from tests.fakes.outbox import FakeOutbox

DAY = Day(2_000, 3, datetime(2026, 3, 2, 12, tzinfo=UTC))


@dataclass
class FakeTime:
    """A clock that only `sleep` moves."""

    s: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.s

    async def sleep(self, s: float) -> None:
        self.slept.append(s)
        self.s += s


def streamer(outbox: FakeOutbox, sent: Sent, clock: FakeTime, *, speed: float) -> Streamer:
    return Streamer(outbox, "chat", 4, speed, sent, clock.now, clock.sleep)


async def test_every_message_arrives_once_in_order_and_conversations_stay_on_one_partition() -> None:
    outbox, sent = FakeOutbox(), Sent()
    day = list(messages(DAY))

    await streamer(outbox, sent, FakeTime(), speed=1_440).run(day, DAY.begins_at)

    records = [record for published in outbox.published.values() for record in published]
    assert sorted((r.key or b"", r.value or b"") for r in records) == sorted(
        (m.key or b"", m.value) for m in day
    )
    places: dict[bytes, set[tuple[str, int]]] = {}
    for place, published in outbox.published.items():
        for record in published:
            if record.key is not None:
                places.setdefault(record.key, set()).add(place)
    assert {len(found) for found in places.values()} == {1}
    assert min(len(published) for published in outbox.published.values()) > 300
    assert sent == Sent(
        messages=len(day),
        exchanges=2_000,
        repeats=sum(m.exchanges for m in day if m.kind == "repeat"),
        bad=sum(m.kind == "bad" for m in day),
        not_chat=sum(m.not_chat for m in day),
        until=day[-1].at,
    )


async def test_a_day_takes_its_length_over_the_speed() -> None:
    clock = FakeTime()

    await streamer(FakeOutbox(), Sent(), clock, speed=1_440).run(messages(DAY), DAY.begins_at)

    assert 59 < clock.s < 61
    assert max(clock.slept) < 2


async def test_what_was_not_acknowledged_is_not_counted() -> None:
    sent = Sent()
    outbox = FakeOutbox(failures=[Retryable("away")])

    with pytest.raises(Retryable):
        await streamer(outbox, sent, FakeTime(), speed=1_440).run(messages(DAY), DAY.begins_at)

    assert sent == Sent()
