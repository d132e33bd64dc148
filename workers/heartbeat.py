"""What this worker says of itself every few seconds on safety.control, and what it thinks of that, with Kafka or without."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Final, Literal, Protocol

import structlog
from mode import Service

from monitor.alerting import Alerts, Due
from monitor.conditions import Condition
from monitor.errors import Misconfigured, Retryable
from monitor.health import worker_findings
from monitor.metrics import Metric, Metrics
from monitor.ports import Outbox, OutRecord
from monitor.settings import Settings
from schemas.status import RoleStatus, WorkerStatus
from workers.identity import Identity
from workers.trouble import is_cancelled, said, where

log = structlog.get_logger("watchkeeper.heartbeat")

GOODBYE_WITHIN_S: Final = 5.0
JUDGED: Final = (Condition.WORKER_STALLED, Condition.PARTITION_HALTED)
"""What a worker can tell of itself."""


class Worker(Protocol):
    """What the worker knows of itself."""

    @property
    def missing(self) -> str:
        """The part that it waits for before it can begin; "" where it waits for none."""
        ...

    @property
    def has_crashed(self) -> bool:
        """Whether it ends because one of its tasks has."""
        ...

    def roles(self) -> list[RoleStatus] | None:
        """Where each role stands; None before it has begun."""
        ...


class Heartbeat(Service):
    """Says and judges how the worker stands, from its start, before any role has begun, to its end.

    Both go on whatever fails: saying waits for Kafka, judging waits for nothing.
    """

    mundane_level = "debug"

    def __init__(
        self, who: Identity, itself: Worker, outbox: Outbox, settings: Settings, *, metrics: Metrics
    ) -> None:
        super().__init__()
        self._who = who
        self._itself = itself
        self._outbox = outbox
        self._fleet = settings.kafka.group_prefix
        self._topic = settings.kafka.control_topic
        self._health = settings.health
        self._metrics = metrics
        self._alerts = Alerts(self._fleet, settings.health, who.source)

    async def on_start(self) -> None:
        """Begin."""
        self.add_future(self._say_now_and_then())
        self.add_future(self._judge_now_and_then())

    async def on_stop(self) -> None:
        """Say goodbye, if Kafka is there to hear it: the silence after it is no alarm. One that crashed says none: that it
        ends is to be told, and that it does so again and again."""
        if self._itself.has_crashed:
            return
        try:
            await asyncio.wait_for(self._say("leaving"), GOODBYE_WITHIN_S)
        except asyncio.CancelledError:
            if is_cancelled():
                raise
        except (TimeoutError, Retryable, Misconfigured):
            pass

    def status(self, state: Literal["leaving"] | None = None) -> WorkerStatus:
        """How it stands now."""
        roles = self._itself.roles()
        return WorkerStatus(
            worker=self._who.worker,
            fleet=self._fleet,
            version=self._who.version,
            started_at=self._who.started_at,
            at=datetime.now(UTC),
            state=state or ("starting" if roles is None else "running"),
            waits_for=self._itself.missing if roles is None else "",
            cpu_s=round(time.process_time(), 3),
            roles=tuple(roles or ()),
        )

    async def _say(self, state: Literal["leaving"] | None = None) -> None:
        record = OutRecord(self._who.worker.encode(), self.status(state).to_bytes())
        await self._outbox.publish(self._topic, 0, [record])

    async def _say_now_and_then(self) -> None:
        is_heard = True
        error: str | None
        while not self.should_stop:
            try:
                await self._say()
            except asyncio.CancelledError as exc:
                if is_cancelled():
                    raise
                error = where(exc)
            except Exception as exc:  # noqa: BLE001  # a worker that says nothing is told as silent; it must not be
                error = said(exc)
            else:
                error = None
            if error is not None and is_heard:
                log.warning("status not said, tried again", topic=self._topic, error=error)
            is_heard = error is None
            await self.sleep(self._health.status_every_s)

    async def _judge_now_and_then(self) -> None:
        while not self.should_stop:
            try:
                self.judge(time.time())
            except Exception as exc:  # noqa: BLE001  # the next look may succeed
                log.error("judging failed", error=where(exc))
            await self.sleep(self._health.look_every_s)

    def judge(self, now_s: float) -> None:
        """Log what has become wrong or well again with this worker, and show it in its metrics."""
        for due in self._alerts.judge(worker_findings(self._health, self.status(), now_s), now_s):
            _log(due)
            self._alerts.told(due, now_s)
        firing = self._alerts.firing()
        for condition in JUDGED:
            self._metrics.set(Metric.WORKER_CONDITION, firing[condition], kind=condition.value)


def _log(due: Due) -> None:
    alert = due.alert
    if due.news == "over":
        log.warning("worker is well again", kind=alert.kind, **alert.place)
    else:
        log.error(
            "worker is not well",
            kind=alert.kind,
            news=due.news,
            title=alert.title,
            **alert.place,
            **{f"fact_{name}": value for name, value in alert.facts.items()},
        )
