"""An intake as the worker's health sees it, without a broker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from schemas.status import PartitionStatus, RoleStatus

WELL = PartitionStatus(
    partition=0, position=10, end=15, in_flight=1, still_s=0.0, doing="guard", trouble="", is_halted=False
)
RESTING = msgspec.structs.replace(WELL, in_flight=0, doing="", trouble="Triton is away", still_s=12.0)
HALTED = msgspec.structs.replace(RESTING, trouble="too many bad messages", is_halted=True)


@dataclass
class FakeTaker:
    """Implements workers.vitals.Taker. `partitions` are numbered in their order."""

    role: str = "moderation"
    topic: str = "chat.logs"
    partitions: tuple[PartitionStatus, ...] = (WELL,)
    breaker: Any = ""
    has_joined: bool = True
    last_turn_s: float = 0.0
    crashed: bool = False
    trouble: Exception | None = None
    asked: int = 0

    def status(self) -> RoleStatus:
        """What it is told to say; raises `trouble`."""
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble
        numbered = tuple(
            msgspec.structs.replace(partition, partition=number)
            for number, partition in enumerate(self.partitions)
        )
        return RoleStatus(
            role=self.role,
            topic=self.topic,
            group=f"watchkeeper.{self.role}",
            partitions=numbered,
            in_flight=sum(partition.in_flight for partition in numbered),
            in_flight_limit=3,
            spent_s={},
            messages=0,
            exchanges=0,
            unanswered=0,
            dead=0,
            breaker=self.breaker,
        )
