"""What is to be done once in the fleet: look at all of it, and tell what is wrong on safety.alerts.

Every worker has one; the one that owns the partition of safety.control acts. docs/adr/0006 says why it is so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from mode import Service

from monitor.adapters.control import alert_log
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.alerting import Alerts, Due
from monitor.backoff import Backoff
from monitor.conditions import Condition
from monitor.errors import WatchkeeperError
from monitor.fleet import Fleet, GroupView, LostWatch, Offsets
from monitor.health import fleet_findings
from monitor.metrics import Metric, Metrics
from monitor.ports import Outbox
from monitor.settings import Settings
from workers.control import Control
from workers.identity import Identity
from workers.leadership import FROZEN_AFTER_S, Leadership
from workers.policy_maker import InForce, PolicyMaker
from workers.telling import tell
from workers.trouble import is_cancelled, said, where

log = structlog.get_logger("watchkeeper.overseer")

BLIND_AFTER_S: Final = 8.0
"""After so long between two looks nothing is counted from before: it is less than any silence that is told."""
LOG_OF: Final = timedelta(hours=24)
"""How far back the log of alerts is read on taking over; a firing alert is in it every few minutes."""
TOPICS_EVERY_S: Final = 60.0
FAILURES_IN_A_ROW: Final = 5
CLOSE_WITHIN_S: Final = 10.0


def nothing_lost() -> None:
    """Drift is watched, or isn't to be."""


class Overseer(Service):
    """Takes part in who oversees, and oversees while it is us. Goes on whatever fails."""

    mundane_level = "debug"

    def __init__(
        self,
        who: Identity,
        outbox: Outbox,
        settings: Settings,
        leadership: Leadership,
        *,
        metrics: Metrics,
        policies: InForce | None = None,
        lost_watch: Callable[[], LostWatch | None] = nothing_lost,
    ) -> None:
        """`leadership` is told of every turn, for all else that is done once in the fleet. `policies`: the judging policy in
        force, which is kept fit then; None where nobody judges. `lost_watch`: says why drift isn't watched; None while it is,
        or isn't to be."""
        super().__init__()
        self._who = who
        self._outbox = outbox
        self._settings = settings
        self._metrics = metrics
        self._lost_watch = lost_watch
        prefix, kafka = settings.kafka.group_prefix, settings.kafka
        watched = (
            ("moderation", kafka.chat_logs_topic, True),
            ("storage", kafka.verdicts_topic, True),
            ("backfill", kafka.chat_logs_backfill_topic, False),
            ("alert_rows", kafka.alerts_topic, False),
            ("dead_letter_rows", kafka.chat_logs_dlq_topic, False),
            *((("audit_rows", kafka.audits_topic, False),) if settings.audit.enabled else ()),
        )
        judging = (
            ("judging", kafka.judge_requests_topic, False),
            ("judging_backfill", kafka.judge_requests_backfill_topic, False),
            ("judgements", kafka.judgements_topic, False),
        )
        has_secret = bool(settings.recalibration.secret.get_secret_value())
        recalibrating = (("calibration_rows", kafka.calibrations_topic, False),) if has_secret else ()
        self._watched = (*watched, *(() if policies is None else judging), *recalibrating)
        self._maker = None if policies is None else PolicyMaker(settings, policies, outbox, metrics)
        self._fleet = Fleet(prefix, settings.health)
        self._alerts = Alerts(prefix, settings.health, who.source)
        self._leadership = leadership
        self._term = 0
        self._restored_term = 0
        self._looked_s = 0.0
        self._unsent: set[tuple[str, str]] = set()
        """What was logged and couldn't be sent yet."""
        self._partitions: dict[str, int] = {}
        self._partitions_until_s = 0.0

    async def on_start(self) -> None:
        """Begin."""
        self._overseeing = self.add_future(self._oversee_for_ever())

    async def on_stop(self) -> None:
        """Leave the group, so that the next one takes over at once."""
        await asyncio.wait((self._overseeing,), timeout=CLOSE_WITHIN_S)

    async def _oversee_for_ever(self) -> None:
        backoff = Backoff(self._settings.retry)
        while not self.should_stop:
            control = Control(self._settings, self._who)
            try:
                await control.join()
                self._leadership.joined(control)
                backoff = Backoff(self._settings.retry)
                async with AsyncExitStack() as stack:
                    await self._oversee(control, stack)
            except asyncio.CancelledError as exc:
                if is_cancelled():
                    raise
                error = where(exc)
            except Exception as exc:  # noqa: BLE001  # an overseer that gives up tells nobody
                error = said(exc)
            else:
                continue
            finally:
                self._leadership.left()
                await control.leave()
            wait_s = backoff.next_s()
            log.warning("overseeing failed, begun again", error=error, retry_in_s=round(wait_s, 2))
            self._show_nothing()
            await self.sleep(wait_s)

    async def _oversee(self, control: Control, stack: AsyncExitStack) -> None:
        """Until the end, or until looks have failed FAILURES_IN_A_ROW times."""
        health = self._settings.health
        admin: KafkaAdmin | None = None
        failures, next_look_s = 0, 0.0
        self._term = self._restored_term = 0
        while not self.should_stop:
            heard = await control.hear(min(1.0, health.look_every_s))
            now_s = time.monotonic()
            if self._leadership.turned():
                # We may have been replaced, and there has been no time to hear of it.
                self._restored_term = 0
            if control.term != self._term:
                self._term = control.term
                self._fleet.hear_anew()
                if self._maker is not None:
                    self._maker.hear_anew()
            for one in heard:
                self._fleet.hear(one.status, one.at_s)
                if self._maker is not None:
                    self._maker.hear(one.status, one.at_s)
            if not control.is_owner:
                self._show_nothing()
            elif control.is_live and now_s >= next_look_s and self._leadership.is_sure:
                next_look_s = now_s + health.look_every_s
                try:
                    if admin is None:
                        admin = await stack.enter_async_context(KafkaAdmin.connect(self._settings.kafka))
                    await self._look(control, admin)
                    failures = 0
                except WatchkeeperError as exc:
                    failures += 1
                    if failures == FAILURES_IN_A_ROW:
                        raise
                    log.warning("looking at the fleet failed, tried again", error=str(exc), in_a_row=failures)
                self._leadership.waited()

    async def _look(self, control: Control, admin: KafkaAdmin) -> None:
        began_s = control.now_s
        views = await self._views(admin)
        now_s = control.now_s
        if began_s - self._looked_s > BLIND_AFTER_S:
            self._fleet.sighted(now_s)
        if self._restored_term != control.term:
            await self._restore(admin, datetime.fromtimestamp(now_s, UTC) - LOG_OF)
            self._restored_term = control.term
        self._looked_s = now_s
        self._fleet.look(views, now_s)
        self._fleet.lost_watch = self._lost_watch()
        began_s = time.monotonic()
        for due in self._alerts.judge(fleet_findings(self._fleet, now_s), now_s):
            if not control.is_owner or time.monotonic() - began_s > FROZEN_AFTER_S:
                return  # the rest is due at the next look, if that is ours
            await self._tell(due, now_s)
        self._show()
        if self._maker is not None and control.is_owner:
            await self._maker.look(now_s)

    async def _restore(self, admin: KafkaAdmin, since: datetime) -> None:
        """Learn which alerts fire."""
        topic = self._settings.kafka.alerts_topic
        if topic in self._partitions:
            self._alerts.restore(await alert_log(admin, topic, since))
        else:
            log.error("the alerts topic doesn't exist, so alerts are logged and shown alone", topic=topic)

    async def _views(self, admin: KafkaAdmin) -> list[GroupView]:
        if time.monotonic() >= self._partitions_until_s:
            self._partitions = await admin.partitions()
            self._partitions_until_s = time.monotonic() + TOPICS_EVERY_S
        views = []
        for role, topic, must_be_owned in self._watched:
            if topic not in self._partitions:
                continue
            group = f"{self._settings.kafka.group_prefix}.{role}"
            state = await admin.group(group)
            ranges = await admin.ranges(topic, self._partitions[topic])
            commits = await admin.commits(group, topic)
            views.append(
                GroupView(
                    role=role,
                    topic=topic,
                    group=group,
                    is_settled=state.is_settled,
                    owned=state.owned.get(topic, frozenset()),
                    offsets={
                        number: Offsets(
                            offsets.start, offsets.end, commits[number].offset if number in commits else None
                        )
                        for number, offsets in ranges.items()
                    },
                    must_be_owned=must_be_owned,
                )
            )
        return views

    async def _tell(self, due: Due, now_s: float) -> None:
        alert = due.alert
        try:
            await tell(self._outbox, self._settings.kafka, alert)
        except WatchkeeperError as exc:
            if (alert.id, due.news) not in self._unsent:
                self._unsent.add((alert.id, due.news))
                self._say(due, error=str(exc))
            return
        self._alerts.told(due, now_s)
        self._metrics.count(Metric.ALERTS_SENT, kind=alert.kind, state=alert.state)
        was_said = (alert.id, due.news) in self._unsent
        self._unsent = {(id_, news) for id_, news in self._unsent if id_ != alert.id}
        if due.news != "goes on" and not was_said:
            self._say(due)

    def _say(self, due: Due, **more: str) -> None:
        """The log line of an alert. `error`: why it isn't on the topic yet; it is sent until it is."""
        alert = due.alert
        is_loud = alert.severity == "critical" and alert.state == "firing"
        (log.error if is_loud else log.warning)(
            "alert",
            state=alert.state,
            kind=alert.kind,
            severity=alert.severity,
            news=due.news,
            title=alert.title,
            id=alert.id,
            remedy=alert.remedy,
            **alert.place,
            **more,
        )

    def _show(self) -> None:
        """How the fleet stands."""
        put = self._metrics.set
        put(Metric.OVERSEES, 1)
        put(Metric.WORKERS_SEEN, len(self._fleet.workers))
        for kind, count in self._alerts.firing().items():
            put(Metric.ALERTS_FIRING, count, kind=kind)
        for view in self._fleet.views.values():
            put(Metric.PARTITIONS_UNOWNED, len(set(view.offsets) - view.owned), role=view.role)

    def _show_nothing(self) -> None:
        """We don't oversee: the figures of the fleet are another's."""
        put = self._metrics.set
        put(Metric.OVERSEES, 0)
        put(Metric.WORKERS_SEEN, 0)
        for condition in Condition:
            put(Metric.ALERTS_FIRING, 0, kind=condition.value)
        for role, _, _ in self._watched:
            put(Metric.PARTITIONS_UNOWNED, 0, role=role)
        if self._maker is not None:
            self._maker.show_nothing()
