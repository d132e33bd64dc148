"""A batch of one partition's messages on its way through an agent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from monitor.ledger import Ledger
from schemas.status import Stage


class Message(Protocol):
    """A record as the consumer read it (aiokafka's ConsumerRecord)."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def timestamp_type(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class Abandoned(Exception):
    """The batch's partition was taken away or set aside: whatever isn't written yet is read again, here or elsewhere."""


class Intake(Protocol):
    """What a batch needs of the intake that made it."""

    async def in_trouble(self, batch: Batch, trouble: Exception) -> None:
        """Log the trouble; then wait out a backoff, or abandon the batch, whose partition is read again later."""
        ...

    def settled(self, batch: Batch) -> None:
        """The batch is durable and its `counts` are set."""
        ...


@dataclass(slots=True, eq=False)
class Batch:
    """Whole messages of one partition, in offset order. Durable or abandoned, never half.

    `previous` is the batch before it in the partition, until that one is done. `attempts` counts failed tries.
    `failed_at` is the stage that the last failed one was in.
    `unanswered` counts the exchanges that the guard was asked about and had no answer to; `strata` those in each stratum of the
    judging policy, and `asked` those that a judge is asked about. `spent_s` is the time that it
    spent in each stage, over all tries. `assignment` is the same for all batches between one coming of the partition and its going.
    """

    topic: str
    partition: int
    messages: Sequence[Message]
    size_bytes: int
    intake: Intake
    previous: Batch | None = None
    assignment: object = None
    attempts: int = 0
    failed_at: Stage | Literal[""] = ""
    counts: Ledger | None = None
    unanswered: int = 0
    strata: Mapping[str, int] = field(default_factory=dict)
    asked: int = 0
    stage: Stage = "decode"
    spent_s: dict[Stage, float] = field(default_factory=dict)
    stage_since_s: float = field(default_factory=time.monotonic)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    is_abandoned: bool = False

    @property
    def next_offset(self) -> int:
        """The offset to commit once this batch is durable."""
        return self.messages[-1].offset + 1

    def enter(self, stage: Stage) -> None:
        """The stage before this one is over."""
        now_s = time.monotonic()
        self.spent_s[self.stage] = self.spent_s.get(self.stage, 0.0) + now_s - self.stage_since_s
        self.stage, self.stage_since_s = stage, now_s

    async def turn(self) -> None:
        """Wait until all that comes before it in its partition is written; then write.

        Batches are decoded and scored side by side and written one after the other: order is kept, and the
        next is at the guard while the last is written. Raises Abandoned.
        """
        if self.previous is not None:
            self.enter("turn")
            await self.previous.done.wait()
            self.previous = None
        if self.is_abandoned:
            raise Abandoned
        self.enter("write")

    async def settle(self, handle: Callable[[Batch], Awaitable[Ledger]]) -> None:
        """Handle it until it is durable or abandoned. Never raises but CancelledError.

        Trouble waits and tries again, here or, once its partition was set aside, as another batch. So does an unexpected
        exception, a bug of ours: acknowledging what failed would lose it.
        """
        while not self.is_abandoned:
            try:
                counts = await handle(self)
            except Abandoned:
                return
            except Exception as exc:  # noqa: BLE001  # whatever it was, the batch isn't durable
                self.attempts += 1
                self.failed_at = self.stage
                self.enter("retry")
                await self.intake.in_trouble(self, exc)
                self.enter("decode")
            else:
                if not self.is_abandoned:
                    self.enter("write")
                    self.counts = counts
                    self.intake.settled(self)
                return

    def abandon(self) -> None:
        """Give it up: its partition is no longer ours, or is read again from further back."""
        self.is_abandoned = True
        self.done.set()
