"""The desk of calibrations, kept once in the fleet by whoever oversees it: beside the overseer, in a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final

import structlog
from mode import Service

from monitor.adapters.calibrations import CalibrationTopic
from monitor.adapters.clickhouse import connect as connect_clickhouse
from monitor.adapters.control import alert_log
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.adapters.logged_prompts import StoredPrompts
from monitor.alerting import Alerts
from monitor.backoff import Backoff
from monitor.errors import Misconfigured
from monitor.metrics import Metrics
from monitor.ports import Outbox, OutRecord
from monitor.recalibration.desk_settings import desk_of
from monitor.recalibration.keys import check, keys_of
from monitor.recalibration.kinds import KINDS
from monitor.recalibration.model_policies import ModelPolicy, read_policies
from monitor.settings import Settings
from schemas.alerts import Alert
from workers.identity import Identity
from workers.leadership import Leadership
from workers.recalibrating import Recalibrating, moment, show_nothing
from workers.trouble import is_cancelled, said

log = structlog.get_logger("watchkeeper.recalibration")

POLL_S: Final = 1.0
CLOSE_WITHIN_S: Final = 10.0
ALERTS_BACK: Final = timedelta(days=30)
BY: Final = "watchkeeper"


def told_policies(settings: Settings) -> Sequence[ModelPolicy]:
    """The models to be calibrated; none where it is off. Raises Misconfigured for settings, secrets or a file that can't be
    used: before anything is started."""
    check(settings.recalibration)
    if not settings.recalibration.enabled or settings.recalibration.file is None:
        return ()
    return read_policies(settings.recalibration.file)


class Recalibrator(Service):
    """Takes the steps of calibrations while it is us who oversee. Goes on whatever fails."""

    mundane_level = "debug"

    def __init__(
        self,
        who: Identity,
        outbox: Outbox,
        settings: Settings,
        leadership: Leadership,
        policies: Sequence[ModelPolicy],
        *,
        metrics: Metrics,
    ) -> None:
        super().__init__()
        self._who = who
        self._outbox = outbox
        self._settings = settings
        self._leadership = leadership
        self._policies = policies
        self._metrics = metrics

    async def on_start(self) -> None:
        """Begin."""
        self._working = self.add_future(self._work_for_ever())

    async def on_stop(self) -> None:
        """What isn't on the topic is done by the next."""
        await asyncio.wait((self._working,), timeout=CLOSE_WITHIN_S)

    async def _work_for_ever(self) -> None:
        backoff = Backoff(self._settings.retry)
        while not self.should_stop:
            lead = self._leadership
            if not (lead.is_owner and lead.is_live):
                show_nothing(self._metrics)
                await self.sleep(POLL_S)
                continue
            term = lead.term
            try:
                async with AsyncExitStack() as stack:
                    await self._work(term, stack)
                backoff = Backoff(self._settings.retry)
            except asyncio.CancelledError:
                if is_cancelled():
                    raise
                await self.sleep(backoff.next_s())
            except Misconfigured as exc:
                log.error("nothing can be calibrated, tried again", error=str(exc))
                await self.sleep(self._settings.retry.halted_s)
            except Exception as exc:  # noqa: BLE001  # whatever it was, what is in force stays, and nothing is lost
                wait_s = backoff.next_s()
                log.warning("recalibration failed, begun again", error=said(exc), retry_in_s=round(wait_s, 2))
                await self.sleep(wait_s)

    async def _work(self, term: int, stack: AsyncExitStack) -> None:
        """Until the end of our term."""
        settings, lead = self._settings, self._leadership
        keys = keys_of(settings.recalibration)
        if keys is None:
            raise Misconfigured("no secret is set", "set WATCHKEEPER_RECALIBRATION__SECRET")

        def is_ours() -> bool:
            return not self.should_stop and lead.is_owner and lead.term == term

        store = await stack.enter_async_context(
            await connect_clickhouse(settings.clickhouse, metrics=self._metrics)
        )
        if settings.clickhouse.migrate_on_start:
            await store.migrate()
        admin = await stack.enter_async_context(KafkaAdmin.connect(settings.kafka))
        alerts = Alerts(settings.kafka.group_prefix, settings.health, self._who.source, KINDS)
        alerts.restore(await alert_log(admin, settings.kafka.alerts_topic, moment(lead.now_s) - ALERTS_BACK))
        topic = CalibrationTopic(admin, self._outbox, settings.kafka, keys)
        kept = await store.query("calibration_newest", fleet=settings.kafka.group_prefix)
        if is_ours():
            for model in await topic.recover([str(row["signed"]).encode() for row in kept]):
                log.warning("the topic had lost the newest calibration: written again", model=model)
        recalibrating = Recalibrating(
            desk=desk_of(settings, BY),
            policies=self._policies,
            log=topic,
            prompts=StoredPrompts(store, settings.kafka.chat_logs_topic, settings.recalibration.most_prompts),
            alerts=alerts,
            tell=self._tell,
            settings=settings.recalibration,
            metrics=self._metrics,
            is_ours=is_ours,
            topic=settings.kafka.calibrations_topic,
        )
        while is_ours():
            await recalibrating.round(moment(lead.now_s))
            await self.sleep(POLL_S)

    async def _tell(self, alert: Alert) -> None:
        record = OutRecord(alert.id.encode(), alert.to_bytes())
        await self._outbox.publish(self._settings.kafka.alerts_topic, 0, [record])
