"""What a batch needs around it, without a broker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from monitor.errors import Misconfigured
from workers.batch import Batch


@dataclass(frozen=True)
class FakeMessage:
    """A record as a consumer reads it; stamped by the broker unless said otherwise."""

    offset: int
    value: bytes | None
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp: int = 1_741_000_000_000
    timestamp_type: int = 1


@dataclass
class FakeIntake:
    """Implements workers.batch.Intake and remembers what it was told. Waits for nothing."""

    waits: list[str] = field(default_factory=list)
    halted: list[str] = field(default_factory=list)
    order: list[Batch] = field(default_factory=list)

    async def in_trouble(self, batch: Batch, trouble: Exception) -> None:
        """Remember the cause of a halt, which abandons, or the trouble's class."""
        if isinstance(trouble, Misconfigured):
            self.halted.append(str(trouble))
            batch.abandon()
        else:
            self.waits.append(type(trouble).__name__)

    def settled(self, batch: Batch) -> None:
        """Remember the order, and let the next one write."""
        self.order.append(batch)
        batch.done.set()

    def batch(
        self, values: Sequence[bytes | None], *, first_offset: int = 0, previous: Batch | None = None
    ) -> Batch:
        """A batch of chat.logs/0."""
        messages = [FakeMessage(first_offset + i, value) for i, value in enumerate(values)]
        return Batch(
            topic="chat.logs",
            partition=0,
            messages=messages,
            size_bytes=sum(len(value or b"") for value in values),
            intake=self,
            previous=previous,
        )
