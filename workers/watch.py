"""The watch over drift, done once in the fleet by whoever oversees it: beside the overseer, in a task of its own.

A store or a broker that is slow or away delays the windows, never the overseer's looks.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog
from mode import Service

from monitor.adapters.clickhouse import connect as connect_clickhouse
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.adapters.windows import WatchTables
from monitor.backoff import Backoff
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
from workers.leadership import Leadership
from workers.trouble import is_cancelled, said
from workers.watching import STREAM_STATES, Engines, Replaced, StateLost, Watching

log = structlog.get_logger("watchkeeper.watch")

POLL_S: Final = 0.5
SHOW_EVERY_S: Final = 1.0
FAILURES_IN_A_ROW: Final = 5
CLOSE_WITHIN_S: Final = 10.0


class Watcher(Service):
    """Watches while it is us who oversee. Goes on whatever fails."""

    mundane_level = "debug"

    def __init__(
        self,
        who: Identity,
        outbox: Outbox,
        settings: Settings,
        leadership: Leadership,
        engines: Engines,
        *,
        metrics: Metrics,
    ) -> None:
        super().__init__()
        self._who = who
        self._outbox = outbox
        self._settings = settings
        self._leadership = leadership
        self._engines = engines
        self._metrics = metrics
        self._lost: LostWatch | None = None
        self._last: Watching | None = None
        self._led_since_s = 0.0

    def lost(self) -> LostWatch | None:
        """Why nothing is watched, where a person has to do something about it; None while we don't oversee."""
        return self._lost if self._leadership.is_owner else None

    async def on_start(self) -> None:
        """Begin."""
        self._watching = self.add_future(self._watch_for_ever())
        self.add_future(self._show_for_ever())

    async def on_stop(self) -> None:
        """What isn't kept is taken again by the next."""
        await asyncio.wait((self._watching,), timeout=CLOSE_WITHIN_S)

    async def _watch_for_ever(self) -> None:
        backoff = Backoff(self._settings.retry)
        while not self.should_stop:
            lead = self._leadership
            if not (lead.is_owner and lead.is_live):
                await self.sleep(POLL_S)
                continue
            term = lead.term
            self._led_since_s = self._led_since_s or lead.now_s
            try:
                async with AsyncExitStack() as stack:
                    await self._watch(Spell(self, lead, term), stack)
                backoff = Backoff(self._settings.retry)
            except Replaced:
                log.info("watching ends here: another may oversee, or this worker stops")
            except asyncio.CancelledError:
                if is_cancelled():
                    raise
                await self.sleep(backoff.next_s())
            except StateLost as exc:
                cause, _, remedy = str(exc).partition("\n  → ")
                self._lost = self._lost or LostWatch(lead.now_s, cause, remedy)
                log.error("drift isn't watched, looked at again", error=str(exc))  # it is ours, and says all
                await self.sleep(self._settings.retry.halted_s)
            except Exception as exc:  # noqa: BLE001  # whatever it was, windows wait and nothing is lost
                wait_s = backoff.next_s()
                log.warning("watching failed, begun again", error=said(exc), retry_in_s=round(wait_s, 2))
                await self.sleep(wait_s)

    async def _watch(self, spell: Spell, stack: AsyncExitStack) -> None:
        """Until the end of our term, or until looks have failed FAILURES_IN_A_ROW times."""
        settings, lead = self._settings, self._leadership
        store = await stack.enter_async_context(
            await connect_clickhouse(settings.clickhouse, metrics=self._metrics)
        )
        if settings.clickhouse.migrate_on_start:
            await store.migrate()
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
            sleep=self.sleep,
        )
        self._last = watching
        await watching.restore(datetime.fromtimestamp(lead.now_s, UTC))
        self._lost = None
        closer = Closer(settings, admin)
        failures = 0
        while spell.is_ours():
            looked_s = time.monotonic()
            try:
                position = watching.position
                if position is None:
                    raise TypeError("restored without a position")
                closed = await closer.look(position, lead.now_s)
                if closed is not None and closed > position:
                    await watching.follow(closed)
                failures = 0
            except WatchkeeperError as exc:
                failures += 1
                if failures == FAILURES_IN_A_ROW:
                    raise
                log.warning("closing windows failed, tried again", error=str(exc), in_a_row=failures)
            await self.sleep(max(0.05, POLL_S - (time.monotonic() - looked_s)))

    async def _tell(self, alert: Alert) -> None:
        record = OutRecord(alert.id.encode(), alert.to_bytes())
        await self._outbox.publish(self._settings.kafka.alerts_topic, 0, [record])

    async def _show_for_ever(self) -> None:
        """Also while a window waits for the store, and before the store was ever there."""
        while not self.should_stop:
            lead = self._leadership
            if lead.is_owner and lead.is_live:
                self._show(lead.now_s)
            else:
                self._led_since_s, self._last = 0.0, None
                self._show_nothing()
            await self.sleep(SHOW_EVERY_S)

    def _show(self, now_s: float) -> None:
        position = self._last.position if self._last is not None else None
        kept = self._last.kept if self._last is not None else None
        behind_s = (
            now_s - position.timestamp() if position is not None else now_s - (self._led_since_s or now_s)
        )
        self._metrics.set(Metric.WATCH_LAG, max(0.0, behind_s))
        if position is not None and kept is not None:
            self._metrics.set(Metric.WATCH_CHECKPOINT_AGE, (position - kept).total_seconds())

    def _show_nothing(self) -> None:
        """We don't oversee: the figures are another's."""
        put = self._metrics.set
        for metric in (Metric.WATCH_LAG, Metric.WATCH_CHECKPOINT_AGE, Metric.WATCH_CHECKPOINT_BYTES):
            put(metric, 0)
        for state in STREAM_STATES:
            put(Metric.WATCH_STREAMS, 0, state=state)
        for kind in DriftKind:
            put(Metric.ALERTS_FIRING, 0, kind=kind)


@dataclass(frozen=True, slots=True)
class Spell:
    """Our time as the one who oversees, from one taking over to the next change."""

    watcher: Watcher
    leadership: Leadership
    term: int

    def is_ours(self) -> bool:
        """Whether we may act."""
        lead = self.leadership
        return not self.watcher.should_stop and lead.is_owner and lead.term == self.term
