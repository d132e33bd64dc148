"""What outlives a spell of auditing, in memory, and how it is lived through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from monitor.audit.alerting import Teller
from monitor.audit.ports import Probe
from monitor.metrics import Metrics
from monitor.settings import Settings, load
from schemas.alert_actions import AlertAction
from schemas.alerts import Alert, Source
from schemas.audits import AuditRecord, AuditRequest
from tests.fakes.audits import FakeAuditStore, FakeRequests, FakeSource, Open
from tests.fakes.probe import FakeProbe
from tests.fakes.watch import FakeActions
from workers.audit_conclusion import Concluding
from workers.audit_steps import Steps
from workers.auditing import Asked, Auditing
from workers.probing import Measuring
from workers.watching import Acted

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENT = START.replace(minute=17)
"""Of the schedule."""
BASE = {
    "WATCHKEEPER_AUDIT__ENABLED": "true",
    "WATCHKEEPER_AUDIT__DRAWS": "999",
    "WATCHKEEPER_AUDIT__MODEL": "atlas",
    "WATCHKEEPER_AUDIT__LAYERS": "every 3",
    "WATCHKEEPER_AUDIT__SCHEDULE": "17 3 * * *",
    "WATCHKEEPER_KAFKA__GROUP_PREFIX": "wk",
    "WATCHKEEPER_RETRY__FIRST_S": "0.001",
    "WATCHKEEPER_RETRY__MAX_S": "0.001",
    "WATCHKEEPER_RETRY__HALTED_S": "0.001",
}


class Crash(BaseException):
    """The process is gone."""


async def no_wait(_: float) -> None:
    """Nobody waits in these tests, but the others get their turn."""
    await asyncio.sleep(0)


@dataclass
class World:
    """What outlives a spell: probe, store, requests, what was told; and the broker's time."""

    probe: FakeProbe = field(default_factory=lambda: FakeProbe(apart=3.0))
    source: FakeSource = field(default_factory=FakeSource)
    store: FakeAuditStore = field(default_factory=FakeAuditStore)
    requests: FakeRequests = field(default_factory=FakeRequests)
    actions: FakeActions = field(default_factory=FakeActions)
    gate: Open = field(default_factory=Open)
    metrics: Metrics = field(default_factory=Metrics)
    records: list[AuditRecord] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    given: dict[str, str] = field(default_factory=dict)
    now: datetime = START + timedelta(minutes=30)
    is_ours: bool = True
    on_tell: Callable[[], None] = lambda: None

    @property
    def settings(self) -> Settings:
        return load({**BASE, **{f"WATCHKEEPER_AUDIT__{name}": value for name, value in self.given.items()}})

    def auditing(self) -> Auditing:
        settings = self.settings

        async def publish(record: AuditRecord) -> None:
            self.on_tell()
            self.records.append(record)

        async def tell(alert: Alert) -> None:
            self.on_tell()
            self.alerts.append(alert)

        def open_probe() -> AbstractAsyncContextManager[Probe]:
            return nullcontext(self.probe)

        def now() -> datetime:
            return self.now

        teller = Teller("wk", Source("w", "1"))
        return Auditing(
            measuring=Measuring(
                open_probe, self.source, self.store, settings.audit, self.gate, now, sleep=no_wait
            ),
            steps=Steps(
                self.store, publish, tell, teller, settings.retry, self.metrics, lambda: self.is_ours, no_wait
            ),
            concluding=Concluding(self.store, settings.audit, teller),
            requests=self.requests,
            actions=self.actions,
            settings=settings,
            metrics=self.metrics,
            now=now,
        )

    def ask(self, id_: str, *, at: datetime | None = None, **given: str) -> None:
        fields: dict[str, Any] = {
            "id": id_, "fleet": "wk", "model": "atlas", "anchor_set": "matched", "by": "ada", "at": self.now, **given,
        }  # fmt: skip
        self.requests.log.append(Asked(at or self.now, AuditRequest(**fields)))

    def act(self, alert: Alert, verb: Any) -> None:
        action = AlertAction(alert_id=alert.id, fleet="wk", verb=verb, by="ada", note="", until=None)
        self.actions.log.append(Acted(self.now, action))

    def stands(self) -> dict[str, str]:
        """How each alert stands, by kind: what was told last of it."""
        return {alert.kind: alert.state for alert in self.alerts}


async def settle(auditing: Auditing) -> None:
    """Until nothing is due any more."""
    for _ in range(200):
        await auditing.turn()
        await auditing.settled()
        if not auditing.waiting:
            return
    raise TimeoutError("audits are still waiting")


async def begun(world: World) -> Auditing:
    auditing = world.auditing()
    await auditing.restore()
    await settle(auditing)
    return auditing


async def next_day(world: World, auditing: Auditing, **probe: Any) -> AuditRecord:
    for name, value in probe.items():
        setattr(world.probe, name, value)
    world.now += DAY
    await settle(auditing)
    return world.records[-1]
