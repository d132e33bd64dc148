"""The steps of each target: kept once, then told, and told again by whoever takes over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from monitor.audit.alerting import Teller, said_again
from monitor.audit.keeping import AuditStore, Step, StepKind
from monitor.audit.kinds import AuditKind
from monitor.audit.series import target_of
from monitor.audit.state import TargetState
from monitor.backoff import Backoff
from monitor.errors import WatchkeeperError
from monitor.metrics import Metric, Metrics
from monitor.settings import RetrySettings
from schemas.alerts import Alert
from schemas.audits import AuditRecord
from workers.leadership import Replaced

log = structlog.get_logger("watchkeeper.audits")

SAY_AGAIN_S: Final = 300.0
"""What goes on is told again so often, so that who reads the log of alerts from somewhere on learns of it."""


@dataclass
class _Target:
    number: int
    state: TargetState


@dataclass
class Steps:
    """`publish` writes a record to its topic, `tell` an alert to its. `is_ours`: whether we may still act."""

    store: AuditStore
    publish: Callable[[AuditRecord], Awaitable[None]]
    tell: Callable[[Alert], Awaitable[None]]
    teller: Teller
    retry: RetrySettings
    metrics: Metrics
    is_ours: Callable[[], bool]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _targets: dict[str, _Target] = field(default_factory=dict)

    async def restore(self) -> Sequence[Step]:
        """Be where the fleet is: the last step of each target, told again. Raises Retryable, Misconfigured, Replaced."""
        steps = await self.store.last_steps()
        self._targets = {
            step.target: _Target(step.number, TargetState.from_bytes(step.state)) for step in steps
        }
        for step in steps:
            await self._tell(step)
        return steps

    def state(self, model: str, anchor_set: str) -> TargetState:
        """After the last step; a new one where there is none."""
        known = self._targets.get(target_of(model, anchor_set))
        return known.state if known is not None else TargetState(model=model, anchor_set=anchor_set)

    def states(self) -> Iterator[TargetState]:
        """Of every target that ever had a step, those that aren't audited any more too."""
        return iter([target.state for target in self._targets.values()])

    async def keep(
        self,
        kind: StepKind,
        state: TargetState,
        *,
        at: datetime,
        record: AuditRecord | None = None,
        draws: bytes = b"",
    ) -> None:
        """Write the step, then tell it. Raises Retryable or Misconfigured where it isn't kept (as far as is known), and Replaced where we may
        not act, or another worker was faster: its step is told then, and counts."""
        if not self.is_ours():
            raise Replaced
        key = target_of(state.model, state.anchor_set)
        known = self._targets.get(key)
        step = Step(
            target=key,
            number=1 if known is None else known.number + 1,
            kind=kind,
            id="" if record is None else record.id,
            series="" if record is None else record.series,
            at=at,
            state=state.to_bytes(),
            record=b"" if record is None else record.to_bytes(),
        )
        standing = await self.store.keep(step, draws)
        self._targets[key] = _Target(standing.number, TargetState.from_bytes(standing.state))
        await self._tell(standing)
        if (standing.state, standing.record) != (step.state, step.record):
            raise Replaced

    async def say_again(self, now: datetime) -> None:
        """What goes on."""
        for state in self.states():
            for alert in said_again(state, now, self.teller.source):
                await self.tell(alert)

    def show(self) -> None:
        """How many alerts fire."""
        firing = [one.alert.kind for state in self.states() for one in state.firing]
        for kind in AuditKind:
            self.metrics.set(Metric.ALERTS_FIRING, firing.count(kind), kind=kind)

    async def _tell(self, step: Step) -> None:
        """What is kept is told, however long the broker is away. Raises Replaced."""
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

    async def _patiently(self, do: Callable[[], Awaitable[None]]) -> None:
        backoff = Backoff(self.retry)
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
