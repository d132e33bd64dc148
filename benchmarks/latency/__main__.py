"""From produce to row: p50 and p99 at half of the measured throughput, on the embedded stack.

`python -m benchmarks.latency` starts the whole stack (real broker, Triton with guard_lite, engine, workers), finds out
how many events a second it stores when it has a backlog, then produces at half of that rate and notes for each
event when a reader first sees its row. The bound is a ratio: p99 against the flush intervals that the settings ask
for (moderation.flush_after_s + storage.flush_after_s), because a row can't be there sooner than its batches close.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from aiokafka import AIOKafkaProducer
from rich.console import Console
from rich.table import Table

from benchmarks.throughput.events import chat_logs
from monitor.embedded.stack import Stack
from monitor.settings import Settings, load

POLL_S = 0.02
NOTHING_SEEN = -1


class Reader:
    """Sees rows as any reader would: by asking the store, every POLL_S."""

    def __init__(self, url: str, database: str) -> None:
        self._url = f"{url}/?database={database}&default_format=JSONCompactEachRow"
        self._seen: dict[int, int] = {}
        self.seen_at: dict[str, float] = {}

    def _ask(self) -> list[list[Any]]:
        newer = " OR ".join(
            f"(source_partition = {partition} AND source_offset > {offset})"
            for partition, offset in self._seen.items()
        )
        known = ", ".join(str(partition) for partition in self._seen)
        other = f"source_partition NOT IN ({known})" if known else "1"
        query = (
            "SELECT source_partition, source_offset, event_id FROM arrivals "
            f"WHERE {newer + ' OR ' if newer else ''}{other} ORDER BY 1, 2"
        )
        body = urlopen(Request(self._url, query.encode())).read()  # a loopback address of our own
        return [json.loads(line) for line in body.splitlines()]

    async def look(self) -> None:
        """Note what is new."""
        rows = await asyncio.to_thread(self._ask)
        now_s = time.monotonic()
        for partition, offset, event_id in rows:
            self._seen[partition] = max(offset, self._seen.get(partition, NOTHING_SEEN))
            self.seen_at.setdefault(event_id, now_s)

    async def until(self, count: int, within_s: float) -> None:
        """Look until `count` events have been seen."""
        deadline = time.monotonic() + within_s
        while len(self.seen_at) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.seen_at)} of {count} rows after {within_s:.0f} s")
            await self.look()
            await asyncio.sleep(POLL_S)


def _renamed(value: bytes, run: str) -> tuple[str, bytes]:
    event = json.loads(value)
    event["id"] = f"{run}-{event['id']}"
    return event["id"], json.dumps(event).encode()


async def measure(settings: Settings, backlog: int, for_s: float, folder: Path) -> dict[str, float]:
    """The figures of one run."""
    topic = settings.kafka.chat_logs_topic
    async with Stack(folder, settings) as stack:
        producer = AIOKafkaProducer(bootstrap_servers=stack.addresses.kafka, linger_ms=1, acks="all")
        await producer.start()
        reader = Reader(stack.addresses.clickhouse, settings.clickhouse.database)
        run = secrets.token_hex(3)

        if stack.workers is None:
            raise RuntimeError("the stack runs no workers")
        await stack.workers.stop()
        sends = [await producer.send(topic, _renamed(value, run)[1]) for value in chat_logs(backlog)]
        await asyncio.gather(*sends)
        await stack.workers.start()
        await reader.until(1, within_s=60)
        first_s, at_first = time.monotonic(), len(reader.seen_at)
        await reader.until(backlog, within_s=300)
        # From the first rows that a reader saw to the last: start-up and the first flush are not throughput.
        throughput = (backlog - at_first) / (time.monotonic() - first_s)

        rate = throughput / 2
        count = int(rate * for_s)
        produced_at: dict[str, float] = {}
        run = secrets.token_hex(3)
        looking = asyncio.ensure_future(reader.until(backlog + count, within_s=for_s + 120))
        start_s = time.monotonic()
        for number, value in enumerate(chat_logs(count, seed=8)):
            wait_s = start_s + number / rate - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            event_id, renamed = _renamed(value, run)
            produced_at[event_id] = time.monotonic()
            await producer.send(topic, renamed)
        await looking
        await producer.stop()
    waits = sorted(reader.seen_at[event_id] - produced for event_id, produced in produced_at.items())
    quantiles = statistics.quantiles(waits, n=100)
    return {
        "throughput": throughput,
        "rate": rate,
        "events": count,
        "p50_s": quantiles[49],
        "p99_s": quantiles[98],
        "max_s": waits[-1],
        "flush_s": settings.moderation.flush_after_s + settings.storage.flush_after_s,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--backlog", type=int, default=20_000, help="events that the throughput is measured with"
    )
    parser.add_argument("--for-s", type=float, default=30.0, help="seconds at half of the throughput")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="watchkeeper-bench-") as folder:
        figures = asyncio.run(measure(load({}), arguments.backlog, arguments.for_s, Path(folder)))
    table = Table(title="From produce to row, guard_lite on Triton, all parts on this machine")
    for column in (
        "throughput, events/s",
        "produced at",
        "events",
        "p50",
        "p99",
        "max",
        "p99 / flush intervals",
    ):
        table.add_column(column, justify="right")
    table.add_row(
        f"{figures['throughput']:,.0f}",
        f"{figures['rate']:,.0f}/s",
        f"{figures['events']:,.0f}",
        f"{figures['p50_s']:.2f} s",
        f"{figures['p99_s']:.2f} s",
        f"{figures['max_s']:.2f} s",
        f"{figures['p99_s'] / figures['flush_s']:.1f}",
    )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
