"""Two peers: the loop that a good engineer writes by hand with aiokafka in an hour, and the one of a second hour.

`plain`: getmany, json, one send an event, gather, commit. `batches`: the same loop with orjson and whole batches,
sent to the partition their input came from. Both do the same durable work as the agent they are held against and
less beside: no recognition of formats, no redaction, no hash, no dead letters, no ledger.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition

from benchmarks.throughput.job import Job, verdict
from benchmarks.throughput.measured import Stopwatch

MAX_BATCH_BYTES: Final = 1_048_576
FETCH_EVENTS: Final = 500
INSERT_ROWS: Final = 5000


class _Start(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka isn't typed
    """Starts the watch once partitions are ours."""

    def __init__(self, watch: Stopwatch) -> None:
        self._watch = watch

    async def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:
        """Nothing is held back here."""

    async def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        if assigned:
            self._watch.start_once()


def _consumer(job: Job, watch: Stopwatch) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=job.bootstrap,
        group_id=job.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    consumer.subscribe([job.topic], listener=_Start(watch))
    return consumer


def _compression(job: Job) -> str | None:
    return None if job.codec == "none" else job.codec


async def moderate_plain(job: Job) -> None:
    """Chat logs in, one small verdict out for each."""
    watch, done = Stopwatch(), 0
    consumer = _consumer(job, watch)
    producer = AIOKafkaProducer(
        bootstrap_servers=job.bootstrap, enable_idempotence=True, compression_type=_compression(job)
    )
    await producer.start()
    await consumer.start()
    while done < job.count:
        fetched = await consumer.getmany(timeout_ms=200, max_records=FETCH_EVENTS)
        sends = []
        for partition, messages in fetched.items():
            for message in messages:
                event = json.loads(message.value)
                sends.append(
                    await producer.send(
                        job.out,
                        json.dumps(verdict(event, message.timestamp)).encode(),
                        key=event["id"].encode(),
                        partition=partition.partition,
                    )
                )
            done += len(messages)
        if sends:
            await asyncio.gather(*sends)
            await consumer.commit()
    watch.report(done)
    await consumer.stop()
    await producer.stop()


async def moderate_batches(job: Job) -> None:
    """The same with orjson, and one batch a partition instead of one send an event."""
    watch, done = Stopwatch(), 0
    consumer = _consumer(job, watch)
    producer = AIOKafkaProducer(
        bootstrap_servers=job.bootstrap,
        enable_idempotence=True,
        compression_type=_compression(job),
        max_batch_size=MAX_BATCH_BYTES,
        max_request_size=2 * MAX_BATCH_BYTES,
    )
    await producer.start()
    await consumer.start()
    while done < job.count:
        fetched = await consumer.getmany(timeout_ms=200, max_records=FETCH_EVENTS)
        sends = []
        for partition, messages in fetched.items():
            batch = producer.create_batch()
            for message in messages:
                event = orjson.loads(message.value)
                key, value = event["id"].encode(), orjson.dumps(verdict(event, message.timestamp))
                if batch.append(key=key, value=value, timestamp=None) is None:
                    sends.append(await producer.send_batch(batch, job.out, partition=partition.partition))
                    batch = producer.create_batch()
                    batch.append(key=key, value=value, timestamp=None)
            sends.append(await producer.send_batch(batch, job.out, partition=partition.partition))
            done += len(messages)
        if sends:
            await asyncio.gather(*sends)
            await consumer.commit()
    watch.report(done)
    await consumer.stop()
    await producer.stop()


async def store(job: Job, loads: Callable[[bytes], Any]) -> None:
    """Verdicts in, rows out by the client's own insert."""
    import clickhouse_connect

    host, port = job.out.removeprefix("http://").split(":")
    client = await clickhouse_connect.get_async_client(host=host, port=int(port), database="watchkeeper")
    # The client imports numpy, and pandas where it is there, with its first insert: before the watch starts.
    await client.command("CREATE TABLE IF NOT EXISTS warm (x UInt8) ENGINE = Memory")
    await client.insert("warm", [[1]], column_names=["x"])
    columns: list[str] | None = None
    watch, done = Stopwatch(), 0
    consumer = _consumer(job, watch)
    await consumer.start()
    while done < job.count:
        fetched = await consumer.getmany(timeout_ms=200, max_records=INSERT_ROWS)
        rows: list[list[Any]] = []
        for messages in fetched.values():
            for message in messages:
                row = loads(message.value)
                row["occurred_at"] = datetime.fromisoformat(row["occurred_at"]).astimezone(UTC)
                row["arrived_at"] = datetime.fromisoformat(row["arrived_at"]).astimezone(UTC)
                row["refusal_token"] = json.dumps(row["refusal_token"]) if row["refusal_token"] else ""
                columns = columns or list(row)
                rows.append([row[name] for name in columns])
            done += len(messages)
        if rows:
            await client.insert("verdict_rows", rows, column_names=columns or [])
            await consumer.commit()
    watch.report(done)
    await consumer.stop()
    await client.close()


def main() -> None:
    """Run one of the loops."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=("plain", "batches"))
    parser.add_argument("job", choices=("moderate", "store"))
    Job.add_to(parser)
    given = parser.parse_args()
    job, is_plain = Job.of(given), given.peer == "plain"
    if given.job == "store":
        asyncio.run(store(job, json.loads if is_plain else orjson.loads))
    else:
        asyncio.run(moderate_plain(job) if is_plain else moderate_batches(job))


if __name__ == "__main__":
    main()
