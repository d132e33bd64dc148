"""Audits of a model's inside, made once in the fleet by whoever oversees it: beside the overseer, in a task of its own.

A probe, a store or a broker that is slow or away delays the audits, never the overseer's looks, nor live traffic.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Final

import structlog
from mode import Service

from monitor.adapters.anchor_sources import AnchorSources
from monitor.adapters.audit_probe import opened_probe
from monitor.adapters.audits import AuditTables
from monitor.adapters.clickhouse import connect as connect_clickhouse
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.audit.alerting import Teller
from monitor.audit.kinds import AuditKind
from monitor.backoff import Backoff
from monitor.clock import at_millisecond
from monitor.errors import WatchkeeperError
from monitor.metrics import Metric, Metrics
from monitor.ports import Outbox, OutRecord
from monitor.settings import Settings
from schemas.alerts import Alert
from schemas.audits import AuditRecord
from workers.actions import ActionLog
from workers.audit_conclusion import Concluding
from workers.audit_requests import RequestLog
from workers.audit_steps import Steps
from workers.auditing import Auditing
from workers.gate import Gate
from workers.identity import Identity
from workers.leadership import Leadership
from workers.probing import Measuring
from workers.trouble import is_cancelled, said
from workers.watching import Replaced

log = structlog.get_logger("watchkeeper.audits")

POLL_S: Final = 0.5
FAILURES_IN_A_ROW: Final = 20
"""Turns that fail before all connections are made anew, and what was measured and not kept is measured again."""
CLOSE_WITHIN_S: Final = 10.0


class Auditor(Service):
    """Audits while it is us who oversee. Goes on whatever fails."""

    mundane_level = "debug"

    def __init__(
        self,
        who: Identity,
        outbox: Outbox,
        settings: Settings,
        leadership: Leadership,
        gate: Gate,
        *,
        metrics: Metrics,
    ) -> None:
        """`gate`: what each call of the probe waits for: live traffic goes first."""
        super().__init__()
        self._who = who
        self._outbox = outbox
        self._settings = settings
        self._leadership = leadership
        self._gate = gate
        self._metrics = metrics

    async def on_start(self) -> None:
        """Begin."""
        self._auditing = self.add_future(self._audit_for_ever())

    async def on_stop(self) -> None:
        """What isn't kept is measured again by the next."""
        await asyncio.wait((self._auditing,), timeout=CLOSE_WITHIN_S)

    async def _audit_for_ever(self) -> None:
        backoff = Backoff(self._settings.retry)
        while not self.should_stop:
            lead = self._leadership
            if not (lead.is_owner and lead.is_live):
                self._show_nothing()
                await self.sleep(POLL_S)
                continue
            term = lead.term
            try:
                async with AsyncExitStack() as stack:
                    await self._audit(term, stack)
                backoff = Backoff(self._settings.retry)
            except Replaced:
                log.info("auditing ends here: another may oversee, or this worker stops")
                await self.sleep(POLL_S)
            except asyncio.CancelledError:
                if is_cancelled():
                    raise
                await self.sleep(backoff.next_s())
            except Exception as exc:  # noqa: BLE001  # whatever it was, audits wait and nothing is lost
                wait_s = backoff.next_s()
                log.warning("auditing failed, begun again", error=said(exc), retry_in_s=round(wait_s, 2))
                await self.sleep(wait_s)

    async def _audit(self, term: int, stack: AsyncExitStack) -> None:
        """Until the end of our term, or until turns have failed FAILURES_IN_A_ROW times."""
        settings, lead, metrics = self._settings, self._leadership, self._metrics
        kafka, fleet = settings.kafka, settings.kafka.group_prefix

        def is_ours() -> bool:
            return not self.should_stop and lead.is_owner and lead.term == term

        def now() -> datetime:
            return at_millisecond(lead.now_s)

        store = await stack.enter_async_context(
            await connect_clickhouse(settings.clickhouse, metrics=metrics)
        )
        if settings.clickhouse.migrate_on_start:
            await store.migrate()
        admin = await stack.enter_async_context(KafkaAdmin.connect(kafka))
        tables = AuditTables(store, fleet)
        teller = Teller(fleet, self._who.source)
        auditing = Auditing(
            measuring=Measuring(
                open_probe=lambda: opened_probe(settings, metrics),
                anchors=AnchorSources(store, settings, now),
                store=tables,
                settings=settings.audit,
                gate=self._gate,
                now=now,
            ),
            steps=Steps(
                tables, self._publish, self._tell, teller, settings.retry, metrics, is_ours, self.sleep
            ),
            concluding=Concluding(tables, settings.audit, teller),
            requests=RequestLog(admin, kafka.audit_requests_topic, fleet, metrics),
            actions=ActionLog(admin, kafka.alert_actions_topic, fleet),
            settings=settings,
            metrics=metrics,
            now=now,
        )
        stack.push_async_callback(auditing.close)
        await auditing.restore()
        backoff, failures = Backoff(settings.retry), 0
        while is_ours():
            wait_s = POLL_S
            try:
                await auditing.turn()
                backoff, failures = Backoff(settings.retry), 0
            except WatchkeeperError as exc:
                failures += 1
                if failures == FAILURES_IN_A_ROW:
                    raise
                wait_s = backoff.next_s()
                log.warning("a turn of the audits failed, tried again", error=str(exc), in_a_row=failures)
            await self.sleep(wait_s)

    async def _publish(self, record: AuditRecord) -> None:
        await self._write(self._settings.kafka.audits_topic, record.id, record.to_bytes())

    async def _tell(self, alert: Alert) -> None:
        await self._write(self._settings.kafka.alerts_topic, alert.id, alert.to_bytes())

    async def _write(self, topic: str, key: str, value: bytes) -> None:
        await self._outbox.publish(topic, 0, [OutRecord(key.encode(), value)])

    def _show_nothing(self) -> None:
        """We don't oversee: the figures are another's."""
        for metric in (Metric.AUDITS_WAITING, Metric.AUDIT_PROGRESS, Metric.AUDIT_DUE_FOR):
            self._metrics.set(metric, 0)
        for kind in AuditKind:
            self._metrics.set(Metric.ALERTS_FIRING, 0, kind=kind)
