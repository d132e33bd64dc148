"""Topics of a run on the real broker: made, filled with the events, and counted afterwards."""

from __future__ import annotations

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.throughput.events import chat_logs


async def create(bootstrap: str, name: str, partitions: int) -> None:
    """Make a topic that stamps what arrives, as `chat.logs` does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics(
            [NewTopic(name, partitions, 1, topic_configs={"message.timestamp.type": "LogAppendTime"})]
        )
    finally:
        await admin.close()


async def fill(bootstrap: str, topic: str, count: int, partitions: int) -> None:
    """Write `count` chat logs in batches of about 1 MB, one partition after the other."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=1_000_000)
    await producer.start()
    try:
        batch, number = producer.create_batch(), 0
        for value in chat_logs(count):
            if batch.append(key=None, value=value, timestamp=None) is None:
                await (await producer.send_batch(batch, topic, partition=number % partitions))
                number += 1
                batch = producer.create_batch()
                batch.append(key=None, value=value, timestamp=None)
        await (await producer.send_batch(batch, topic, partition=number % partitions))
    finally:
        await producer.stop()
