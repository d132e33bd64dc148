"""The desk of calibrations, kept once in the fleet by whoever oversees it: beside the overseer, in a task of its own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from monitor.adapters.calibrations import CalibrationTopic
from monitor.adapters.control import alert_log
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.adapters.logged_prompts import StoredPrompts
from monitor.alerting import Alerts
from monitor.errors import Misconfigured
from monitor.metrics import Metrics
from monitor.ports import Outbox
from monitor.recalibration.desk_settings import desk_of
from monitor.recalibration.keys import check, keys_of
from monitor.recalibration.kinds import KINDS
from monitor.recalibration.model_policies import ModelPolicy, read_policies
from monitor.settings import Settings
from workers.identity import Identity
from workers.leadership import Membership
from workers.opening import opened_store
from workers.recalibrating import Recalibrating, show_nothing
from workers.spells import Duty, Spell
from workers.telling import tell

log = structlog.get_logger("watchkeeper.recalibration")

ROUND_EVERY_S: Final = 1.0
ALERTS_BACK: Final = timedelta(days=30)
BY: Final = "watchkeeper"


def told_policies(settings: Settings) -> Sequence[ModelPolicy]:
    """The models to be calibrated; none where it is off. Raises Misconfigured for settings, secrets or a file that can't be
    used: before anything is started."""
    check(settings.recalibration)
    if not settings.recalibration.enabled or settings.recalibration.file is None:
        return ()
    return read_policies(settings.recalibration.file)


class Recalibrator(Duty):
    """Takes the steps of calibrations while it is us who oversee: what is in force stays, whatever fails."""

    def __init__(
        self,
        who: Identity,
        outbox: Outbox,
        settings: Settings,
        leadership: Membership,
        policies: Sequence[ModelPolicy],
        *,
        metrics: Metrics,
    ) -> None:
        super().__init__(leadership, settings.retry, doing="recalibration", log=log)
        self._who = who
        self._outbox = outbox
        self._settings = settings
        self._policies = policies
        self._metrics = metrics

    async def act(self, spell: Spell, stack: AsyncExitStack) -> None:
        """Until the end of our term."""
        settings = self._settings
        keys = keys_of(settings.recalibration)
        if keys is None:
            raise Misconfigured("no secret is set", "set WATCHKEEPER_RECALIBRATION__SECRET")
        store = await stack.enter_async_context(opened_store(settings.clickhouse, self._metrics))
        admin = await stack.enter_async_context(KafkaAdmin.connect(settings.kafka))
        alerts = Alerts(settings.kafka.group_prefix, settings.health, self._who.source, KINDS)
        alerts.restore(await alert_log(admin, settings.kafka.alerts_topic, spell.now - ALERTS_BACK))
        topic = CalibrationTopic(admin, self._outbox, settings.kafka, keys)
        kept = await store.query("calibration_newest", fleet=settings.kafka.group_prefix)
        if spell.is_ours():
            for model in await topic.recover([str(row["signed"]).encode() for row in kept]):
                log.warning("the topic had lost the newest calibration: written again", model=model)
        recalibrating = Recalibrating(
            desk=desk_of(settings, BY),
            policies=self._policies,
            log=topic,
            prompts=StoredPrompts(store, settings.kafka.chat_logs_topic, settings.recalibration.most_prompts),
            alerts=alerts,
            tell=partial(tell, self._outbox, settings.kafka),
            settings=settings.recalibration,
            metrics=self._metrics,
            is_ours=spell.is_ours,
            topic=settings.kafka.calibrations_topic,
        )
        while spell.is_ours():
            await recalibrating.round(spell.now)
            spell.went_well()
            await spell.sleep(ROUND_EVERY_S)

    def show_nothing(self) -> None:
        """See Duty."""
        show_nothing(self._metrics)
