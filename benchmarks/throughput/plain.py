"""The peer: the loop that a good engineer writes by hand with aiokafka in an hour.

getmany, json, one send an event, gather, commit. It does the same durable work as the agent it is held against and
less beside: no recognition of formats, no redaction, no hash, no dead letters, no ledger.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.throughput.measured import Stopwatch


async def moderate(bootstrap: str, topic: str, out: str, group: str, count: int) -> None:
    """Chat logs in, one small verdict out for each."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True)
    await consumer.start()
    await producer.start()
    watch, done = Stopwatch(), 0
    while done < count:
        fetched = await consumer.getmany(timeout_ms=200, max_records=500)
        sends = []
        for partition, messages in fetched.items():
            watch.start_once()
            for message in messages:
                event = json.loads(message.value)
                verdict = {
                    "event_id": event["id"],
                    "tenant": event["metadata"]["tenant"],
                    "model": event["model"],
                    "occurred_at": event["created"],
                    "arrived_at": message.timestamp,
                    "prompt_harm": 0.1,
                    "refusal": 0.1,
                    "response_harm": 0.1,
                    "category": "benign",
                    "prompt": event["request"]["messages"][-1]["content"][:160],
                    "response": event["response"]["choices"][0]["message"]["content"][:160],
                }
                sends.append(
                    await producer.send(
                        out,
                        json.dumps(verdict).encode(),
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


async def store(bootstrap: str, topic: str, clickhouse: str, group: str, count: int) -> None:
    """Verdicts in, rows out by the client's own insert."""
    import clickhouse_connect

    host, port = clickhouse.removeprefix("http://").split(":")
    client = await clickhouse_connect.get_async_client(host=host, port=int(port), database="watchkeeper")
    columns: list[str] | None = None
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    watch, done = Stopwatch(), 0
    while done < count:
        fetched = await consumer.getmany(timeout_ms=200, max_records=5000)
        rows: list[list[Any]] = []
        for messages in fetched.values():
            watch.start_once()
            for message in messages:
                verdict = json.loads(message.value)
                verdict["occurred_at"] = datetime.fromisoformat(verdict["occurred_at"]).astimezone(UTC)
                verdict["arrived_at"] = datetime.fromisoformat(verdict["arrived_at"]).astimezone(UTC)
                verdict["refusal_token"] = (
                    json.dumps(verdict["refusal_token"]) if verdict["refusal_token"] else ""
                )
                columns = columns or list(verdict)
                rows.append([verdict[name] for name in columns])
            done += len(messages)
        if rows:
            await client.insert("verdict_rows", rows, column_names=columns or [])
            await consumer.commit()
    watch.report(done)
    await consumer.stop()
    await client.close()


def main() -> None:
    """Run one of the two loops."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=("moderate", "store"))
    parser.add_argument("bootstrap")
    parser.add_argument("topic")
    parser.add_argument("out")
    parser.add_argument("group")
    parser.add_argument("count", type=int)
    a = parser.parse_args()
    asyncio.run((moderate if a.job == "moderate" else store)(a.bootstrap, a.topic, a.out, a.group, a.count))


if __name__ == "__main__":
    main()
