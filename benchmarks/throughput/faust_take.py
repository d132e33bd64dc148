"""A peer: Faust's own safe form, `stream.noack().noack_take()`, acknowledged by hand once the results are confirmed.

Its other forms acknowledge what isn't durable (docs/adr/0001). Sends are awaited before the acks; acks=all is Faust's
default, an idempotent producer it offers only with transactions. orjson, topics of raw bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import AsyncIterable
from typing import Any, Final

import faust
import orjson

from benchmarks.throughput.job import Job, verdict
from benchmarks.throughput.measured import Stopwatch

TAKE: Final = 500
WITHIN_S: Final = 0.2


async def moderate(job: Job, folder: str) -> None:
    """Chat logs in, one small verdict out for each."""
    app = faust.App(
        job.group,
        broker=f"kafka://{job.bootstrap}",
        store="memory://",
        datadir=folder,
        web_enabled=False,
        autodiscover=False,
        topic_disable_leader=True,
        producer_compression_type=None if job.codec == "none" else job.codec,
        consumer_auto_offset_reset="earliest",
    )
    raw: dict[str, Any] = {
        "key_type": bytes,
        "value_type": bytes,
        "key_serializer": "raw",
        "value_serializer": "raw",
    }
    source, verdicts = app.topic(job.topic, **raw), app.topic(job.out, **raw)
    watch, finished = Stopwatch(), asyncio.Event()

    async def agent(stream: Any) -> None:
        done = 0
        events: AsyncIterable[Any] = stream.noack().noack_take(TAKE, within=WITHIN_S)
        async for batch in events:
            sends = []
            for taken in batch:
                event = orjson.loads(taken.value)
                sends.append(
                    await verdicts.send(
                        key=event["id"].encode(),
                        value=orjson.dumps(verdict(event, taken.message.timestamp)),
                        partition=taken.message.partition,
                    )
                )
            await asyncio.gather(*sends)
            for taken in batch:
                await stream.ack(taken)
            done += len(batch)
            if done >= job.count:
                await app.consumer.commit()
                finished.set()

    app.agent(source)(agent)

    @app.on_partitions_assigned.connect(weak=False)
    async def start(_app: faust.App, assigned: set[Any], **_: Any) -> None:
        if assigned:
            watch.start_once()

    await app.start()
    await finished.wait()
    watch.report(job.count)
    await app.stop()


def main() -> None:
    """Run the agent."""
    parser = argparse.ArgumentParser(description=__doc__)
    Job.add_to(parser)
    with tempfile.TemporaryDirectory(prefix="watchkeeper-bench-") as folder:
        asyncio.run(moderate(Job.of(parser.parse_args()), folder))


if __name__ == "__main__":
    main()
