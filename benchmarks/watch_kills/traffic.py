"""Chat logs whose refusals shift and go back, as they come: seeded, at a steady rate."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiokafka import AIOKafkaProducer

PER_S = 60
TURN_S = 0.5
CALM_S, SHIFTED_S = 30, 20
CALM, SHIFTED = 0.05, 0.6


def chat_log(number: int, *, is_refused: bool) -> bytes:
    """An OpenAI record. A guard that looks for "sorry" (tests/fakes/guard_server.py) sees the refusal."""
    content = "I am sorry, I can't." if is_refused else "With light."
    message = {"role": "assistant", "content": content}
    return json.dumps(
        {
            "id": f"e{number}",
            "created": 1_741_000_000,
            "model": "gpt-4o",
            "request": {"model": "gpt-4o", "messages": [{"role": "user", "content": "How do plants grow?"}]},
            "response": {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]},
        }
    ).encode()


@asynccontextmanager
async def traffic(bootstrap: str, topic: str, seed: int) -> AsyncIterator[None]:
    """PER_S chat logs a second until the end of the block: CALM_S of few refusals, SHIFTED_S of many, and again."""
    chance = random.Random(seed)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()

    async def flow() -> None:
        loop = asyncio.get_running_loop()
        began_s, number = loop.time(), 0
        while True:
            at_s = loop.time() - began_s
            rate = CALM if at_s % (CALM_S + SHIFTED_S) < CALM_S else SHIFTED
            for _ in range(int(at_s * PER_S) - number):
                value = chat_log(number, is_refused=chance.random() < rate)
                await producer.send(topic, value, partition=number % 4)
                number += 1
            await asyncio.sleep(TURN_S)

    flowing = asyncio.ensure_future(flow())
    try:
        yield
    finally:
        flowing.cancel()
        with suppress(asyncio.CancelledError):
            await flowing
        await producer.stop()
