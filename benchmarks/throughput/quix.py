"""A peer: Quix Streams' StreamingDataFrame, run by an interpreter of its own (quix_environment.py).

At least once, its settings as its documentation has them: offsets are committed every 5 s after a flush that confirms
every send; the producer is idempotent, JSON is orjson's. It can't choose a partition, so the key does. `--loop` is the
same job on its lower-level consumer and producer, with the partition kept.
"""

from __future__ import annotations

import argparse
import tempfile
from typing import Any, Final

import orjson
from confluent_kafka import TopicPartition  # type: ignore[import-not-found,unused-ignore]  # not ours
from quixstreams import Application  # type: ignore[import-not-found,unused-ignore]  # not ours

from benchmarks.throughput.job import Job, verdict
from benchmarks.throughput.measured import Stopwatch

COMMIT_EVERY: Final = 10_000


class Timed(Application):  # type: ignore[misc,unused-ignore]  # of no known type
    """Starts the watch once partitions are ours."""

    watch: Stopwatch

    def _on_assign(self, consumer: Any, partitions: list[Any]) -> None:
        self.watch.start_once()
        super()._on_assign(consumer, partitions)


def _app(job: Job, folder: str) -> Timed:
    app = Timed(
        broker_address=job.bootstrap,
        consumer_group=job.group,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        state_dir=folder,
        loglevel="WARNING",
        producer_extra_config={"compression.type": job.codec},
    )
    app.watch = Stopwatch()
    return app


def moderate(job: Job, folder: str) -> None:
    """Chat logs in, one small verdict out for each."""
    app = _app(job, folder)
    source = app.topic(job.topic, value_deserializer="json")
    verdicts = app.topic(job.out, key_serializer="str", value_serializer="json")
    frame = app.dataframe(source)
    frame = frame.apply(lambda event, _key, timestamp, _headers: verdict(event, timestamp), metadata=True)
    frame.to_topic(verdicts, key=lambda made: made["event_id"])
    app.run(count=job.count, collect=False)
    app.watch.report(job.count)


def moderate_loop(job: Job, folder: str) -> None:
    """The same on the lower-level clients: poll, produce, and flush before each commit."""
    app = _app(job, folder)
    done = 0
    with app.get_producer() as producer, app.get_consumer(auto_commit_enable=False) as consumer:
        consumer.subscribe([job.topic], on_assign=lambda *_: app.watch.start_once())
        ends: dict[int, int] = {}
        while done < job.count:
            message = consumer.poll(1.0)
            if message is None:
                continue
            event = orjson.loads(message.value())
            producer.produce(
                job.out,
                orjson.dumps(verdict(event, message.timestamp()[1])),
                event["id"].encode(),
                partition=message.partition(),
            )
            ends[message.partition()] = message.offset() + 1
            done += 1
            if done % COMMIT_EVERY == 0 or done == job.count:
                producer.flush()
                offsets = [TopicPartition(job.topic, number, end) for number, end in ends.items()]
                consumer.commit(offsets=offsets, asynchronous=False)
        app.watch.report(done)


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--loop", action="store_true", help="its lower-level clients instead of its data frame"
    )
    Job.add_to(parser)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="watchkeeper-bench-") as folder:
        (moderate_loop if given.loop else moderate)(Job.of(given), folder)


if __name__ == "__main__":
    main()
