"""The watch over drift, done once in the fleet by whoever oversees it: beside the overseer, in a task of its own.

A store or a broker that is slow or away delays the windows, never the overseer's looks.
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from typing import Final

import structlog

from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.adapters.windows import WatchTables
from monitor.drift.kinds import DriftKind
from monitor.errors import WatchkeeperError
from monitor.fleet import LostWatch
from monitor.metrics import Metric, Metrics
from monitor.ports import Outbox, OutRecord
from monitor.settings import Settings
from schemas.alerts import Alert
from workers.actions import ActionLog
from workers.closing import Closer
from workers.identity import Identity
from workers.leadership import Membership
from workers.opening import opened_store
from workers.spells import POLL_S, Duty, Spell
from workers.watching import STREAM_STATES, Engines, StateLost, Watching

log = structlog.get_logger("watchkeeper.watch")

FAILURES_IN_A_ROW: Final = 5


class Watcher(Duty):
    """Watches while it is us who oversee."""

    def __init__(
        self,
        who: Identity,
        outbox: Outbox,
        settings: Settings,
        leadership: Membership,
        engines: Engines,
        *,
        metrics: Metrics,
    ) -> None:
        super().__init__(leadership, settings.retry, doing="watching", log=log)
        self._who = who
        self._outbox = outbox
        self._settings = settings
        self._engines = engines
        self._metrics = metrics
        self._lost: tuple[int, LostWatch] | None = None
        """The term in which it was found."""
        self._last: Watching | None = None
        self._led_since_s = 0.0

    def lost(self) -> LostWatch | None:
        """Why nothing is watched, where a person has to do something about it; None where that isn't known of this term."""
        if self._lost is None:
            return None
        term, lost = self._lost
        return lost if self._leads.term == term else None

    async def act(self, spell: Spell, stack: AsyncExitStack) -> None:
        """Until the end of our term, or until looks have failed FAILURES_IN_A_ROW times."""
        settings = self._settings
        self._led_since_s = self._led_since_s or spell.now_s
        store = await stack.enter_async_context(opened_store(settings.clickhouse, self._metrics))
        admin = await stack.enter_async_context(KafkaAdmin.connect(settings.kafka))
        fleet = settings.kafka.group_prefix
        watching = Watching(
            engines=self._engines,
            store=WatchTables(store, fleet, settings.kafka.chat_logs_topic),
            actions=ActionLog(admin, settings.kafka.alert_actions_topic, fleet),
            tell=self._tell,
            settings=settings,
            source=self._who.source,
            metrics=self._metrics,
            is_ours=spell.is_ours,
            sleep=spell.sleep,
        )
        self._last = watching
        await self._restore(watching, spell)
        closer = Closer(settings, admin)
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
            if self._lost is None or self._lost[0] != spell.term:
                cause, _, remedy = str(exc).partition("\n  → ")
                self._lost = spell.term, LostWatch(spell.now_s, cause, remedy)
            raise
        self._lost = None

    async def _tell(self, alert: Alert) -> None:
        record = OutRecord(alert.id.encode(), alert.to_bytes())
        await self._outbox.publish(self._settings.kafka.alerts_topic, 0, [record])

    def show(self) -> None:
        """Also while a window waits for the store, and before the store was ever there."""
        now_s = self._leads.now_s
        position = self._last.position if self._last is not None else None
        kept = self._last.kept if self._last is not None else None
        behind_s = (
            now_s - position.timestamp() if position is not None else now_s - (self._led_since_s or now_s)
        )
        self._metrics.set(Metric.WATCH_LAG, max(0.0, behind_s))
        if position is not None and kept is not None:
            self._metrics.set(Metric.WATCH_CHECKPOINT_AGE, (position - kept).total_seconds())

    def show_nothing(self) -> None:
        """See Duty."""
        self._led_since_s, self._last = 0.0, None
        put = self._metrics.set
        for metric in (Metric.WATCH_LAG, Metric.WATCH_CHECKPOINT_AGE, Metric.WATCH_CHECKPOINT_BYTES):
            put(metric, 0)
        for state in STREAM_STATES:
            put(Metric.WATCH_STREAMS, 0, state=state)
        for kind in DriftKind:
            put(Metric.ALERTS_FIRING, 0, kind=kind)
