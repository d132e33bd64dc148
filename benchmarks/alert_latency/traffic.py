"""Chat logs of many tenants at a steady rate, of whom one after the other begins to be refused much more often."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer

from monitor.demo.texts import Entry, is_benign, load_corpus

TURN_S = 0.1
BEFORE, AFTER = 0.05, 0.7
PARTITIONS = 4


@dataclass(frozen=True)
class Plan:
    """`tenants`, `per_s` chat logs of all of them together; the first begins to shift after `warm_s`, another every `every_s`,
    and the last has `rest_s`."""

    tenants: int = 24
    per_s: int = 200
    warm_s: float = 75.0
    every_s: float = 4.0
    rest_s: float = 30.0

    @property
    def seconds(self) -> float:
        """Of all."""
        return self.warm_s + self.tenants * self.every_s + self.rest_s

    def shifts_at_s(self, tenant: int) -> float:
        """When it begins."""
        return self.warm_s + tenant * self.every_s


def name(tenant: int) -> str:
    """Of a tenant."""
    return f"tenant-{tenant:02d}"


def chat_log(number: int, tenant: int, entry: Entry, *, is_refused: bool) -> bytes:
    """An OpenAI record with texts of the demo's corpus. guard_lite remembers its answers on the last 20,000 texts, so that its
    encoder isn't what is measured."""
    answers = entry.answers.refuse if is_refused else entry.answers.comply
    message = {"role": "assistant", "content": answers[number % len(answers)]}
    return json.dumps(
        {
            "id": f"event-{number}",
            "created": 1_741_000_000,
            "model": "gpt-4o-mini",
            "request": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": entry.prompt}]},
            "response": {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]},
            "metadata": {"tenant": name(tenant)},
        }
    ).encode()


async def produce(bootstrap: str, topic: str, plan: Plan, seed: int) -> None:
    """All of it, in its own time."""
    chance = random.Random(seed)
    entries = [one for one in load_corpus() if is_benign(one) and one.answers.refuse and one.answers.comply]
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5)
    await producer.start()
    loop = asyncio.get_running_loop()
    began_s, number = loop.time(), 0
    while (at_s := loop.time() - began_s) < plan.seconds:
        for _ in range(int(at_s * plan.per_s) - number):
            tenant = chance.randrange(plan.tenants)
            share = AFTER if at_s >= plan.shifts_at_s(tenant) else BEFORE
            value = chat_log(number, tenant, chance.choice(entries), is_refused=chance.random() < share)
            await producer.send(topic, value, partition=number % PARTITIONS)
            number += 1
        await asyncio.sleep(TURN_S)
    await producer.stop()
