"""The partitions that are ours: what is under way in all of them, and how they are drained and dropped. No I/O."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from contextlib import suppress
from typing import Final

import structlog
from aiokafka import TopicPartition

from workers.batch import Batch
from workers.partition import Partition
from workers.tally import Tally

log = structlog.get_logger("watchkeeper.intake")

POLL_MS: Final = 200


class Assignment(dict[TopicPartition, Partition]):
    """By topic and partition. `tally` hears of every batch that ends."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally
        self._changed = asyncio.Event()

    @property
    def in_flight(self) -> int:
        """Batches that have left the consumer and aren't durable yet."""
        return sum(len(partition.outstanding) for partition in self.values())

    @property
    def lag(self) -> int:
        """Messages known to be in the logs and not durable yet."""
        return sum(partition.lag for partition in self.values())

    @property
    def waits_for_the_consumer(self) -> bool:
        """Whether there is something to read and nothing else to do: neither in flight nor buffered."""
        active = [partition for partition in self.values() if partition.aside_until_s is None]
        return (
            not self.in_flight
            and not any(partition.buffered for partition in active)
            and any(partition.end > partition.next_offset for partition in active)
        )

    def poll_ms(self, flush_after_s: float) -> int:
        """How long a read may wait: until the oldest buffer is due, or POLL_MS with nothing buffered."""
        waiting = [partition.buffered_since_s for partition in self.values() if partition.buffered]
        if not waiting:
            return POLL_MS
        return max(0, int(1000 * (min(waiting) + flush_after_s - time.monotonic())))

    @property
    def asides(self) -> set[TopicPartition]:
        """Those that are set aside."""
        return {key for key, partition in self.items() if partition.aside_until_s is not None}

    def settled(self, batch: Batch) -> None:
        """Move the durable prefix of its partition over every batch that is done."""
        batch.done.set()
        partition = self.get(TopicPartition(batch.topic, batch.partition))
        if partition is not None:
            partition.advance(time.monotonic())
        self._tally.settled(batch)
        self._changed.set()

    def drop(self, partition: Partition) -> None:
        """Abandon all of it that isn't durable."""
        for batch in partition.give_back():
            self._tally.dropped(batch)
            batch.abandon()
        self._changed.set()

    def leave(self, keys: Collection[TopicPartition]) -> None:
        """These are ours no more."""
        for key in keys:
            if key in self:
                self.drop(self.pop(key))

    async def drained(self, keys: Collection[TopicPartition], longest_s: float) -> None:
        """Begin nothing more of these; return when their batches are done, or after as long as a drain may take."""
        leaving = [self[key] for key in keys if key in self]
        for partition in leaving:
            partition.is_leaving = True
        deadline_s = time.monotonic() + longest_s
        while any(partition.outstanding for partition in leaving):
            if time.monotonic() >= deadline_s:
                log.warning("drain ran out of time; the next owner repeats these batches", after_s=longest_s)
                return
            await self.changed(deadline_s - time.monotonic())

    async def changed(self, longest_s: float) -> None:
        """Return when a batch has ended, or after this long."""
        self._changed.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), longest_s)
