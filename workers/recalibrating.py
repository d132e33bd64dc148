"""One round over the models: their next steps taken, and what a person should know of it told. Knows nothing of Faust."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, get_args

import structlog

from monitor.alerting import Alerts
from monitor.errors import Misconfigured, Rejected
from monitor.metrics import Metric, Metrics
from monitor.recalibration import desk as steps
from monitor.recalibration.alarms import Known, findings
from monitor.recalibration.desk import Desk, Unchanged
from monitor.recalibration.desk_settings import windows_at
from monitor.recalibration.kinds import EVERY_KIND
from monitor.recalibration.model_policies import ModelPolicy
from monitor.recalibration.ports import CalibrationLog, Held, LoggedPrompts
from monitor.recalibration.proposing import Declined
from monitor.recalibration.signing import Distrust
from monitor.recalibration_settings import RecalibrationSettings
from schemas.alerts import Alert
from schemas.calibrations import Calibration, CalibrationState

log = structlog.get_logger("watchkeeper.recalibration")

STATES: Final[tuple[CalibrationState, ...]] = get_args(CalibrationState)
CHECKS_A_WINDOW: Final = 8
"""How often in the length of a present window it is looked whether texts obey their tokens."""


@dataclass
class Recalibrating:
    """All models of one fleet. What it remembers saves work alone: what happened is on the topic."""

    desk: Desk
    policies: Sequence[ModelPolicy]
    log: CalibrationLog
    prompts: LoggedPrompts
    alerts: Alerts
    tell: Callable[[Alert], Awaitable[None]]
    settings: RecalibrationSettings
    metrics: Metrics
    is_ours: Callable[[], bool]
    topic: str
    """Of the calibrations, to be named in alerts."""
    _known: Known = field(default_factory=Known)
    _tried: dict[str, int] = field(default_factory=dict)
    """The last slot of the schedule in which a proposal was looked for."""
    _looked: dict[str, datetime] = field(default_factory=dict)
    _checked: dict[str, int] = field(default_factory=dict)

    async def round(self, now: datetime) -> None:
        """One step of each model at most. Raises Retryable; Misconfigured where the topic or the store can't be used at all."""
        held = await self.log.read()
        for model in sorted(held.hidden):
            if self.is_ours():
                await self.log.restore(model)
                log.warning(
                    "the newest calibration was not the last of its key, or signed with an older one: written again",
                    model=model,
                )
        for policy in self.policies:
            if not self.is_ours():
                return
            try:
                await self._step(policy, held.newest.get(policy.model), now)
            except Rejected as exc:
                log.warning("a step was not taken", model=policy.model, error=str(exc))
            except Misconfigured as exc:
                log.error("a model can't be calibrated", model=policy.model, error=str(exc))
        held = await self.log.read()
        if self.is_ours():
            await self._tell(held, now)
            self._show(held)

    async def _step(self, policy: ModelPolicy, held: Calibration | None, now: datetime) -> None:
        state = None if held is None else held.state
        if held is None or state in ("kept", "rolled_back"):
            await self._check(policy, held, now)
            await self._propose(policy, held, now)
        elif state == "proposed":
            await self._check(policy, held, now)  # it may wait for a person for days
            if not self._waits_for_person(held):
                await self._append(steps.approve(held, by=self.desk.by, at=now, reason="within the limits"))
        elif state == "approved":
            await self._append(steps.publish(held, by=self.desk.by, at=now))
        elif state == "published":
            await self._look(policy, held, now)
        else:
            await self._append(steps.settled(self.desk, held, at=now))

    async def _propose(self, policy: ModelPolicy, held: Calibration | None, now: datetime) -> None:
        every_s = self.settings.propose_every_s
        slot = int(now.timestamp() // every_s)
        if self._tried.get(policy.model) == slot:
            return
        if held is not None and held.at.timestamp() >= slot * every_s:
            return
        then_span, present_span = windows_at(self.settings, now)
        present = await self.prompts.logged(policy, *present_span)
        then = await self.prompts.logged(policy, *then_span)
        self._tried[policy.model] = slot
        found = await asyncio.to_thread(steps.propose, self.desk, policy, then, present, held, at=now)
        declined = dict(self._known.declined)
        begun = declined.pop(policy.model, None)
        if isinstance(found, Declined):
            pieces = await asyncio.to_thread(steps.missing, policy, then if then.rows else present)
            declined[policy.model] = (begun[0] if begun else now, found, pieces)
            log.info(
                "nothing proposed", model=policy.model, reasons=list(found.reasons), not_identified=pieces
            )
        self._known = replace(self._known, declined=declined)
        if isinstance(found, Unchanged):
            log.info("nothing to change", model=policy.model, moves=round(found.moves, 4), cut=then.is_cut)
        elif isinstance(found, Calibration):
            self._waits_for_person(found)
            await self._append(found)

    def _waits_for_person(self, proposed: Calibration) -> bool:
        why = steps.needs_person(self.desk, proposed)
        self._known = replace(self._known, needs_person={**self._known.needs_person, proposed.model: why})
        return bool(why)

    async def _look(self, policy: ModelPolicy, held: Calibration, now: datetime) -> None:
        look = steps.look_of(self.desk, held, now - timedelta(seconds=self.settings.settle_s))
        if look is None or held.published_at is None or self._looked.get(policy.model) == look:
            return
        logs = await self.prompts.logged(policy, held.published_at, look)
        found = await asyncio.to_thread(steps.observed, self.desk, policy, held, logs)
        self._looked[policy.model] = look
        if isinstance(found, Calibration):
            await self._append(found)
        else:
            log.info("observed further", model=policy.model, version=held.version, waits_for=found.reason)

    async def _check(self, policy: ModelPolicy, held: Calibration | None, now: datetime) -> None:
        """Whether texts obey their tokens now, outside of an observation."""
        slot = int(now.timestamp() // (self.settings.present_s / CHECKS_A_WINDOW))
        if held is None or self._checked.get(policy.model) == slot:
            return
        until = now - timedelta(seconds=self.settings.settle_s)
        logs = await self.prompts.logged(policy, until - timedelta(seconds=self.settings.present_s), until)
        self._checked[policy.model] = slot
        found = await asyncio.to_thread(steps.disobeyed, policy, held, logs, self.desk.expected)
        known = dict(self._known.disobeyed)
        begun = known.pop(policy.model, None)
        if found:
            known[policy.model] = (begun[0] if begun else now, found)
        self._known = replace(self._known, disobeyed=known)

    async def _append(self, new: Calibration) -> None:
        if not self.is_ours():
            return
        await self.log.append(new)
        log.info(
            "calibration",
            model=new.model,
            version=new.version,
            state=new.state,
            thresholds=list(new.now.values.values()),
            reason=new.reason,
        )

    async def _tell(self, held: Held, now: datetime) -> None:
        now_s = now.timestamp()
        for due in self.alerts.judge(findings(held, self._known, topic=self.topic, now=now), now_s):
            if due.news in ("began", "over"):
                level = "error" if due.alert.severity == "critical" and due.news == "began" else "warning"
                getattr(log, level)("alert", kind=due.alert.kind, news=due.news, title=due.alert.title)
            await self.tell(due.alert)
            self.metrics.count(Metric.ALERTS_SENT, kind=due.alert.kind, state=due.alert.state)
            self.alerts.told(due, now_s)

    def _show(self, held: Held) -> None:
        states = Counter(one.state for one in held.newest.values())
        reasons = Counter(one.reason for one in held.distrusted)
        firing = self.alerts.firing()
        for state in STATES:
            self.metrics.set(Metric.CALIBRATIONS, states[state], state=state)
        for reason in Distrust:
            self.metrics.set(Metric.CALIBRATIONS_IGNORED, reasons[reason], reason=reason)
        for kind in EVERY_KIND:
            self.metrics.set(Metric.ALERTS_FIRING, firing[kind], kind=kind)


def show_nothing(metrics: Metrics) -> None:
    """We don't oversee: the figures are another's."""
    for state in STATES:
        metrics.set(Metric.CALIBRATIONS, 0, state=state)
    for reason in Distrust:
        metrics.set(Metric.CALIBRATIONS_IGNORED, 0, reason=reason)
    for kind in EVERY_KIND:
        metrics.set(Metric.ALERTS_FIRING, 0, kind=kind)
