"""A partition that is ours: what is buffered, what is under way, and how far it is durable. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from monitor.ledger import Ledger
from workers.batch import Batch, Intake, Message


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """When a batch closes, and how many may be under way at once."""

    max_events: int
    max_bytes: int
    flush_after_s: float
    in_flight: int


@dataclass(slots=True)
class Partition:
    """From the committed position on. `position` is the end of the durable prefix: what the next commit says.

    `is_leaving`: it is being drained, and nothing more is begun.
    """

    topic: str
    number: int
    next_offset: int
    ledger: Ledger
    committed_offset: int = -1
    position: int = -1
    is_leaving: bool = False
    outstanding: deque[Batch] = field(default_factory=deque)
    buffered: list[Message] = field(default_factory=list)
    buffered_bytes: int = 0
    buffered_since_s: float = 0.0

    def buffer(self, messages: Sequence[Message], now_s: float) -> None:
        """Keep what was fetched, but for what is here already. `now_s` is a monotonic time."""
        fresh = [message for message in messages if message.offset >= self.next_offset]
        if self.is_leaving or not fresh:
            return
        if not self.buffered:
            self.buffered_since_s = now_s
        self.buffered.extend(fresh)
        self.buffered_bytes += sum(len(m.value or b"") + len(m.key or b"") for m in fresh)
        self.next_offset = fresh[-1].offset + 1

    def is_due(self, limits: BatchLimits, now_s: float) -> bool:
        """Whether the buffer is to leave as a batch: full, or old enough."""
        if self.is_leaving or not self.buffered:
            return False
        is_full = len(self.buffered) >= limits.max_events or self.buffered_bytes >= limits.max_bytes
        return is_full or now_s - self.buffered_since_s >= limits.flush_after_s

    def take(self, intake: Intake) -> Batch:
        """The buffer as the next batch, which is outstanding from now on."""
        batch = Batch(
            topic=self.topic,
            partition=self.number,
            messages=self.buffered,
            size_bytes=self.buffered_bytes,
            intake=intake,
            previous=self.outstanding[-1] if self.outstanding else None,
        )
        self.buffered, self.buffered_bytes = [], 0
        self.outstanding.append(batch)
        return batch

    def advance(self) -> None:
        """Move the durable prefix over every batch that is done, up to the first that isn't."""
        while self.outstanding and (counts := self.outstanding[0].counts) is not None:
            batch = self.outstanding.popleft()
            self.ledger = self.ledger.plus(counts)
            self.position = batch.next_offset
