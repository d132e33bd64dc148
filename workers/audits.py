"""Audits of a model's inside, made once in the fleet by whoever oversees it: beside the overseer, in a task of its own.

A probe, a store or a broker that is slow or away delays the audits, never the overseer's looks, nor live traffic.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from monitor.adapters.anchor_sources import AnchorSources
from monitor.adapters.audit_probe import opened_probe
from monitor.adapters.audits import AuditTables
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.audit.alerting import Teller
from monitor.audit.kinds import AuditKind
from monitor.backoff import Backoff
from monitor.errors import WatchkeeperError
from monitor.metrics import Metric, Metrics
from monitor.ports import Outbox, OutRecord
from monitor.settings import Settings
from schemas.audits import AuditRecord
from workers.actions import ActionLog
from workers.audit_conclusion import Concluding
from workers.audit_requests import RequestLog
from workers.audit_steps import Steps
from workers.auditing import Auditing
from workers.gate import Gate
from workers.identity import Identity
from workers.leadership import Membership
from workers.opening import opened_store
from workers.probing import Measuring
from workers.spells import POLL_S, Duty, Spell
from workers.telling import tell

log = structlog.get_logger("watchkeeper.audits")

FAILURES_IN_A_ROW: Final = 20
"""Turns that fail before all connections are made anew, and what was measured and not kept is measured again."""


class Auditor(Duty):
    """Audits while it is us who oversee."""

    def __init__(
        self,
        who: Identity,
        outbox: Outbox,
        settings: Settings,
        leadership: Membership,
        gate: Gate,
        *,
        metrics: Metrics,
    ) -> None:
        """`gate`: what each call of the probe waits for: live traffic goes first."""
        super().__init__(leadership, settings.retry, doing="auditing", log=log)
        self._who = who
        self._outbox = outbox
        self._settings = settings
        self._gate = gate
        self._metrics = metrics

    async def act(self, spell: Spell, stack: AsyncExitStack) -> None:
        """Until the end of our term, or until turns have failed FAILURES_IN_A_ROW times."""
        settings, metrics = self._settings, self._metrics
        kafka, fleet = settings.kafka, settings.kafka.group_prefix

        def now() -> datetime:
            return spell.now

        store = await stack.enter_async_context(opened_store(settings.clickhouse, metrics))
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
                tables,
                self._publish,
                partial(tell, self._outbox, kafka),
                teller,
                settings.retry,
                metrics,
                spell.is_ours,
                spell.sleep,
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
        while spell.is_ours():
            wait_s = POLL_S
            try:
                await auditing.turn()
                backoff, failures = Backoff(settings.retry), 0
                spell.went_well()
            except WatchkeeperError as exc:
                failures += 1
                if failures == FAILURES_IN_A_ROW:
                    raise
                wait_s = backoff.next_s()
                log.warning("a turn of the audits failed, tried again", error=str(exc), in_a_row=failures)
            await spell.sleep(wait_s)

    async def _publish(self, record: AuditRecord) -> None:
        kept = OutRecord(record.id.encode(), record.to_bytes())
        await self._outbox.publish(self._settings.kafka.audits_topic, 0, [kept])

    def show_nothing(self) -> None:
        """See Duty."""
        for metric in (Metric.AUDITS_WAITING, Metric.AUDIT_PROGRESS, Metric.AUDIT_DUE_FOR):
            self._metrics.set(metric, 0)
        for kind in AuditKind:
            self._metrics.set(Metric.ALERTS_FIRING, 0, kind=kind)
