"""A partition that is ours: what is buffered, what is under way, and how far it is durable. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from monitor.backoff import Backoff
from monitor.ledger import Ledger
from schemas.status import PartitionStatus, Stage
from workers.batch import Batch, Intake, Message


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """When a batch closes, and how many may be under way at once."""

    max_events: int
    max_bytes: int
    flush_after_s: float
    in_flight: int


def _size(messages: Sequence[Message]) -> int:
    return sum(len(message.value or b"") + len(message.key or b"") for message in messages)


@dataclass(slots=True)
class Partition:
    """From `position`, the end of the durable prefix and what the next commit says, to `next_offset`, what is read next.

    `is_leaving`: it is being drained, and nothing more is begun. `aside_until_s`: it is set aside until then, because of
    `trouble`, which it had at the stage `failed_at`. `still_since_s`: when its position last moved, or there was last nothing to do. Times are monotonic.
    """

    topic: str
    number: int
    position: int
    ledger: Ledger
    backoff: Backoff
    still_since_s: float
    committed_offset: int = -1
    next_offset: int = -1
    end: int = -1
    is_leaving: bool = False
    aside_until_s: float | None = None
    trouble: str = ""
    failed_at: Stage | Literal[""] = ""
    is_halted: bool = False
    outstanding: deque[Batch] = field(default_factory=deque)
    buffered: list[Message] = field(default_factory=list)
    buffered_bytes: int = 0
    buffered_since_s: float = 0.0

    def __post_init__(self) -> None:
        self.committed_offset = self.next_offset = self.position

    def buffer(self, messages: Sequence[Message], now_s: float) -> None:
        """Keep what was fetched, but for what is here already."""
        if self.is_leaving or self.aside_until_s is not None:
            return
        if messages[0].offset < self.next_offset:
            messages = [message for message in messages if message.offset >= self.next_offset]
            if not messages:
                return
        if not self.lag and not self.outstanding:
            self.still_since_s = now_s
        if not self.buffered:
            self.buffered_since_s = now_s
        self.buffered.extend(messages)
        self.buffered_bytes += _size(messages)
        self.next_offset = messages[-1].offset + 1
        self.end = max(self.end, self.next_offset)

    @property
    def has_something_to_give(self) -> bool:
        """Whether there is a next batch, though it may not be due."""
        return bool(self.buffered) and not self.is_leaving

    def is_due(self, limits: BatchLimits, now_s: float) -> bool:
        """Whether the buffer is to leave as a batch: full, or old enough."""
        if not self.has_something_to_give:
            return False
        is_full = len(self.buffered) >= limits.max_events or self.buffered_bytes >= limits.max_bytes
        return is_full or now_s - self.buffered_since_s >= limits.flush_after_s

    def take(self, intake: Intake, most: int, now_s: float) -> Batch:
        """The first of the buffer, at most that many, as the next batch, which is outstanding from now on."""
        messages, self.buffered = self.buffered[:most], self.buffered[most:]
        left_bytes = _size(self.buffered)
        batch = Batch(
            topic=self.topic,
            partition=self.number,
            messages=messages,
            size_bytes=self.buffered_bytes - left_bytes,
            intake=intake,
            previous=self.outstanding[-1] if self.outstanding else None,
            assignment=self,
        )
        self.buffered_bytes, self.buffered_since_s = left_bytes, now_s
        self.outstanding.append(batch)
        return batch

    def advance(self, now_s: float) -> None:
        """Move the durable prefix over every batch that is done, up to the first that isn't."""
        while self.outstanding and (counts := self.outstanding[0].counts) is not None:
            batch = self.outstanding.popleft()
            self.ledger = self.ledger.plus(counts)
            self.position = batch.next_offset
            self.still_since_s = now_s
            self.trouble, self.failed_at, self.is_halted, self.backoff.attempt = "", "", False, 0

    def give_back(self) -> list[Batch]:
        """Drop all that isn't durable and return the batches among it: it is read again from `position`."""
        batches = list(self.outstanding)
        self.outstanding.clear()
        self.buffered, self.buffered_bytes = [], 0
        self.next_offset = self.position
        return batches

    def heard_end(self, end: int, now_s: float, *, read_to: int) -> None:
        """The log ends here, says the broker; the consumer has handed over all before `read_to`."""
        if not self.lag and not self.outstanding:
            self.still_since_s = now_s
        holds_nothing = not self.outstanding and not self.buffered and self.aside_until_s is None
        # What was read and is nowhere held are offsets without a message (transaction markers): no work.
        self.end = self.position if holds_nothing and read_to >= end > self.position else end

    @property
    def lag(self) -> int:
        """Offsets known to be in the log and not durable yet."""
        return max(0, self.end - self.position)

    def status(self, now_s: float) -> PartitionStatus:
        """Where it stands."""
        has_work = self.lag > 0 or bool(self.outstanding)
        return PartitionStatus(
            partition=self.number,
            position=self.position,
            end=self.end,
            in_flight=len(self.outstanding),
            still_s=round(now_s - self.still_since_s, 3) if has_work else 0.0,
            doing=self.outstanding[0].stage if self.outstanding else "",
            trouble=self.trouble,
            is_halted=self.is_halted,
            failed_at=self.failed_at,
        )
