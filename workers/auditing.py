"""A spell of auditing: what is due is measured in a task of its own, one audit at a time, and each step is kept once before it is told.

Whatever moves an alert is a step: an audit, what a person did, that one is overdue (monitor/audit/keeping.py). A step is written with
its record, its draws and the state after it in one insert; then the record and the alerts are told. Whoever takes over tells the
last step of each target again, so each is told at least once, with the same ids.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from monitor.audit.alerting import after_action, after_overdue
from monitor.audit.records import Job
from monitor.audit_settings import listed
from monitor.backoff import Backoff
from monitor.errors import Misconfigured, Retryable
from monitor.metrics import Metric, Metrics
from monitor.schedule import due, overdue_since, schedule_of
from monitor.settings import Settings
from schemas.audits import AuditRequest, audit_id_of_request, audit_id_of_schedule
from workers.audit_conclusion import Concluding
from workers.audit_steps import SAY_AGAIN_S, Steps
from workers.probing import Measuring, Outcome
from workers.trouble import said
from workers.watching import Acted, Actions

log = structlog.get_logger("watchkeeper.audits")

MAX_WAITING: Final = 16
"""Requests that wait at once; more are left out, or a flood of them would keep the probe busy for days."""
NOT_BEGUN: Final = "it has not been begun: another one is being made, or live traffic goes first"


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
    cause: str = NOT_BEGUN


@dataclass
class Auditing:
    """`now`: the broker's time."""

    measuring: Measuring
    steps: Steps
    concluding: Concluding
    requests: Requests
    actions: Actions
    settings: Settings
    metrics: Metrics
    now: Callable[[], datetime]
    monotonic_s: Callable[[], float] = time.monotonic
    _waiting: dict[str, _Waiting] = field(default_factory=dict)
    """By the audit's id, in the order in which they became due."""
    _asked: deque[Asked] = field(default_factory=deque)
    _acted: deque[Acted] = field(default_factory=deque)
    _running: tuple[_Waiting, asyncio.Task[Outcome]] | None = None
    _said_s: float = 0.0

    def __post_init__(self) -> None:
        self._schedule = schedule_of(self.settings.audit.schedule)
        self._sets = listed(self.settings.audit.anchor_sets)
        self._fleet = self.settings.kafka.group_prefix

    @property
    def model(self) -> str:
        """The audited model's name."""
        return self.settings.audit.model or self.settings.audit.probe_model

    @property
    def waiting(self) -> int:
        """How many audits are due, the one that is being made too."""
        return len(self._waiting)

    async def restore(self) -> None:
        """Be where the fleet's audits are. Raises Retryable, Misconfigured, Replaced."""
        now = self.now()
        steps = await self.steps.restore()
        await self.requests.begin(now - timedelta(seconds=self.settings.audit.request_max_age_s))
        await self.actions.begin(min((step.at for step in steps), default=now))
        self._said_s = self.monotonic_s()
        log.info("audits go on" if steps else "audits are made from now on", targets=len(steps))

    async def turn(self) -> None:
        """What there is to do now, but for the measuring, which goes on beside. Raises Retryable, Misconfigured, Replaced; what was
        not done then is done in the next turn."""
        await self._hear_actions()
        await self._hear_requests()
        await self._harvest()
        self._look_at_schedule()
        await self._look_for_overdue()
        self._begin()
        if self.monotonic_s() - self._said_s >= SAY_AGAIN_S:
            await self.steps.say_again(self.now())
            self._said_s = self.monotonic_s()
        self.show()

    async def close(self) -> None:
        """Give up what is being measured; whoever goes on begins it again."""
        if self._running is not None:
            _, task = self._running
            self._running = None
            task.cancel()
            await asyncio.wait((task,), timeout=1.0)

    async def settled(self) -> None:
        """Return when what is being measured is, for whoever has nothing else to wait for."""
        if self._running is not None:
            await asyncio.wait((self._running[1],))

    # What is due

    async def _hear_actions(self) -> None:
        self._acted.extend(await self.actions.read())
        while self._acted:
            acted = self._acted[0]
            for state in self.steps.states():
                after = after_action(state, acted.action, acted.at, self.steps.teller)
                if after is not None:
                    await self.steps.keep("action", after, at=acted.at)
            self._acted.popleft()

    async def _hear_requests(self) -> None:
        self._asked.extend(await self.requests.read())
        if not self._asked:
            return
        ids = {one.request.id: audit_id_of_request(self._fleet, one.request.id) for one in self._asked}
        made = await self.concluding.store.made(sorted(ids.values()))
        now = self.now()
        while self._asked:
            asked = self._asked.popleft()
            request, id_ = asked.request, ids[asked.request.id]
            if id_ in made or id_ in self._waiting:
                continue  # answered, or about to be
            reason = self._why_left_out(asked, now)
            if reason is not None:
                self.metrics.count(Metric.AUDIT_REQUESTS_LEFT_OUT, reason=reason)
                log.warning("a request for an audit is left out", reason=reason)
                continue
            at = min(asked.at, now)
            self._add(Job(id_, request.model, request.anchor_set, at, "request", request.id), since=at)

    def _why_left_out(self, asked: Asked, now: datetime) -> str | None:
        if (now - asked.at).total_seconds() > self.settings.audit.request_max_age_s:
            return "too_old"
        if asked.request.model != self.model or asked.request.anchor_set not in self._sets:
            return "unknown_target"
        waiting = sum(one.job.begun_by == "request" for one in self._waiting.values())
        return "too_many" if waiting >= MAX_WAITING else None

    def _look_at_schedule(self) -> None:
        now = self.now()
        for anchor_set in self._sets:
            last = self.steps.state(self.model, anchor_set).last_schedule_at
            moment = due(self._schedule, last, now)
            since = overdue_since(self._schedule, last, now)
            if moment is None or since is None:
                continue
            id_ = audit_id_of_schedule(self._fleet, self.model, anchor_set, moment)
            older = next((one for one in self._waiting.values() if _is_scheduled(one.job, anchor_set)), None)
            if older is None:
                # what was never audited was never promised for a moment before now
                self._add(
                    Job(id_, self.model, anchor_set, moment, "schedule"), since=now if last is None else since
                )
            elif older.job.id != id_ and (self._running is None or self._running[0] is not older):
                # the newest moment stands for all that were missed
                del self._waiting[older.job.id]
                self._add(Job(id_, self.model, anchor_set, moment, "schedule"), since=older.since)
                self._waiting[id_].cause = older.cause

    def _add(self, job: Job, *, since: datetime) -> None:
        log.info("an audit is due", id=job.id, model=job.model, anchor_set=job.anchor_set, by=job.begun_by)
        self._waiting[job.id] = _Waiting(job, since, Backoff(self.settings.retry))

    async def _look_for_overdue(self) -> None:
        now = self.now()
        for one in self._waiting.values():
            if (now - one.since).total_seconds() < self.settings.audit.overdue_after_s:
                continue
            state = self.steps.state(one.job.model, one.job.anchor_set)
            after = after_overdue(state, since=one.since, at=now, cause=one.cause, teller=self.steps.teller)
            if after is not None:
                await self.steps.keep("overdue", after, at=now)

    # Measuring

    def _begin(self) -> None:
        if self._running is not None:
            return
        now_s = self.monotonic_s()
        ready = [one for one in self._waiting.values() if one.next_s <= now_s]
        if not ready:
            return
        first = min(ready, key=lambda one: one.job.begun_by != "request")  # somebody waits for those
        job = first.job
        beginning = self.steps.state(job.model, job.anchor_set).beginning
        log.info("an audit begins", id=job.id, model=job.model, anchor_set=job.anchor_set)
        self._running = (first, asyncio.create_task(self.measuring.outcome(job, beginning)))

    async def _harvest(self) -> None:
        if self._running is None or not self._running[1].done():
            return
        waiting, task = self._running
        trouble = asyncio.CancelledError() if task.cancelled() else task.exception()
        if trouble is not None:
            self._running = None
            self._failed(waiting, trouble)
            return
        job = waiting.job
        state = self.steps.state(job.model, job.anchor_set)
        # trouble with the store leaves it to be harvested again
        found = await self.concluding.conclude(state, job, task.result(), self.now())
        await self.steps.keep(
            "audit", found.state, at=found.record.at, record=found.record, draws=found.draws
        )
        self._running = None
        del self._waiting[job.id]
        record = found.record
        self.metrics.count(Metric.AUDITS, outcome=record.state)
        self.metrics.observe(Metric.AUDIT_SECONDS, record.seconds)
        log.info(
            "an audit is made",
            id=record.id,
            outcome=record.state,
            reason=record.reason,
            series=record.series,
            model=record.model,
            anchor_set=record.anchor_set,
            seconds=record.seconds,
        )

    def _failed(self, waiting: _Waiting, trouble: BaseException) -> None:
        at_least_s = trouble.retry_after_s if isinstance(trouble, Retryable) else None
        if isinstance(trouble, Misconfigured):
            at_least_s = self.settings.retry.halted_s
        wait_s = waiting.backoff.next_s(at_least_s)
        waiting.next_s = self.monotonic_s() + wait_s
        waiting.cause = said(trouble) if isinstance(trouble, Exception) else type(trouble).__name__
        self.metrics.count(Metric.AUDIT_TRIES_FAILED)
        log.warning(
            "an audit failed, tried again",
            id=waiting.job.id,
            error=waiting.cause,
            retry_in_s=round(wait_s, 2),
        )

    def show(self) -> None:
        """What is due, how far it is, and what fires."""
        put = self.metrics.set
        oldest = min((one.since for one in self._waiting.values()), default=None)
        put(Metric.AUDITS_WAITING, len(self._waiting))
        put(Metric.AUDIT_PROGRESS, self.measuring.progress if self._running is not None else 0.0)
        put(Metric.AUDIT_DUE_FOR, 0.0 if oldest is None else max(0.0, (self.now() - oldest).total_seconds()))
        self.steps.show()


def _is_scheduled(job: Job, anchor_set: str) -> bool:
    return job.begun_by == "schedule" and job.anchor_set == anchor_set
