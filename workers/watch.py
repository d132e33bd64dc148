"""The watch over drift, done once in the fleet by whoever oversees it: beside the overseer, in a task of its own.

A store or a broker that is slow or away delays the windows, never the overseer's looks.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Protocol

import structlog

from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.adapters.windows import WatchTables
from monitor.drift.kinds import DriftKind
from monitor.errors import WatchkeeperError
from monitor.fleet import LostWatch
from monitor.metrics import Metric, Metrics
from monitor.ports import Outbox
from monitor.settings import Settings
from workers.actions import ActionLog
from workers.closing import Closer
from workers.identity import Identity
from workers.leadership import Membership
from workers.opening import opened_store
from workers.spells import POLL_S, Duty, Spell
from workers.telling import tell
from workers.watching import STREAM_STATES, Engines, StateLost, Watching

log = structlog.get_logger("watchkeeper.watch")

FAILURES_IN_A_ROW: Final = 5


class Closing(Protocol):
    """Finds out which windows are closed (workers/closing.py)."""

    async def look(self, position: datetime, now_s: float) -> datetime | None:
        """All that ends by then is closed; None: nothing is known to be. Raises Retryable or Misconfigured."""
        ...


Opening = Callable[[Spell], AbstractAsyncContextManager[tuple[Watching, Closing]]]
"""Connects to all that a spell of watching needs."""


@dataclass
class _Term:
    """What is known of a term of ours, whatever became of its spells."""

    number: int
    since_s: float
    watching: Watching | None = None
    lost: LostWatch | None = None


class Watcher(Duty):
    """Watches while it is us who oversee."""

    def __init__(
        self, settings: Settings, leadership: Membership, opening: Opening, *, metrics: Metrics
    ) -> None:
        super().__init__(leadership, settings.retry, doing="watching", log=log)
        self._opening = opening
        self._metrics = metrics
        self._term = _Term(0, 0.0)

    def lost(self) -> LostWatch | None:
        """Why nothing is watched, where a person has to do something about it; None where that isn't known of this term."""
        return self._term.lost if self._term.number == self._leads.term else None

    async def act(self, spell: Spell, stack: AsyncExitStack) -> None:
        """Until the end of our term, or until looks have failed FAILURES_IN_A_ROW times."""
        if self._term.number != spell.term:
            self._term = _Term(spell.term, spell.now_s)
        watching, closer = await stack.enter_async_context(self._opening(spell))
        self._term.watching = watching
        await self._restore(watching, spell)
        failures = 0
        while spell.is_ours():
            looked_s = time.monotonic()
            try:
                position = watching.position
                if position is None:
                    raise TypeError("restored without a position")
                closed = await closer.look(position, spell.now_s)
                if closed is not None and closed > position:
                    await watching.follow(closed)
                failures = 0
                spell.went_well()
            except WatchkeeperError as exc:
                failures += 1
                if failures == FAILURES_IN_A_ROW:
                    raise
                log.warning("closing windows failed, tried again", error=str(exc), in_a_row=failures)
            await spell.sleep(max(0.05, POLL_S - (time.monotonic() - looked_s)))

    async def _restore(self, watching: Watching, spell: Spell) -> None:
        try:
            await watching.restore(spell.now)
        except StateLost as exc:
            cause, _, remedy = str(exc).partition("\n  → ")
            self._term.lost = self._term.lost or LostWatch(spell.now_s, cause, remedy)
            raise
        self._term.lost = None

    def show(self) -> None:
        """Also while a window waits for the store, and before the store was ever there."""
        term = self._term
        if term.number != self._leads.term:
            return  # its first spell begins in a moment
        position = term.watching.position if term.watching is not None else None
        kept = term.watching.kept if term.watching is not None else None
        behind_s = self._leads.now_s - (term.since_s if position is None else position.timestamp())
        self._metrics.set(Metric.WATCH_LAG, max(0.0, behind_s))
        if position is not None and kept is not None:
            self._metrics.set(Metric.WATCH_CHECKPOINT_AGE, (position - kept).total_seconds())

    def show_nothing(self) -> None:
        """See Duty."""
        put = self._metrics.set
        for metric in (Metric.WATCH_LAG, Metric.WATCH_CHECKPOINT_AGE, Metric.WATCH_CHECKPOINT_BYTES):
            put(metric, 0)
        for state in STREAM_STATES:
            put(Metric.WATCH_STREAMS, 0, state=state)
        for kind in DriftKind:
            put(Metric.ALERTS_FIRING, 0, kind=kind)


def opening(who: Identity, outbox: Outbox, settings: Settings, engines: Engines, metrics: Metrics) -> Opening:
    """Connects to the store and the broker of the settings."""
    fleet, kafka = settings.kafka.group_prefix, settings.kafka

    @asynccontextmanager
    async def opened(spell: Spell) -> AsyncIterator[tuple[Watching, Closing]]:
        async with opened_store(settings.clickhouse, metrics) as store, KafkaAdmin.connect(kafka) as admin:
            watching = Watching(
                engines=engines,
                store=WatchTables(store, fleet, kafka.chat_logs_topic),
                actions=ActionLog(admin, kafka.alert_actions_topic, fleet),
                tell=partial(tell, outbox, kafka),
                settings=settings,
                source=who.source,
                metrics=metrics,
                is_ours=spell.is_ours,
                sleep=spell.sleep,
            )
            yield watching, Closer(settings, admin)

    return opened
