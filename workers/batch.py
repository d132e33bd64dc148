"""A batch of one partition's messages on its way through an agent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from monitor.errors import Misconfigured
from monitor.ledger import Ledger


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
    """The batch's partition was taken away: whatever isn't written yet is the next owner's."""


class Intake(Protocol):
    """What a batch needs of the intake that made it."""

    async def wait_to_retry(self, batch: Batch, trouble: Exception) -> None:
        """Log the trouble and wait out the backoff, or until the batch is abandoned."""
        ...

    def halt(self, trouble: Misconfigured) -> None:
        """Stop taking messages until a person has mended the cause."""
        ...

    def settled(self, batch: Batch) -> None:
        """The batch is durable and its `counts` are set."""
        ...


@dataclass(slots=True, eq=False)
class Batch:
    """Whole messages of one partition, in offset order. Durable or abandoned, never half.

    `previous` is the batch before it in the partition, until that one is done. `attempts` counts failed tries.
    """

    topic: str
    partition: int
    messages: Sequence[Message]
    size_bytes: int
    intake: Intake
    previous: Batch | None = None
    attempts: int = 0
    counts: Ledger | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)
    is_abandoned: bool = False

    @property
    def next_offset(self) -> int:
        """The offset to commit once this batch is durable."""
        return self.messages[-1].offset + 1

    async def turn(self) -> None:
        """Wait until all that comes before it in its partition is written; then write.

        Batches are decoded and scored side by side and written one after the other: order is kept, and the
        next is at the guard while the last is written. Raises Abandoned.
        """
        if self.previous is not None:
            await self.previous.done.wait()
            self.previous = None
        if self.is_abandoned:
            raise Abandoned

    async def settle(self, handle: Callable[[Batch], Awaitable[Ledger]]) -> None:
        """Handle it until it is durable, abandoned or halted. Never raises but CancelledError.

        Retryable trouble waits and tries again. An unexpected exception is a bug of ours: it is logged and tried
        again too, because acknowledging what failed would lose it.
        """
        while not self.is_abandoned:
            try:
                counts = await handle(self)
            except Abandoned:
                return
            except Misconfigured as exc:
                self.intake.halt(exc)
                return
            except Exception as exc:  # noqa: BLE001  # whatever it was, the batch isn't durable
                self.attempts += 1
                await self.intake.wait_to_retry(self, exc)
            else:
                if not self.is_abandoned:
                    self.counts = counts
                    self.intake.settled(self)
                return

    def abandon(self) -> None:
        """Give it up: its partition is no longer ours."""
        self.is_abandoned = True
        self.done.set()
