"""Sends the input while the faults run: past all proxies, never faster than the faults need, never to its end before."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from benchmarks.chaos.packing import Message

TICK_S: Final = 0.25
UNEVEN: Final = (0.1, 1.1)
"""Bursts are between so many times the mean: traffic is never even."""
RUSH_SHARE: Final = 0.04
RUSH: Final = 12.0
"""Some are so many times the mean: then whole batches are under way when a fault comes."""
MOST_AT_ONCE: Final = 2_000
PATIENCE_MS: Final = 120_000


@dataclass(slots=True)
class Producer:
    """Idempotent, all acknowledged. What it could not have acknowledged it sends again with a new producer, so that a
    message may be in the topic twice: the topic itself says what was produced."""

    bootstrap: str
    topic: str
    messages: int
    rate: Callable[[int], float]
    """Messages a second, from how many are still to be sent; asked again and again."""
    dice: random.Random
    sent: int = 0
    sent_again: int = 0
    _producer: AIOKafkaProducer | None = None

    async def run(self, messages: Iterable[Message]) -> None:
        """Return when all is acknowledged."""
        waiting: list[Message] = []
        burst = self._burst()
        for message in messages:
            waiting.append(message)
            if len(waiting) >= burst:
                await self._send(waiting)
                await asyncio.sleep(TICK_S)
                waiting, burst = [], self._burst()
        await self._send(waiting)

    def _burst(self) -> int:
        mean = self.rate(self.messages - self.sent) * TICK_S
        times = RUSH if self.dice.random() < RUSH_SHARE else self.dice.uniform(*UNEVEN)
        return max(1, min(MOST_AT_ONCE, round(mean * times)))

    async def _send(self, messages: list[Message]) -> None:
        left = messages
        while left:
            producer = await self._connected()
            try:
                futures = [await producer.send(self.topic, **_record(message)) for message in left]
                outcomes = await asyncio.gather(*futures, return_exceptions=True)
            except KafkaError:
                outcomes = [KafkaError()] * len(left)
            left = [
                m for m, outcome in zip(left, outcomes, strict=True) if isinstance(outcome, BaseException)
            ]
            if left:
                self.sent_again += len(left)
                await self.aclose()
        self.sent += len(messages)

    async def _connected(self) -> AIOKafkaProducer:
        while self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self.bootstrap,
                enable_idempotence=True,
                request_timeout_ms=PATIENCE_MS,
                max_request_size=4_000_000,
            )
            try:
                await producer.start()
                self._producer = producer
            except KafkaError:
                await producer.stop()
                await asyncio.sleep(TICK_S)
        return self._producer

    async def aclose(self) -> None:
        """Let go of the broker."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.stop()


def _record(message: Message) -> dict[str, Any]:
    return {
        "value": message.value,
        "key": message.key,
        "partition": message.partition,
        "headers": list(message.headers),
    }
