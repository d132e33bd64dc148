"""A spell of auditing: what is due is measured in a task of its own, and each step is kept once before anything of it is told.

Whatever moves an alert is a step: an audit, what a person did, that one is overdue (monitor/audit/keeping.py). A step is written with
its record, its draws and the state after it in one insert; then the record and the alerts are told. Whoever takes over tells the
last step of each target again, so each is told at least once, with the same ids.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

import msgspec
import structlog

from monitor.audit.alerting import (
    CHANGES,
    Done,
    Teller,
    after_action,
    after_done,
    after_overdue,
    after_refused,
    said_again,
)
from monitor.audit.comparison import Floor, LayerChange
from monitor.audit.keeping import AuditStore, Step, StepKind
from monitor.audit.kept import Audit
from monitor.audit.kinds import AuditKind
from monitor.audit.measuring import changes_from
from monitor.audit.records import Job, Signed, done_record, meaning_of, refused_record
from monitor.audit.schedule import due, overdue_since, schedule_of
from monitor.audit.series import differences, target_of
from monitor.audit.state import TargetState
from monitor.audit_settings import listed
from monitor.backoff import Backoff
from monitor.errors import Misconfigured, Retryable, WatchkeeperError
from monitor.metrics import Metric, Metrics
from monitor.settings import Settings
from monitor.version import watchkeeper_version
from schemas.alerts import Alert, Source
from schemas.audits import AuditRecord, AuditRequest, audit_id_of_request, audit_id_of_schedule
from workers.probing import Measuring, Outcome
from workers.trouble import said
from workers.watching import Actions, Replaced

log = structlog.get_logger("watchkeeper.audits")

SAY_AGAIN_S: Final = 300.0
"""What goes on is told again so often, so that who reads the log of alerts from somewhere on learns of it."""
MAX_WAITING: Final = 16
"""Requests that wait at once; others are left out, or a flood of them would keep the probe busy for days."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and the broker's time of it."""

    at: datetime
    request: AuditRequest


class Requests(Protocol):
    """What people ask for (workers/audit_requests.py)."""

    async def begin(self, since: datetime) -> None:
        """`read` gives what was asked then or later."""
        ...

    async def read(self) -> Sequence[Asked]:
        """All that is new and of this fleet, in order. Raises Retryable or Misconfigured."""
        ...


@dataclass
class _Waiting:
    """A job, since when it is due, and how its tries went."""

    job: Job
    since: datetime
    backoff: Backoff
    next_s: float = 0.0
    cause: str = "it has not been begun"


@dataclass
class _Target:
    """A model on an anchor set: its last step's number, and the state after it."""

    number: int
    state: TargetState


@dataclass
class Auditing:
    """`publish` writes a record to its topic, `tell` an alert to its. `now`: the broker's time. `is_ours`: whether we may still act."""

    measuring: Measuring
    store: AuditStore
    requests: Requests
    actions: Actions
    publish: Callable[[AuditRecord], Awaitable[None]]
    tell: Callable[[Alert], Awaitable[None]]
    settings: Settings
    source: Source
    metrics: Metrics
    now: Callable[[], datetime]
    is_ours: Callable[[], bool]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    monotonic_s: Callable[[], float] = time.monotonic
    _targets: dict[str, _Target] = field(default_factory=dict)
    _waiting: dict[str, _Waiting] = field(default_factory=dict)
    """By the audit's id, in the order in which they are taken."""
    _running: tuple[str, asyncio.Task[Outcome]] | None = None
    _said_s: float = 0.0

    @property
    def model(self) -> str:
        """The audited model's name."""
        audit = self.settings.audit
        return audit.model or audit.probe_model

    @property
    def _teller(self) -> Teller:
        return Teller(self.settings.kafka.group_prefix, self.source)

    async def restore(self) -> None:
        """Be where the fleet's audits are; tell the last step of each target again. Raises Retryable, Misconfigured, Replaced."""
        now = self.now()
        steps = await self.store.last_steps()
        self._targets = {
            step.target: _Target(step.number, TargetState.from_bytes(step.state)) for step in steps
        }
        oldest = timedelta(seconds=self.settings.audit.request_max_age_s)
        await self.requests.begin(now - oldest)
        await self.actions.begin(min((step.at for step in steps), default=now))
        for step in steps:
            await self._tell_step(step)
        self._said_s = self.monotonic_s()
        log.info("audits go on" if steps else "audits are made from now on", targets=len(steps))

    async def turn(self) -> None:
        """What there is to do now, but for the measuring, which goes on beside. Raises Retryable, Misconfigured, Replaced."""
        await self._hear_actions()
        await self._hear_requests()
        self._look_at_schedule()
        await self._look_for_overdue()
        await self._harvest()
        self._begin()
        if self.monotonic_s() - self._said_s >= SAY_AGAIN_S:
            await self._say_again()
        self.show()

    async def close(self) -> None:
        """Give up what is being measured; it is begun again by whoever goes on."""
        if self._running is not None:
            _, task = self._running
            self._running = None
            task.cancel()
            await asyncio.wait((task,), timeout=1.0)

    # What is due

    async def _hear_actions(self) -> None:
        for acted in await self.actions.read():
            for key, target in tuple(self._targets.items()):
                state = after_action(target.state, acted.action, acted.at, self._teller)
                if state is not None:
                    await self._keep(key, "action", state, at=acted.at)

    async def _hear_requests(self) -> None:
        fleet, now = self.settings.kafka.group_prefix, self.now()
        asked = await self.requests.read()
        ids = {one.request.id: audit_id_of_request(fleet, one.request.id) for one in asked}
        made = await self.store.made(sorted(set(ids.values())))
        for one in asked:
            request, id_ = one.request, ids[one.request.id]
            if id_ in made or id_ in self._waiting:
                continue  # answered, or about to be
            waiting = sum(other.job.begun_by == "request" for other in self._waiting.values())
            if (reason := self._left_out(one, now, waiting)) is not None:
                self.metrics.count(Metric.AUDIT_REQUESTS_LEFT_OUT, reason=reason)
                log.warning("a request for an audit is left out", reason=reason)
                continue
            at = min(one.at, now)
            job = Job(id_, request.model, request.anchor_set, at, "request", request.id)
            self._waiting[id_] = self._new(job, at)

    def _left_out(self, asked: Asked, now: datetime, waiting: int) -> str | None:
        audit = self.settings.audit
        if (now - asked.at).total_seconds() > audit.request_max_age_s:
            return "too_old"
        request = asked.request
        if request.model != self.model or request.anchor_set not in listed(audit.anchor_sets):
            return "unknown_target"
        return "too_many" if waiting >= MAX_WAITING else None

    def _look_at_schedule(self) -> None:
        audit, now, fleet = self.settings.audit, self.now(), self.settings.kafka.group_prefix
        schedule = schedule_of(audit.schedule)
        for anchor_set in listed(audit.anchor_sets):
            last = self._state(self.model, anchor_set).last_schedule_at
            moment, since = due(schedule, last, now), overdue_since(schedule, last, now)
            if moment is None or since is None:
                continue
            id_ = audit_id_of_schedule(fleet, self.model, anchor_set, moment)
            if id_ in self._waiting:
                continue
            for older, one in tuple(self._waiting.items()):
                is_same = one.job.anchor_set == anchor_set and one.job.begun_by == "schedule"
                if is_same and (self._running is None or self._running[0] != older):
                    del self._waiting[older]  # the newest moment stands for all that were missed
            if not self._is_under_way(anchor_set):
                if last is None:
                    since = now  # nothing was ever promised before
                self._waiting[id_] = self._new(Job(id_, self.model, anchor_set, moment, "schedule"), since)

    def _is_under_way(self, anchor_set: str) -> bool:
        """Whether one by schedule is being measured right now: the next moment waits for it."""
        if self._running is None:
            return False
        job = self._waiting[self._running[0]].job
        return job.anchor_set == anchor_set and job.begun_by == "schedule"

    def _new(self, job: Job, since: datetime) -> _Waiting:
        log.info("an audit is due", id=job.id, model=job.model, anchor_set=job.anchor_set, cause=job.begun_by)
        return _Waiting(job, since, Backoff(self.settings.retry))

    async def _look_for_overdue(self) -> None:
        now = self.now()
        for one in tuple(self._waiting.values()):
            if (now - one.since).total_seconds() < self.settings.audit.overdue_after_s:
                continue
            key = target_of(one.job.model, one.job.anchor_set)
            state = after_overdue(
                self._state(one.job.model, one.job.anchor_set),
                since=one.since,
                at=now,
                cause=one.cause,
                teller=self._teller,
            )
            if state is not None:
                await self._keep(key, "overdue", state, at=now, subject=one.job)

    # Measuring

    def _begin(self) -> None:
        if self._running is not None:
            return
        now_s = self.monotonic_s()
        ready = [one for one in self._waiting.values() if one.next_s <= now_s]
        ready.sort(key=lambda one: one.job.begun_by != "request")  # stable: somebody waits for those
        if ready:
            job = ready[0].job
            beginning = self._state(job.model, job.anchor_set).beginning
            log.info("an audit begins", id=job.id, model=job.model, anchor_set=job.anchor_set)
            self._running = (job.id, asyncio.create_task(self.measuring.outcome(job, beginning)))

    async def _harvest(self) -> None:
        if self._running is None or not self._running[1].done():
            return
        id_, task = self._running
        waiting = self._waiting[id_]
        try:
            outcome = task.result()
        except asyncio.CancelledError:
            self._running = None
            return
        except Exception as exc:  # noqa: BLE001  # whatever it was, the audit waits and nothing else does
            self._running = None
            self._failed(waiting, exc)
            return
        try:
            await self._conclude(waiting.job, outcome)
        except Retryable as exc:
            log.warning("what an audit found waits to be kept", id=id_, error=str(exc))
            raise  # it is harvested again
        self._running = None
        del self._waiting[id_]

    def _failed(self, waiting: _Waiting, exc: Exception) -> None:
        retry_after_s = exc.retry_after_s if isinstance(exc, Retryable) else None
        if isinstance(exc, Misconfigured):
            retry_after_s = self.settings.retry.halted_s
        wait_s = waiting.backoff.next_s(retry_after_s)
        waiting.next_s = self.monotonic_s() + wait_s
        waiting.cause = said(exc)
        self.metrics.count(Metric.AUDIT_TRIES_FAILED)
        log.warning(
            "an audit failed, tried again",
            id=waiting.job.id,
            error=waiting.cause,
            retry_in_s=round(wait_s, 2),
        )

    async def _conclude(self, job: Job, outcome: Outcome) -> None:
        """From what was measured to the step, kept and told."""
        audit, now = self.settings.audit, self.now()
        state = self._state(job.model, job.anchor_set)
        if job.begun_by == "schedule":
            state = msgspec.structs.replace(state, last_schedule_at=job.due_at)
        signed = Signed(
            self._teller.fleet, watchkeeper_version(), now, outcome.seconds, audit.draws, audit.seed
        )
        key = target_of(job.model, job.anchor_set)
        if outcome.measured is None:
            record = refused_record(
                job, outcome.subject, signed, series=outcome.series, reason=outcome.reason, detail=outcome.detail
            )
            after = after_refused(
                state,
                id_=job.id,
                at=now,
                reason=record.reason,
                meaning=meaning_of(record.reason),
                teller=self._teller,
            )
            await self._keep(key, "audit", after, at=now, record=record, subject=job)
            return
        previous_id, baseline_id = await self._compared_with(key, state, outcome)
        found = outcome.measured.audit
        changes = await self._changes(key, state, outcome, (previous_id, baseline_id))
        record = done_record(
            job,
            outcome.subject,
            signed,
            found,
            outcome.measured.picture,
            series=outcome.series,
            changes=changes,
            previous_id=previous_id,
            baseline_id=baseline_id,
        )
        is_first_ever = not state.series
        is_lost = state.series == outcome.series and bool(state.previous_id) and not changes
        began = None
        if not is_first_ever and (state.series != outcome.series or is_lost):
            began = differences(state.parts, outcome.parts)
        done = Done(
            id=job.id,
            at=now,
            series=outcome.series,
            parts=outcome.parts,
            beginning=outcome.beginning,
            model_version=record.model_version,
            is_live=outcome.subject.is_live,
            changes=changes,
            previous_id=previous_id,
            baseline_id=baseline_id if baseline_id in changes else "",
            began=began,
        )
        after = after_done(state, done, self._teller)
        draws = await asyncio.to_thread(found.to_bytes)
        await self._keep(key, "audit", after, at=now, record=record, draws=draws, subject=job)

    async def _compared_with(self, key: str, state: TargetState, outcome: Outcome) -> tuple[str, str]:
        """The previous audit of the series and its baseline; "" where there is none. A series that comes back goes on."""
        if state.series == outcome.series:
            return state.previous_id, state.baseline_id
        last = await self.store.last_of_series(key, outcome.series)
        if last is None:
            return "", ""
        return last.id, TargetState.from_bytes(last.state).baseline_id

    async def _changes(
        self, key: str, state: TargetState, outcome: Outcome, ids: Sequence[str]
    ) -> Mapping[str, Sequence[LayerChange]]:
        """Against each of `ids`, and what alerts that fire hold against, all together."""
        if outcome.measured is None:
            return {}
        held = [
            one.against_id
            for one in state.firing
            if one.alert.kind in CHANGES and one.series == outcome.series
        ]
        befores: dict[str, Audit] = {}
        for id_ in dict.fromkeys((*ids, *held)):
            draws = await self.store.draws(key, id_) if id_ else None
            if draws is None:
                continue
            try:
                befores[id_] = await asyncio.to_thread(Audit.from_bytes, draws)
            except Misconfigured as exc:
                log.error("a kept audit can't be compared with", id=id_, error=str(exc))
        if not befores:
            return {}
        audit = self.settings.audit
        return await asyncio.to_thread(
            changes_from,
            befores,
            outcome.measured.audit,
            is_live=outcome.subject.is_live,
            floor=Floor(audit.floor_absolute, audit.floor_relative),
            alpha=audit.alpha,
        )

    # Keeping and telling

    def _state(self, model: str, anchor_set: str) -> TargetState:
        known = self._targets.get(target_of(model, anchor_set))
        return known.state if known is not None else TargetState(model=model, anchor_set=anchor_set)

    async def _keep(
        self,
        key: str,
        kind: StepKind,
        state: TargetState,
        *,
        at: datetime,
        record: AuditRecord | None = None,
        draws: bytes = b"",
        subject: Job | None = None,
    ) -> None:
        """Write the step, then tell it: ours, or that of somebody who was faster, from which we then go on."""
        if not self.is_ours():
            raise Replaced
        known = self._targets.get(key)
        step = Step(
            target=key,
            number=1 if known is None else known.number + 1,
            kind=kind,
            id=subject.id if subject is not None and record is not None else "",
            series=record.series if record is not None else "",
            at=at,
            state=state.to_bytes(),
            record=record.to_bytes() if record is not None else b"",
        )
        standing = await self.store.keep(step, draws)
        self._targets[key] = _Target(standing.number, TargetState.from_bytes(standing.state))
        await self._tell_step(standing)
        if standing.state != step.state:
            raise Replaced  # another worker went on from here: so do we, anew
        if record is not None:
            self.metrics.count(Metric.AUDITS, outcome=record.state)
            self.metrics.observe(Metric.AUDIT_SECONDS, record.seconds)
            log.info(
                "audit done" if record.state == "done" else "audit refused",
                id=record.id,
                model=record.model,
                anchor_set=record.anchor_set,
                series=record.series,
                reason=record.reason,
                seconds=record.seconds,
            )

    async def _tell_step(self, step: Step) -> None:
        """Once it is kept it is told, however long the broker is away. Raises Replaced."""
        if step.record:
            record = AuditRecord.from_bytes(step.record)
            await self._patiently(lambda: self.publish(record))
        for alert in TargetState.from_bytes(step.state).told:
            await self._patiently(lambda alert=alert: self.tell(alert))  # type: ignore[misc]  # inference of a lambda's default
            self.metrics.count(Metric.ALERTS_SENT, kind=alert.kind, state=alert.state)
            is_loud = alert.severity == "critical" and alert.state == "firing"
            (log.error if is_loud else log.warning)(
                "alert",
                state=alert.state,
                kind=alert.kind,
                severity=alert.severity,
                title=alert.title,
                id=alert.id,
                remedy=alert.remedy,
                place=alert.place,
            )

    async def _say_again(self) -> None:
        self._said_s = self.monotonic_s()
        for target in self._targets.values():
            for alert in said_again(target.state, self.now(), self.source):
                await self.tell(alert)

    async def _patiently(self, do: Callable[[], Awaitable[None]]) -> None:
        backoff = Backoff(self.settings.retry)
        while True:
            if not self.is_ours():
                raise Replaced
            try:
                await do()
            except WatchkeeperError as exc:
                wait_s = backoff.next_s()
                log.warning("what an audit told waits", error=str(exc), retry_in_s=round(wait_s, 2))
                await self.sleep(wait_s)
            else:
                return

    def show(self) -> None:
        """What is due, how far it is, and what fires."""
        put = self.metrics.set
        put(Metric.AUDITS_WAITING, len(self._waiting))
        put(Metric.AUDIT_PROGRESS, self.measuring.progress if self._running is not None else 0.0)
        oldest = min((one.since for one in self._waiting.values()), default=None)
        put(Metric.AUDIT_DUE_FOR, 0.0 if oldest is None else max(0.0, (self.now() - oldest).total_seconds()))
        firing = [one.alert.kind for target in self._targets.values() for one in target.state.firing]
        for kind in AuditKind:
            put(Metric.ALERTS_FIRING, firing.count(kind), kind=kind)
