"""The gate of the backfill, on a clock of the tests' own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from schemas.status import PartitionStatus, RoleStatus
from tests.waiting import until
from workers.gate import LOOK_EVERY_S, RATE_OVER_S, LiveFirst, Queue


@dataclass
class Live:
    """A live intake as the gate sees it: what waits, what is done, and what waits for a person."""

    behind: int = 0
    done: int = 0
    halted: int = 0

    def status(self) -> RoleStatus:
        """As an intake's."""
        return RoleStatus(
            role="moderation",
            topic="chat.logs",
            group="g",
            partitions=(
                partition(0, self.behind, is_halted=False),
                partition(1, self.halted, is_halted=self.halted > 0),
            ),
            in_flight=0,
            in_flight_limit=3,
            spent_s={},
            messages=self.done,
            exchanges=self.done,
            unanswered=0,
            dead=0,
            breaker="",
        )


def partition(number: int, lag: int, *, is_halted: bool) -> PartitionStatus:
    return PartitionStatus(
        partition=number,
        position=100,
        end=100 + lag,
        in_flight=0,
        still_s=0.0,
        doing="",
        trouble="",
        is_halted=is_halted,
    )


@dataclass
class World:
    """A clock that moves only by sleeping, and what happens while it does."""

    now_s: float = 1_000.0
    meanwhile: Callable[[float], None] = lambda _: None
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now_s += seconds
        self.meanwhile(seconds)
        await asyncio.sleep(0)


def gate(world: World, *, max_per_s: float = 0.0, live: Live | None = None) -> LiveFirst:
    queues = [Queue(live)] if live is not None else []
    return LiveFirst(max_per_s, 5.0, queues, world.now, world.sleep)


async def test_without_a_limit_and_without_live_traffic_every_batch_goes_at_once() -> None:
    world = World()
    opened = gate(world, live=Live())
    for _ in range(100):
        await opened.wait(100)
    assert world.slept == []


async def test_batches_are_never_faster_than_the_limit_however_long_none_came() -> None:
    world = World()
    limited = gate(world, max_per_s=500.0)
    for _ in range(3):
        await limited.wait(100)
    assert world.slept == [0.2, 0.2]
    world.now_s += 3_600
    for _ in range(3):
        await limited.wait(50)
    assert world.slept == [0.2, 0.2, 0.1, 0.1]


async def test_a_wait_that_is_cancelled_costs_nothing() -> None:
    world = World()
    limited = gate(world, max_per_s=1.0)
    await limited.wait(10)
    limited.sleep = never
    waiting = asyncio.ensure_future(limited.wait(10))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    world.now_s += 10
    await asyncio.wait_for(limited.wait(10), 1)


async def never(_: float) -> None:
    await asyncio.Event().wait()


async def test_it_is_closed_while_live_messages_wait_and_none_has_been_seen_to_be_done() -> None:
    live = Live(behind=1)
    world = World()
    going = asyncio.ensure_future(gate(world, live=live).wait(100))
    await until(lambda: len(world.slept) > 50)
    assert not going.done()
    assert set(world.slept) == {LOOK_EVERY_S}
    live.behind = 0
    await going


@pytest.mark.parametrize("per_s", [20.0, 20_000.0])
async def test_it_opens_where_the_backlog_is_short_for_the_speed_of_live_traffic(per_s: float) -> None:
    """Four seconds' worth of work may wait, six may not, whether the guard does 20 or 20,000 a second."""
    live = Live(behind=int(4 * per_s))
    world = World()

    def work(seconds: float) -> None:
        live.done += round(seconds * per_s)

    world.meanwhile = work
    watching = gate(world, live=live)
    await watching.wait(100)
    opened_after_s = sum(world.slept)
    live.behind = int(6 * per_s)
    going = asyncio.ensure_future(watching.wait(100))
    await until(lambda: len(world.slept) > 100)
    still_closed = not going.done()
    live.behind = int(4 * per_s)
    await going
    assert (0.9 < opened_after_s < 1.3, still_closed) == (True, True)


async def test_what_was_done_long_ago_says_nothing_of_now() -> None:
    live = Live(behind=10, done=0)
    world = World()
    queue = Queue(live)
    assert queue.wait_s(0.0) == float("inf")
    live.done = 1_000
    assert queue.wait_s(2.0) == pytest.approx(0.02)
    assert queue.wait_s(2.0 + 3 * RATE_OVER_S) == float("inf")
    assert world.slept == []


async def test_a_partition_that_waits_for_a_person_holds_back_no_backfill() -> None:
    world = World()
    await gate(world, live=Live(halted=100_000)).wait(100)
    assert world.slept == []


async def test_every_queue_has_to_be_short() -> None:
    moderation, storage = Live(), Live(behind=5)
    world = World()
    both = LiveFirst(0.0, 5.0, [Queue(moderation), Queue(storage)], world.now, world.sleep)
    going = asyncio.ensure_future(both.wait(1))
    await until(lambda: len(world.slept) > 20)
    assert not going.done()
    storage.behind = 0
    await going
