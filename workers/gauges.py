"""The gauges of a worker's roles and partitions, set from what each role says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

from monitor.adapters.breaker import State
from monitor.metrics import Metric, Metrics
from schemas.status import RoleStatus
from workers.vitals import is_aside

_OF_PARTITION: Final = (Metric.LAG, Metric.POSITION, Metric.STILL_SECONDS)
_Place = tuple[str, str, int]


@dataclass
class Gauges:
    """Sets them, and forgets the partitions that have left."""

    metrics: Metrics
    _shown: set[_Place] = field(default_factory=set)

    def show(self, roles: Sequence[RoleStatus]) -> None:
        """This is how all stands now."""
        places: set[_Place] = set()
        put = self.metrics.set
        for status in roles:
            role, topic = status.role, status.topic
            put(Metric.BATCHES_IN_FLIGHT, status.in_flight, role=role)
            put(Metric.BATCHES_IN_FLIGHT_LIMIT, status.in_flight_limit, role=role)
            put(Metric.PARTITIONS, len(status.partitions), role=role, topic=topic)
            put(Metric.SET_ASIDE, sum(is_aside(partition) for partition in status.partitions), role=role)
            put(Metric.HALTED, sum(partition.is_halted for partition in status.partitions), role=role)
            for partition in status.partitions:
                at: dict[str, str | int] = {"role": role, "topic": topic, "partition": partition.partition}
                lag = max(0, partition.end - partition.position)
                put(Metric.LAG, lag, **at)
                put(Metric.POSITION, partition.position, **at)
                put(Metric.STILL_SECONDS, partition.still_s, **at)
                places.add((role, topic, partition.partition))
            for state in get_args(State) if status.breaker else ():
                put(Metric.BREAKER_STATE, float(status.breaker == state), role=role, state=state)
        for role, topic, number in self._shown - places:
            for metric in _OF_PARTITION:
                self.metrics.forget(metric, role=role, topic=topic, partition=number)
        self._shown = places
