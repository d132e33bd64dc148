"""What backfill costs live traffic: from produce to row, alone and beside a backlog of old chat logs.

`python -m benchmarks.backfill` runs the embedded stack once for each way in which the old logs can come, lets live messages
come at a steady rate while the old ones are judged, and prints each way's p50 and p99 against those of live traffic alone.
All old logs are in Kafka before the first live message; "judged meanwhile" says how many of them were done while it came.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

from aiokafka import AIOKafkaProducer
from rich.console import Console
from rich.table import Table

from benchmarks.throughput.events import chat_logs
from monitor.embedded.stack import Stack
from monitor.settings import Settings, load

POLL_S: Final = 0.02
SETTLED_WITHIN_S: Final = 120.0


@dataclass(frozen=True)
class Way:
    """How the old logs come. `topic`: the settings' field that names where they are sent; none: there are none."""

    name: str
    topic: str = ""
    max_per_s: str = ""

    def settings(self) -> Settings:
        """The default ones, but for the rate limit."""
        return load({"WATCHKEEPER_BACKFILL__MAX_PER_S": self.max_per_s})


WAYS: Final = (
    Way("live traffic alone"),
    Way("beside backfill", "chat_logs_backfill_topic"),
    Way("beside backfill without a rate limit", "chat_logs_backfill_topic", "0"),
    Way("behind the same logs in its own topic", "chat_logs_topic"),
)


@dataclass(frozen=True)
class Figures:
    """What one way cost."""

    p50_s: float
    p99_s: float
    judged: int


class Reader:
    """Sees rows as any reader would: by asking the store, every POLL_S."""

    def __init__(self, url: str, database: str, topic: str) -> None:
        self._url = f"{url}/?database={database}&default_format=JSONCompactEachRow"
        self._topic = topic
        self._seen: dict[int, int] = {}
        self.seen_at: dict[str, float] = {}

    def _ask(self, query: str) -> list[list[Any]]:
        body = urlopen(Request(self._url, query.encode())).read()  # a loopback address of our own
        return [json.loads(line) for line in body.splitlines()]

    async def look(self) -> None:
        """Note which live events are new."""
        known = ", ".join(str(partition) for partition in self._seen)
        newer = " OR ".join(
            [f"(source_partition = {n} AND source_offset > {offset})" for n, offset in self._seen.items()]
            + [f"source_partition NOT IN ({known})" if known else "1"]
        )
        rows = await asyncio.to_thread(
            self._ask,
            "SELECT source_partition, source_offset, event_id FROM arrivals "
            f"WHERE source_topic = '{self._topic}' AND ({newer}) ORDER BY 1, 2",
        )
        now_s = time.monotonic()
        for partition, offset, event_id in rows:
            self._seen[partition] = offset
            self.seen_at.setdefault(event_id, now_s)

    async def old(self) -> int:
        """How many old logs have a row."""
        ((count,),) = await asyncio.to_thread(
            self._ask, "SELECT count() FROM arrivals WHERE startsWith(event_id, 'old')"
        )
        return int(count)

    async def until_old(self) -> None:
        """Look until the first old log has a row."""
        while True:
            if await self.old():
                return
            await asyncio.sleep(POLL_S)


def named(values: Sequence[bytes], kind: str) -> list[tuple[str, bytes]]:
    """The same records with ids that say what they are."""
    found = []
    for value in values:
        event = json.loads(value)
        event["id"] = f"{kind}-{event['id']}"
        found.append((event["id"], json.dumps(event).encode()))
    return found


async def measure(way: Way, *, old: int, rate: float, for_s: float, folder: Path) -> Figures:
    """The figures of one way."""
    settings = way.settings()
    async with Stack(folder, settings) as stack:
        if stack.workers is None:
            raise RuntimeError("the stack runs no workers")
        producer = AIOKafkaProducer(bootstrap_servers=stack.addresses.kafka, linger_ms=1, acks="all")
        await producer.start()
        reader = Reader(
            stack.addresses.clickhouse, settings.clickhouse.database, settings.kafka.chat_logs_topic
        )
        if way.topic:
            await stack.workers.stop()
            topic = getattr(settings.kafka, way.topic)
            values = named(list(chat_logs(old)), "old")
            await asyncio.gather(*[await producer.send(topic, value) for _, value in values])
            await stack.workers.start()
            await reader.until_old()
        before = await reader.old()
        produced_at = await _live(producer, settings.kafka.chat_logs_topic, reader, rate=rate, for_s=for_s)
        judged = await reader.old() - before
        deadline = time.monotonic() + SETTLED_WITHIN_S
        while not produced_at.keys() <= reader.seen_at.keys():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not all live events have a row after {SETTLED_WITHIN_S:.0f} s")
            await reader.look()
            await asyncio.sleep(POLL_S)
        await producer.stop()
    waits = [reader.seen_at[event_id] - at_s for event_id, at_s in produced_at.items()]
    quantiles = statistics.quantiles(waits, n=100)
    return Figures(quantiles[49], quantiles[98], judged)


async def _live(
    producer: AIOKafkaProducer, topic: str, reader: Reader, *, rate: float, for_s: float
) -> dict[str, float]:
    """Produce at a steady rate and look at the rows meanwhile; returns when each event was produced."""
    produced_at: dict[str, float] = {}
    values = named(list(chat_logs(int(rate * for_s), seed=8)), "live")

    async def looking() -> None:
        while True:
            await reader.look()
            await asyncio.sleep(POLL_S)

    looker = asyncio.ensure_future(looking())
    start_s = time.monotonic()
    for number, (event_id, value) in enumerate(values):
        wait_s = start_s + number / rate - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        produced_at[event_id] = time.monotonic()
        await producer.send(topic, value)
    looker.cancel()
    return produced_at


async def _all(arguments: argparse.Namespace) -> list[tuple[Way, Figures]]:
    found = []
    for way in WAYS:
        with tempfile.TemporaryDirectory(prefix="watchkeeper-bench-") as folder:
            figures = await measure(
                way, old=arguments.old, rate=arguments.rate, for_s=arguments.for_s, folder=Path(folder)
            )
        found.append((way, figures))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--old", type=int, default=60_000, help="old chat logs that wait")
    parser.add_argument("--rate", type=float, default=300.0, help="live messages a second")
    parser.add_argument("--for-s", type=float, default=12.0, help="seconds of live traffic")
    arguments = parser.parse_args()
    found = asyncio.run(_all(arguments))
    alone = found[0][1]
    table = Table(
        title=f"Live traffic of {arguments.rate:,.0f} messages a second, from produce to row, and {arguments.old:,} old logs"
    )
    table.add_column("")
    for column in ("p50", "p99", "p50 / alone", "p99 / alone", "old logs judged meanwhile"):
        table.add_column(column, justify="right")
    for way, figures in found:
        table.add_row(
            way.name,
            f"{figures.p50_s:.2f} s",
            f"{figures.p99_s:.2f} s",
            f"{figures.p50_s / alone.p50_s:.1f}",
            f"{figures.p99_s / alone.p99_s:.1f}",
            f"{figures.judged:,}",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
