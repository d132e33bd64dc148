"""What a role has done since its worker's start: for its status and its metrics."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Literal

from monitor.ledger import Ledger
from monitor.metrics import Metric, Metrics
from schemas.status import RoleStatus, Stage
from workers.batch import Batch
from workers.partition import BatchLimits, Partition

BreakerState = Literal["", "closed", "open", "half-open"]


def no_breaker() -> BreakerState:
    """Of a role whose agent calls no guard."""
    return ""


class Tally:
    """Adds up batches as they end. A batch that was abandoned took time and did nothing that counts."""

    def __init__(self, role: str, topic: str, group: str, metrics: Metrics) -> None:
        self.role = role
        self.topic = topic
        self.group = group
        self.metrics = metrics
        self._spent_s: defaultdict[Stage, float] = defaultdict(float)
        self._handled = Ledger(0)
        self._unanswered = 0
        self._strata: Counter[str] = Counter()
        self._asked = 0

    def taken(self, batch: Batch) -> None:
        """It leaves for its agent."""
        count, messages = self.metrics.count, len(batch.messages)
        count(Metric.MESSAGES_TAKEN, messages, role=self.role, topic=self.topic)
        count(Metric.BYTES_TAKEN, batch.size_bytes, role=self.role, topic=self.topic)
        self.metrics.observe(Metric.BATCH_MESSAGES, messages, role=self.role)
        self.metrics.observe(Metric.BATCH_BYTES, batch.size_bytes, role=self.role)

    def settled(self, batch: Batch) -> None:
        """It is durable."""
        if batch.counts is not None:
            self._handled = self._handled.plus(batch.counts)
        self._unanswered += batch.unanswered
        self._strata.update(batch.strata)
        self._asked += batch.asked
        self.metrics.count(Metric.MESSAGES_DURABLE, len(batch.messages), role=self.role, topic=self.topic)
        self.dropped(batch)

    def dropped(self, batch: Batch) -> None:
        """It was abandoned; only its time counts."""
        for stage, seconds in batch.spent_s.items():
            self._spent_s[stage] += seconds
            self.metrics.observe(Metric.STAGE_SECONDS, seconds, role=self.role, stage=stage)

    def status(
        self, partitions: Iterable[Partition], limits: BatchLimits, breaker: BreakerState
    ) -> RoleStatus:
        """Where it stands now, with the time of the batches that are still under way."""
        now_s = time.monotonic()
        spent_s = defaultdict(float, self._spent_s)
        under_way = [batch for partition in partitions for batch in partition.outstanding]
        for batch in under_way:
            for stage, seconds in batch.spent_s.items():
                spent_s[stage] += seconds
            spent_s[batch.stage] += now_s - batch.stage_since_s
        return RoleStatus(
            role=self.role,
            topic=self.topic,
            group=self.group,
            partitions=tuple(
                partition.status(now_s) for partition in sorted(partitions, key=lambda one: one.number)
            ),
            in_flight=len(under_way),
            in_flight_limit=limits.in_flight,
            spent_s={stage: round(seconds, 3) for stage, seconds in spent_s.items()},
            messages=self._handled.messages,
            exchanges=self._handled.exchanges - self._handled.sampled_out,
            unanswered=self._unanswered,
            dead=self._handled.dead_messages + self._handled.dead_exchanges,
            breaker=breaker,
            strata=dict(self._strata),
            asked=self._asked,
        )
