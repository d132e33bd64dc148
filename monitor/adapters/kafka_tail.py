"""A look at the end of a partition, outside of any consumer group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from monitor.adapters.closing import close
from monitor.adapters.kafka_options import client_options
from monitor.kafka_settings import KafkaSettings
from monitor.ports import Headers

MOST_BYTES: Final = 64 << 20
"""Read at most: a few thousand records of a usual size are a tenth of it."""
POLL_MS: Final = 500
CLOSE_S: Final = 10.0


async def last_headers(settings: KafkaSettings, topic: str, partition: int, count: int) -> Sequence[Headers]:
    """The headers of up to `count` of the last records, oldest first. Only the newest of them where they are very large.
    Raises KafkaError."""
    key = TopicPartition(topic, partition)
    consumer = AIOKafkaConsumer(
        **client_options(settings), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        await consumer.start()
        consumer.assign([key])
        begin = (await consumer.beginning_offsets([key]))[key]
        end = (await consumer.end_offsets([key]))[key]
        found: list[Headers] = []
        size = 0
        # From the end backwards, in steps, so that what is left out is the oldest.
        upper = end
        while upper > begin and len(found) < count and size < MOST_BYTES:
            lower = max(begin, upper - max(1, count // 8))
            consumer.seek(key, lower)
            step: list[Headers] = []
            while await consumer.position(key) < upper:
                for message in (await consumer.getmany(key, timeout_ms=POLL_MS)).get(key, ()):
                    if message.offset < upper:
                        step.append(message.headers)
                        size += len(message.value or b"")
            found = step + found
            upper = lower
        return found[-count:]
    finally:
        await close(consumer.stop(), CLOSE_S)
