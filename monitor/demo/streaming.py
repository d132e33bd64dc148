"""Sends the day to Kafka at many times its own speed, in whole batches, in order within each conversation."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from monitor.demo.messages import Message
from monitor.ports import Outbox, OutRecord

TICK_S: Final = 0.05
MOST_AT_ONCE: Final = 1_000
"""What is due goes in batches of at most so many messages, so that an overdue day arrives bit by bit."""


@dataclass(slots=True)
class Sent:
    """What the broker has acknowledged. `exchanges` counts each once, `repeats` those that were sent again."""

    messages: int = 0
    exchanges: int = 0
    repeats: int = 0
    bad: int = 0
    not_chat: int = 0
    until: datetime | None = None
    """The event time reached."""

    def add(self, message: Message) -> None:
        """Count one message."""
        self.messages += 1
        self.bad += message.kind == "bad"
        self.not_chat += message.not_chat
        if message.kind == "repeat":
            self.repeats += message.exchanges
        else:
            self.exchanges += message.exchanges
        self.until = message.at


@dataclass(slots=True)
class Streamer:
    """Streams messages to one topic of `partitions` partitions, `speed` times as fast as they happened."""

    outbox: Outbox
    topic: str
    partitions: int
    speed: float
    sent: Sent
    now_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self, messages: Iterable[Message], begins_at: datetime) -> None:
        """Return when all is acknowledged. Raises what the outbox raises."""
        began_s = self.now_s()
        waiting: list[Message] = []
        for message in messages:
            due_s = (message.at - begins_at).total_seconds() / self.speed
            wait_s = due_s - (self.now_s() - began_s)
            if wait_s > TICK_S or len(waiting) >= MOST_AT_ONCE:
                await self._publish(waiting)
                waiting = []
                wait_s = due_s - (self.now_s() - began_s)
                if wait_s > 0:
                    await self.sleep(wait_s)
            waiting.append(message)
        await self._publish(waiting)

    async def _publish(self, messages: list[Message]) -> None:
        by_partition: dict[int, list[OutRecord]] = defaultdict(list)
        for place, message in enumerate(messages):
            # Without a key, messages take turns.
            key = message.key
            partition = (self.sent.messages + place if key is None else zlib.crc32(key)) % self.partitions
            by_partition[partition].append(OutRecord(key, message.value, message.headers))
        await asyncio.gather(
            *(
                self.outbox.publish(self.topic, partition, records)
                for partition, records in by_partition.items()
            )
        )
        for message in messages:
            self.sent.add(message)
