"""Keeps the quarters of an hour counted, once in the fleet, by whoever oversees it: in a task of its own, so that a store that is slow or
away delays nothing else."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final, Protocol

import structlog

from monitor.adapters.rollups import Counted, Reach, Rollups
from monitor.metrics import Metric, Metrics
from monitor.settings import Settings
from workers.leadership import Membership
from workers.opening import opened_store
from workers.spells import Duty, Spell

log = structlog.get_logger("watchkeeper.rollups")

SHARE: Final = 0.5
"""Of the time between two refreshes: a refresh begins to count nothing more after so much."""


class Refreshing(Protocol):
    """See monitor/adapters/rollups.py."""

    async def refresh(self, reach: Reach) -> Counted | None:
        """Count anew what is touched. `reach`: as it was just now."""
        ...

    async def reach(self) -> Reach:
        """How far it is."""
        ...


Opening = Callable[[Callable[[], bool]], AbstractAsyncContextManager[Refreshing]]
"""Connects to the store, for as long as the function says that we oversee."""


class RollupKeeper(Duty):
    """Refreshes every `every_s` while it is us who oversee. A stop lets the batch finish that is being counted; the rest is counted by the
    next, and what isn't counted now is counted next time."""

    def __init__(
        self, settings: Settings, leadership: Membership, opening: Opening, *, metrics: Metrics
    ) -> None:
        super().__init__(leadership, settings.retry, doing="counting quarters", log=log)
        self._settings = settings
        self._opening = opening
        self._metrics = metrics

    async def act(self, spell: Spell, stack: AsyncExitStack) -> None:
        """Until the end of our term."""
        rollups = await stack.enter_async_context(self._opening(spell.is_ours))
        while spell.is_ours():
            began_s = time.monotonic()
            reach = await rollups.reach()
            behind_s = (reach.now - reach.counted).total_seconds() if reach.counted else 0.0
            self._metrics.set(Metric.ROLLUP_LAG, behind_s)
            counted = await rollups.refresh(reach)
            took_s = time.monotonic() - began_s
            if counted is not None:
                self._metrics.set(Metric.ROLLUP_LAG, took_s + counted.behind_s)
                self._metrics.count(Metric.ROLLUP_QUARTERS, counted.quarters)
                self._metrics.observe(Metric.ROLLUP_SECONDS, took_s)
                spell.went_well()
                if counted.quarters:
                    log.debug(
                        "quarters counted",
                        quarters=counted.quarters,
                        rows=counted.rows,
                        waiting=counted.waiting,
                        took_s=round(took_s, 2),
                    )
            await spell.sleep(self._settings.rollups.every_s)

    def show_nothing(self) -> None:
        """See Duty."""
        self._metrics.set(Metric.ROLLUP_LAG, 0)


def opening(settings: Settings, metrics: Metrics) -> Opening:
    """Connects to the store of the settings."""
    store = settings.clickhouse.model_copy(update={"timeout_s": settings.rollups.timeout_s})

    @asynccontextmanager
    async def connected(is_ours: Callable[[], bool]) -> AsyncIterator[Refreshing]:
        async with opened_store(store, metrics) as client:
            yield Rollups(client, is_ours, at_most_s=SHARE * settings.rollups.every_s)

    return connected
