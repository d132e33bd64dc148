"""Keeps the quarters of an hour counted, once in the fleet, by whoever oversees it: in a task of its own, so that a store that is slow or
away delays nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, Protocol

import structlog
from mode import Service

from monitor.adapters.clickhouse import connect
from monitor.adapters.rollups import Counted, Reach, Rollups
from monitor.backoff import Backoff
from monitor.metrics import Metric, Metrics
from monitor.settings import Settings
from workers.trouble import is_cancelled, said

log = structlog.get_logger("watchkeeper.rollups")

POLL_S: Final = 0.5
CLOSE_WITHIN_S: Final = 10.0
SHARE: Final = 0.5
"""Of the time between two refreshes: a refresh begins to count nothing more after so much."""


class Overseeing(Protocol):
    """Whether we oversee the fleet (workers/leadership.py)."""

    @property
    def is_owner(self) -> bool:
        """For sure."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether the broker's time is known."""
        ...

    @property
    def term(self) -> int:
        """Another whenever somebody else may have acted in between."""
        ...


class Refreshing(Protocol):
    """See monitor/adapters/rollups.py."""

    async def refresh(self) -> Counted | None:
        """Count anew what is touched."""
        ...

    async def reach(self) -> Reach:
        """How far it is."""
        ...


Opening = Callable[[Callable[[], bool]], AbstractAsyncContextManager[Refreshing]]
"""Connects to the store, for as long as the function says that we oversee."""


class RollupKeeper(Service):
    """Refreshes every `every_s` while it is us who oversee. Goes on whatever fails: what isn't counted now is counted next time."""

    mundane_level = "debug"

    def __init__(
        self, settings: Settings, leadership: Overseeing, opening: Opening, *, metrics: Metrics
    ) -> None:
        super().__init__()
        self._settings = settings
        self._leadership = leadership
        self._opening = opening
        self._metrics = metrics

    async def on_start(self) -> None:
        """Begin."""
        self._keeping = self.add_future(self._keep_for_ever())

    async def on_stop(self) -> None:
        """A batch that is being counted is let finish; the rest is counted by the next."""
        await asyncio.wait((self._keeping,), timeout=CLOSE_WITHIN_S)

    async def _keep_for_ever(self) -> None:
        backoff = Backoff(self._settings.retry)
        while not self.should_stop:
            if not self._may_act():
                self._metrics.set(Metric.ROLLUP_LAG, 0)
                await self.sleep(POLL_S)
                continue
            try:
                await self._keep_while_ours()
                backoff = Backoff(self._settings.retry)
            except asyncio.CancelledError:
                if is_cancelled():
                    raise
                await self.sleep(backoff.next_s())
            except Exception as exc:  # noqa: BLE001  # whatever it was, it is tried again and nothing is lost
                wait_s = backoff.next_s()
                log.warning(
                    "counting quarters failed, tried again", error=said(exc), retry_in_s=round(wait_s, 2)
                )
                await self.sleep(wait_s)

    def _may_act(self) -> bool:
        return self._leadership.is_owner and self._leadership.is_live

    async def _keep_while_ours(self) -> None:
        term = self._leadership.term

        def is_ours() -> bool:
            return not self.should_stop and self._leadership.is_owner and self._leadership.term == term

        async with self._opening(is_ours) as rollups:
            while is_ours():
                began_s = time.monotonic()
                reach = await rollups.reach()
                behind_s = (reach.now - reach.counted).total_seconds() if reach.counted else 0.0
                self._metrics.set(Metric.ROLLUP_LAG, behind_s)
                counted = await rollups.refresh()
                took_s = time.monotonic() - began_s
                if counted is not None:
                    self._metrics.set(Metric.ROLLUP_LAG, took_s + counted.behind_s)
                    self._metrics.count(Metric.ROLLUP_QUARTERS, counted.quarters)
                    self._metrics.observe(Metric.ROLLUP_SECONDS, took_s)
                    if counted.quarters:
                        log.debug(
                            "quarters counted",
                            quarters=counted.quarters,
                            rows=counted.rows,
                            waiting=counted.waiting,
                            took_s=round(took_s, 2),
                        )
                await self._wait(self._settings.rollups.every_s, is_ours)

    async def _wait(self, seconds: float, is_ours: Callable[[], bool]) -> None:
        until_s = time.monotonic() + seconds
        while is_ours() and (left_s := until_s - time.monotonic()) > 0:
            await self.sleep(min(POLL_S, left_s))


def opening(settings: Settings, metrics: Metrics) -> Opening:
    """Connects to the store of the settings."""
    store = settings.clickhouse.model_copy(update={"timeout_s": settings.rollups.timeout_s})

    @asynccontextmanager
    async def connected(is_ours: Callable[[], bool]) -> AsyncIterator[Refreshing]:
        async with await connect(store, metrics=metrics) as client:
            if settings.clickhouse.migrate_on_start:
                await client.migrate()
            yield Rollups(client, is_ours, at_most_s=SHARE * settings.rollups.every_s)

    return connected
