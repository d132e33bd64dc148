"""What the watcher says of itself: that nothing is watched, and how far behind it is, in this term and no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from monitor.errors import Retryable
from monitor.fleet import LostWatch
from monitor.metrics import Metric, Metrics
from monitor.settings import load
from schemas.alerts import Alert, Source
from tests.fakes.membership import FakeMembership
from tests.fakes.watch import SECOND, START, FakeActions, FakeEngines, FakeWatchStore
from workers.spells import Spell
from workers.watch import FAILURES_IN_A_ROW, Watcher
from workers.watching import StateLost, Watching

SETTINGS = load({"WATCHKEEPER_DRIFT__WINDOW_S": "1"})


class Quick(Watcher):
    """Time goes by as it is waited for."""

    clock_s = 0.0

    async def sleep(self, n: Any) -> None:
        self.clock_s += float(n)
        await asyncio.sleep(0)


async def tell(_: Alert) -> None:
    """Nothing is told in these tests."""


@dataclass
class World:
    """A leadership, the store of the windows, and when which are closed: what `closed` says, first to last, then none."""

    leads: FakeMembership = field(default_factory=lambda: FakeMembership(now_s=START.timestamp()))
    store: FakeWatchStore = field(default_factory=FakeWatchStore)
    metrics: Metrics = field(default_factory=Metrics)
    closed: list[datetime | Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watcher = Quick(SETTINGS, self.leads, self.open, metrics=self.metrics)

    @asynccontextmanager
    async def open(self, spell: Spell) -> AsyncIterator[tuple[Watching, World]]:
        yield (
            Watching(
                engines=FakeEngines(),
                store=self.store,
                actions=FakeActions(),
                tell=tell,
                settings=SETTINGS,
                source=Source("w", "1"),
                metrics=self.metrics,
                is_ours=spell.is_ours,
                sleep=spell.sleep,
            ),
            self,
        )

    async def look(self, position: datetime, now_s: float) -> datetime | None:
        """Implements watch.Closing."""
        if not self.closed:
            self.leads.is_owner = False
            return None
        closed = self.closed.pop(0)
        if isinstance(closed, Exception):
            raise closed
        return closed

    async def spell(self) -> None:
        """One, to its end."""
        async with AsyncExitStack() as stack:
            await self.watcher.act(
                Spell(self.watcher, self.leads, monotonic_s=lambda: self.watcher.clock_s), stack
            )

    @property
    def lag_s(self) -> float:
        self.watcher.show()
        return self.metrics.value(Metric.WATCH_LAG)


async def test_a_lost_state_is_told_until_it_is_there_again_and_not_in_another_term() -> None:
    world = World()
    world.store.standing[START] = (await world.store.count(START, START + SECOND, SECOND))[0]
    with pytest.raises(StateLost):
        await world.spell()
    lost = world.watcher.lost()
    assert lost == LostWatch(
        START.timestamp(),
        "none of the 0 states of the watch can be used: there are closed windows, and no state",
        "`watchkeeper drift rebuild`",
    )
    world.leads.now_s += 60
    with pytest.raises(StateLost):
        await world.spell()
    assert world.watcher.lost() == lost
    world.leads.term = 2
    assert world.watcher.lost() is None

    world.leads.term = 1
    world.store.standing.clear()
    await world.spell()
    assert world.watcher.lost() is None


async def test_looks_that_fail_now_and_then_end_nothing_and_too_many_in_a_row_end_the_spell() -> None:
    away = Retryable("away")
    world = World(closed=[away, START + SECOND, away, away, START + 2 * SECOND, *[away] * FAILURES_IN_A_ROW])
    with pytest.raises(Retryable):
        await world.spell()
    assert world.closed == []
    assert sorted(world.store.standing) == [START, START + SECOND]


async def test_how_far_behind_it_is_is_shown_before_the_store_is_there_and_while_a_look_takes_long() -> None:
    world = World(closed=[START + SECOND])
    await world.spell()
    world.leads.is_owner = True
    world.leads.now_s += 100
    world.watcher.show_nothing()  # for a moment nobody knew whether it was still us
    assert world.lag_s == 99

    world.leads.term = 2
    world.closed = [Retryable("away")] * FAILURES_IN_A_ROW
    world.store.states.clear()
    with pytest.raises(StateLost):
        await world.spell()
    world.leads.now_s += 7
    assert world.lag_s == 7
