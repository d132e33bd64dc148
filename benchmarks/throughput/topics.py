"""Topics of a run on the real broker: made, filled with the events, and counted afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.throughput.events import chat_logs


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def _reader(bootstrap: str, topic: str) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
    """A consumer of no group, and the partitions of the topic."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        yield consumer, [TopicPartition(topic, n) for n in sorted(consumer.partitions_for_topic(topic) or ())]
    finally:
        await consumer.stop()


async def create(bootstrap: str, name: str, partitions: int) -> None:
    """Make a topic that stamps what arrives, as `chat.logs` does."""
    async with _admin(bootstrap) as admin:
        await admin.create_topics(
            [NewTopic(name, partitions, 1, topic_configs={"message.timestamp.type": "LogAppendTime"})]
        )


async def fill(bootstrap: str, topic: str, count: int, partitions: int, codec: str = "none") -> None:
    """Write `count` chat logs in batches of about 1 MB, one partition after the other."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        max_batch_size=1_000_000,
        compression_type=None if codec == "none" else codec,
    )
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


async def ends(bootstrap: str, topic: str) -> dict[int, int]:
    """End offset of each partition: without transactions and expiry, the records that were written to it."""
    async with _reader(bootstrap, topic) as (consumer, partitions):
        offsets: Mapping[TopicPartition, int] = await consumer.end_offsets(partitions)
        return {partition.partition: offset for partition, offset in offsets.items()}


async def commits(bootstrap: str, group: str, topic: str) -> dict[int, Any]:
    """What the group has committed for each partition of the topic: offset and metadata."""
    async with _admin(bootstrap) as admin:
        committed: Mapping[TopicPartition, Any] = await admin.list_consumer_group_offsets(group)
        return {key.partition: value for key, value in committed.items() if key.topic == topic}


async def keys(bootstrap: str, topic: str) -> list[bytes]:
    """The key of every record, partition by partition, by reading them all."""
    found: dict[TopicPartition, list[bytes]] = {}
    async with _reader(bootstrap, topic) as (consumer, partitions):
        missing = sum((await consumer.end_offsets(partitions)).values())
        while missing:
            for partition, messages in (await consumer.getmany(timeout_ms=1000, max_records=5000)).items():
                found.setdefault(partition, []).extend(message.key for message in messages)
                missing -= len(messages)
    return [key for partition in sorted(found) for key in found[partition]]
