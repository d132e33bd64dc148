"""Backfill on a real broker: it is judged when nothing live waits, and what comes live overtakes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer

from monitor.adapters.kafka import KafkaOutbox, ensure_topics
from monitor.embedded.kafka import KafkaPart
from monitor.ports import GuardIdentity, Score
from monitor.settings import Settings, load
from tests.fakes.guard import by_keyword
from tests.fakes.store import FakeStore
from tests.integration.conftest import TopicFactory
from tests.integration.test_workers import chat_log
from tests.waiting import until
from workers.app import App, build_app
from workers.gate import LiveFirst, Queue
from workers.roles import backfill_role, moderation_role, storage_role

WAITING = 5_000
LIVE = 2_000
PARTITIONS = 2


@dataclass
class SlowGuard:
    """Implements ports.Guard. One call after another, each exchange half a millisecond, as a full GPU would."""

    identity: GuardIdentity = field(default_factory=lambda: GuardIdentity("slow", "1", "0" * 16))
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def score(self, prompts: Sequence[str], responses: Sequence[str | None]) -> Sequence[Score]:
        """In turn."""
        async with self.turn:
            await asyncio.sleep(0.0005 * len(prompts))
        return [by_keyword(prompt, response) for prompt, response in zip(prompts, responses, strict=True)]


@asynccontextmanager
async def workers(settings: Settings, store: FakeStore) -> AsyncIterator[App]:
    """All three roles in this process, put together as `python -m workers` does."""
    await ensure_topics(settings.kafka)
    outbox = await KafkaOutbox.connect(settings.kafka)
    guard = SlowGuard()
    gate = LiveFirst(settings.backfill.max_per_s, settings.backfill.live_wait_max_s)
    app = build_app(
        settings,
        [
            moderation_role(settings, outbox, guard),
            backfill_role(settings, outbox, guard, gate=gate),
            storage_role(settings, outbox, store),
        ],
    )
    gate.give_way_to = [Queue(intake) for intake in app.intakes if intake.role != "backfill"]
    await app.start()
    try:
        yield app
    finally:
        await app.stop()
        await outbox.aclose()


async def produce(settings: Settings, topic: str, values: Sequence[bytes]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap)
    await producer.start()
    sent = [await producer.send(topic, value, partition=n % PARTITIONS) for n, value in enumerate(values)]
    await asyncio.gather(*sent)
    await producer.stop()


async def test_live_messages_overtake_the_backfill_that_waits(
    kafka_part: KafkaPart, topic: TopicFactory
) -> None:
    chat_logs = await topic("chat.logs", partitions=PARTITIONS)
    settings = load(
        {
            "WATCHKEEPER_KAFKA__BOOTSTRAP": kafka_part.address,
            "WATCHKEEPER_KAFKA__GROUP_PREFIX": chat_logs,
            "WATCHKEEPER_KAFKA__CHAT_LOGS_TOPIC": chat_logs,
            "WATCHKEEPER_KAFKA__CHAT_LOGS_BACKFILL_TOPIC": f"{chat_logs}.backfill",
            "WATCHKEEPER_KAFKA__CHAT_LOGS_DLQ_TOPIC": f"{chat_logs}.dlq",
            "WATCHKEEPER_KAFKA__VERDICTS_TOPIC": f"{chat_logs}.verdicts",
            "WATCHKEEPER_KAFKA__VERDICTS_DLQ_TOPIC": f"{chat_logs}.verdicts.dlq",
            "WATCHKEEPER_BACKFILL__MAX_PER_S": "0",
            "WATCHKEEPER_BACKFILL__LIVE_WAIT_MAX_S": "0.2",
        }
    )
    store = FakeStore()
    await ensure_topics(settings.kafka)
    await produce(settings, f"{chat_logs}.backfill", [chat_log(f"old-{n}") for n in range(WAITING)])
    async with workers(settings, store):
        await until(lambda: len(store.kept) > 200, "backfill while nothing is live")
        await produce(settings, chat_logs, [chat_log(f"live-{n}") for n in range(LIVE)])
        await until(lambda: len(store.kept) == WAITING + LIVE, "all rows", within_s=90)

    stored = [event_id.startswith("live") for event_id in store.kept]
    first, last = stored.index(True), len(stored) - stored[::-1].index(True)
    old_before, old_between, old_after = (
        part.count(False) for part in (stored[:first], stored[first:last], stored[last:])
    )
    assert stored.count(True) == LIVE
    assert old_before + old_between + old_after == WAITING
    # In one topic all that waited would stand before the first live one.
    assert old_between < LIVE / 4
    assert old_after > WAITING / 4
