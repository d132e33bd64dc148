"""Keeps the judging policy fit for the traffic: done once in the fleet, by whoever oversees."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

import structlog

from monitor.judging.budget import allowed_per_s, next_policy
from monitor.judging.policy import MUSTS
from monitor.judging.traffic import Traffic
from monitor.metrics import Metric, Metrics
from monitor.ports import Outbox, OutRecord
from monitor.settings import Settings
from schemas.judgements import JudgePolicy
from schemas.status import WorkerStatus

log = structlog.get_logger("watchkeeper.policy_maker")


class InForce(Protocol):
    """Knows the policy in force (workers/policies.py)."""

    @property
    def current(self) -> JudgePolicy:
        """The newest that was heard."""
        ...


class PolicyMaker:
    """Hears the statuses that the overseer hears, and writes another policy when the one in force no longer fits.

    A policy is a value: two overseers that each think they are the one write two, of which all workers follow the later.
    """

    def __init__(self, settings: Settings, in_force: InForce, outbox: Outbox, metrics: Metrics) -> None:
        self._settings = settings
        self._in_force = in_force
        self._outbox = outbox
        self._metrics = metrics
        self._traffic = Traffic(settings.kafka.group_prefix)
        self._next_s = 0.0

    def hear_anew(self) -> None:
        """What the workers said is to be heard again from further back."""
        self._traffic = Traffic(self._settings.kafka.group_prefix)
        self._next_s = 0.0

    def hear(self, status: WorkerStatus, at_s: float) -> None:
        """A worker has said how it stands."""
        self._traffic.hear(status, at_s)

    async def look(self, now_s: float) -> None:
        """Write another policy if it is time and the one in force no longer fits. Raises Retryable or Misconfigured."""
        judging, traffic = self._settings.judging, self._traffic
        asked = traffic.asked(now_s, judging.budget_per_hour)
        put = self._metrics.set
        put(Metric.JUDGE_BUDGET, judging.budget_per_hour)
        put(Metric.JUDGE_ASKED, round(traffic.asked_in_hour(now_s)))
        put(Metric.JUDGE_MUSTS, self._in_force.current.strata.get(MUSTS[0], 1.0))
        if traffic.heard_s(now_s) < judging.policy_every_s or now_s < self._next_s:
            return
        self._next_s = now_s + judging.policy_every_s
        rates = traffic.rates(now_s)  # none in a quiet time: then what was crowded out before has room again
        current = self._in_force.current
        at = datetime.fromtimestamp(now_s, UTC)
        policy = next_policy(current, judging, rates, allowed_per_s(judging, asked), at)
        if policy.version == current.version:
            return
        record = OutRecord(policy.fleet.encode(), policy.to_bytes())
        await self._outbox.publish(self._settings.kafka.judge_policies_topic, 0, [record])
        (log.warning if policy.is_crowded_out else log.info)(
            "more must be judged than the budget allows" if policy.is_crowded_out else "judging policy made",
            version=policy.version,
            musts_probability=policy.strata[MUSTS[0]],
            asked_per_hour=policy.asked_per_hour,
            budget_per_hour=policy.budget_per_hour,
        )

    def show_nothing(self) -> None:
        """The figures are another's."""
        for metric in (Metric.JUDGE_BUDGET, Metric.JUDGE_ASKED, Metric.JUDGE_MUSTS):
            self._metrics.set(metric, 0)
