"""The outbox on a real broker: what fails for good spoils nothing that follows, and a broker that is away keeps no stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Literal

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from monitor.adapters.kafka import KafkaOutbox
from monitor.embedded.kafka import KafkaPart
from monitor.errors import Misconfigured
from monitor.kafka_settings import KafkaSettings
from monitor.ports import OutRecord
from tests.integration.conftest import TopicFactory, create_topic


async def _values(bootstrap: str, topic: str) -> list[bytes | None]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    key = TopicPartition(topic, 0)
    consumer.assign([key])
    end = (await consumer.end_offsets([key]))[key]
    values: list[bytes | None] = []
    while await consumer.position(key) < end:
        values += [
            m.value for messages in (await consumer.getmany(timeout_ms=200)).values() for m in messages
        ]
    await consumer.stop()
    return values


async def test_a_record_that_the_broker_refuses_leaves_the_partition_writable(
    kafka_part: KafkaPart, topic: TopicFactory
) -> None:
    name = await topic(config={"max.message.bytes": "2000"})
    outbox = await KafkaOutbox.connect(KafkaSettings(bootstrap=kafka_part.address))
    for value in (b"first", b"second"):
        await outbox.publish(name, 0, [OutRecord(None, value)])
    with pytest.raises(Misconfigured, match="refuses a record of this size"):
        await outbox.publish(name, 0, [OutRecord(None, Random(1).randbytes(3000))])
    await asyncio.gather(*(outbox.publish(name, 0, [OutRecord(None, str(i).encode())]) for i in range(20)))
    await outbox.aclose()

    values = await _values(kafka_part.address, name)
    assert values[:2] == [b"first", b"second"]
    assert sorted(values[2:], key=lambda value: int(value or b"")) == [str(i).encode() for i in range(20)]


async def test_a_stop_ends_though_the_broker_is_away_and_something_waits_for_it(
    new_kafka: Callable[[], KafkaPart], caplog: pytest.LogCaptureFixture
) -> None:
    broker = new_kafka()
    await broker.start()
    await create_topic(broker.address, "away")
    outbox = await KafkaOutbox.connect(KafkaSettings(bootstrap=broker.address))
    await outbox.publish("away", 0, [OutRecord(None, b"before")])
    await broker.kill()
    waiting = asyncio.create_task(outbox.publish("away", 0, [OutRecord(None, b"lost to this process")]))
    await asyncio.sleep(0.1)  # so that the producer has it; the promise holds either way
    await outbox.aclose()

    assert not waiting.done() or waiting.exception() is not None
    waiting.cancel()


async def test_the_last_headers_come_oldest_first(kafka_part: KafkaPart, topic: TopicFactory) -> None:
    name = await topic(partitions=2)
    outbox = await KafkaOutbox.connect(KafkaSettings(bootstrap=kafka_part.address))
    assert await outbox.last_headers(name, 1, 10) == []
    for first in range(0, 300, 100):
        records = [OutRecord(None, b"x", (("n", str(n).encode()),)) for n in range(first, first + 100)]
        await outbox.publish(name, 1, records)
    some = await outbox.last_headers(name, 3, 50)
    every = await outbox.last_headers(name, 1, 1000)
    await outbox.aclose()

    assert [dict(headers)["n"] for headers in some] == [str(n).encode() for n in range(250, 300)]
    assert [dict(headers)["n"] for headers in every] == [str(n).encode() for n in range(300)]


@pytest.mark.parametrize("codec", ["none", "gzip", "lz4", "snappy", "zstd"])
async def test_every_codec_is_written_and_read(
    kafka_part: KafkaPart, topic: TopicFactory, codec: Literal["none", "gzip", "lz4", "snappy", "zstd"]
) -> None:
    name = await topic()
    records = [OutRecord(None, b'{"event_id":"%d","category":"violence"}' % i) for i in range(500)]
    outbox = await KafkaOutbox.connect(KafkaSettings(bootstrap=kafka_part.address, compression=codec))
    await outbox.publish(name, 0, records)
    await outbox.aclose()

    assert await _values(kafka_part.address, name) == [record.value for record in records]
    (log,) = kafka_part.folder.rglob(f"{name}-0/*.log")
    plain = sum(len(record.value or b"") for record in records)
    assert (log.stat().st_size < plain / 2) == (codec != "none")
