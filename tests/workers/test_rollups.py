"""The quarters are refreshed by whoever oversees, while it does, and whatever fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from monitor.adapters.rollups import Counted, Reach
from monitor.checking.store import BEHIND_AT_MOST, rollup_check
from monitor.errors import Retryable
from monitor.metrics import Metrics
from monitor.rollup_settings import RollupSettings
from monitor.settings import RetrySettings, Settings
from tests.fakes.membership import FakeMembership
from tests.waiting import until
from workers.rollups import RollupKeeper

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
SETTINGS = Settings(
    rollups=RollupSettings(every_s=0.01),
    retry=RetrySettings(first_s=0.01, max_s=0.01),
)


@dataclass
class FakeRollups:
    """Counts how often it was opened, and refreshed; fails as often as it is told."""

    failures: int = 0
    opened: int = 0
    reached: int = 0
    refreshed: int = 0
    closed: int = 0
    is_ours: Callable[[], bool] = field(default=lambda: False)

    async def reach(self) -> Reach:
        self.reached += 1
        return Reach(NOW, NOW, is_filled=True)

    async def refresh(self, reach: Reach) -> Counted | None:
        if self.failures:
            self.failures -= 1
            raise Retryable("the store is away, as told")
        self.refreshed += 1
        return Counted(NOW, 2, 10)

    @asynccontextmanager
    async def open(self, is_ours: Callable[[], bool]) -> AsyncIterator[FakeRollups]:
        self.is_ours = is_ours
        self.opened += 1
        yield self
        self.closed += 1


async def test_whoever_oversees_refreshes_and_another_does_not() -> None:
    member, rollups, metrics = FakeMembership(is_owner=False), FakeRollups(), Metrics()
    keeper = RollupKeeper(SETTINGS, member, rollups.open, metrics=metrics)
    await keeper.start()
    try:
        member.is_owner = True
        await until(lambda: rollups.refreshed >= 3, "three refreshes")
        assert rollups.opened == 1
        member.term = 2
        await until(lambda: rollups.opened == 2, "another term")
        member.is_owner = False
        await until(lambda: rollups.closed == 2, "the end of the term")
        assert not rollups.is_ours()
    finally:
        await keeper.stop()
    assert rollups.closed == rollups.opened
    assert rollups.reached == rollups.refreshed


async def test_a_store_that_is_away_is_tried_again() -> None:
    rollups = FakeRollups(failures=3)
    keeper = RollupKeeper(SETTINGS, FakeMembership(), rollups.open, metrics=Metrics())
    await keeper.start()
    try:
        await until(lambda: rollups.refreshed, "a refresh after three failures")
    finally:
        await keeper.stop()


def test_a_rollup_that_lags_is_told() -> None:
    late = NOW - 2 * BEHIND_AT_MOST
    states = [rollup_check(Reach(NOW, counted, is_filled=True)).state for counted in (None, NOW, late)]

    assert states == ["ok", "ok", "warning"]
