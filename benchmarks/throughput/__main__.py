"""Events a second through moderation and storage, as a ratio to the hand-written loop in the same run.

`python -m benchmarks.throughput` starts a real broker (and the store), fills one topic, and lets both sides read it
in turn, each in a process of its own and a consumer group of its own. Ratios are medians over pairs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from rich.console import Console
from rich.table import Table

from benchmarks.throughput.events import EVENT_BYTES, chat_logs
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart

Figures = dict[str, float]
PARTITIONS = 2
MEMORY_LIMIT_MB = 600


async def _topic(bootstrap: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics(
        [NewTopic(name, PARTITIONS, 1, topic_configs={"message.timestamp.type": "LogAppendTime"})]
    )
    await admin.close()


async def _fill(bootstrap: str, topic: str, count: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=1_000_000)
    await producer.start()
    batch, number = producer.create_batch(), 0
    for value in chat_logs(count):
        if batch.append(key=None, value=value, timestamp=None) is None:
            await (await producer.send_batch(batch, topic, partition=number % PARTITIONS))
            number += 1
            batch = producer.create_batch()
            batch.append(key=None, value=value, timestamp=None)
    await (await producer.send_batch(batch, topic, partition=number % PARTITIONS))
    await producer.stop()


async def _run(arguments: Sequence[str], environment: dict[str, str]) -> Figures:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *arguments,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 600)
    if process.returncode != 0:
        raise RuntimeError(f"{arguments} ended with {process.returncode}:\n{err.decode()[-3000:]}")
    figures: Figures = json.loads(out.decode().strip().splitlines()[-1])
    return figures


def _environment(bootstrap: str, clickhouse: str, run: str, topics: dict[str, str]) -> dict[str, str]:
    return {
        "WATCHKEEPER_KAFKA__BOOTSTRAP": bootstrap,
        "WATCHKEEPER_KAFKA__GROUP_PREFIX": f"bench-{run}",
        "WATCHKEEPER_CLICKHOUSE__URL": clickhouse,
        # One JSON line a batch, as in production, and to a pipe that is read.
        "WATCHKEEPER_WORKER__LOG_FORMAT": "json",
        **topics,
    }


def _ratio(table: Table, what: str, pairs: Sequence[tuple[Figures, Figures]]) -> None:
    def per_cpu_s(figures: Figures) -> float:
        return figures["events"] / figures["cpu_s"]

    def per_s(figures: Figures) -> float:
        return figures["events"] / figures["wall_s"]

    cpu = [per_cpu_s(ours) / per_cpu_s(peer) for peer, ours in pairs]
    wall = [per_s(ours) / per_s(peer) for peer, ours in pairs]
    table.add_row(
        what,
        f"{statistics.median(per_cpu_s(p) for p, _ in pairs):,.0f}",
        f"{statistics.median(per_cpu_s(o) for _, o in pairs):,.0f}",
        f"{statistics.median(cpu):.2f} ({min(cpu):.2f} to {max(cpu):.2f})",
        f"{statistics.median(wall):.2f} ({min(wall):.2f} to {max(wall):.2f})",
        f"{max(p['peak_rss_mb'] for p, _ in pairs):.0f}",
        f"{max(o['peak_rss_mb'] for _, o in pairs):.0f}",
    )


async def backlog(count: int, folder: Path) -> Table:
    """Peak memory of a moderation worker that finds `count` messages waiting: reading on, and with a stalled guard."""
    table = Table(title=f"Memory of a worker at a backlog of {count:,} events of about {EVENT_BYTES} bytes")
    for column in ("guard", "peak MB", f"of the limit of {MEMORY_LIMIT_MB} MB"):
        table.add_column(column, justify="left" if column == "guard" else "right")
    async with KafkaPart(folder / "kafka") as kafka:
        source = "bench.chat.logs"
        await _topic(kafka.address, source)
        await _fill(kafka.address, source, count)
        for guard, extra in (("instant", ()), ("stalled for 20 s, then instant", ("--stalled-s", "20"))):
            run = uuid.uuid4().hex[:8]
            out = f"bench.out.{run}"
            await _topic(kafka.address, out)
            environment = _environment(
                kafka.address,
                "http://127.0.0.1:1",
                run,
                {"WATCHKEEPER_KAFKA__CHAT_LOGS_TOPIC": source, "WATCHKEEPER_KAFKA__VERDICTS_TOPIC": out},
            )
            figures = await _run(["benchmarks.throughput.ours", "moderate", str(count), *extra], environment)
            table.add_row(
                guard, f"{figures['peak_rss_mb']:.0f}", f"{figures['peak_rss_mb'] / MEMORY_LIMIT_MB:.2f}"
            )
    return table


async def benchmark(count: int, pairs: int, folder: Path) -> Table:
    """Run both jobs, peer and ours in turn."""
    console = Console(stderr=True)
    table = Table(
        title=f"{count:,} events of about {EVENT_BYTES} bytes, {PARTITIONS} partitions, {pairs} pairs"
    )
    for column in (
        "job",
        "plain loop,\nevents/CPU s",
        "ours,\nevents/CPU s",
        "ratio per CPU s\nmedian (range)",
        "ratio per wall s\nmedian (range)",
        "plain,\npeak MB",
        "ours,\npeak MB",
    ):
        table.add_column(column, justify="left" if column == "job" else "right")
    async with KafkaPart(folder / "kafka") as kafka, ClickHousePart(folder / "clickhouse") as clickhouse:
        source = "bench.chat.logs"
        await _topic(kafka.address, source)
        console.print(f"filling {source} …")
        await _fill(kafka.address, source, count)
        moderated: list[tuple[Figures, Figures]] = []
        verdicts = ""
        for pair in range(pairs):
            run = uuid.uuid4().hex[:8]
            names = [f"bench.{side}.{run}" for side in ("plain", "ours")]
            for name in names:
                await _topic(kafka.address, name)
            console.print(f"moderation, pair {pair + 1} of {pairs} …")
            plain = await _run(
                [
                    "benchmarks.throughput.plain",
                    "moderate",
                    kafka.address,
                    source,
                    names[0],
                    f"plain-{run}",
                    str(count),
                ],
                {},
            )
            environment = _environment(
                kafka.address,
                clickhouse.address,
                run,
                {"WATCHKEEPER_KAFKA__CHAT_LOGS_TOPIC": source, "WATCHKEEPER_KAFKA__VERDICTS_TOPIC": names[1]},
            )
            moderated.append(
                (plain, await _run(["benchmarks.throughput.ours", "moderate", str(count)], environment))
            )
            verdicts = names[1]
        _ratio(table, "moderation, instant guard", moderated)
        stored: list[tuple[Figures, Figures]] = []
        for pair in range(pairs):
            run = uuid.uuid4().hex[:8]
            console.print(f"storage, pair {pair + 1} of {pairs} …")
            environment = _environment(
                kafka.address, clickhouse.address, run, {"WATCHKEEPER_KAFKA__VERDICTS_TOPIC": verdicts}
            )
            ours = await _run(["benchmarks.throughput.ours", "store", str(count)], environment)
            plain = await _run(
                [
                    "benchmarks.throughput.plain",
                    "store",
                    kafka.address,
                    verdicts,
                    clickhouse.address,
                    run,
                    str(count),
                ],
                {},
            )
            stored.append((plain, ours))
        _ratio(table, "storage, embedded ClickHouse", stored)
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--backlog", type=int, default=0, help="measure memory at such a backlog instead")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="watchkeeper-bench-") as folder:
        if arguments.backlog:
            table = asyncio.run(backlog(arguments.backlog, Path(folder)))
        else:
            table = asyncio.run(benchmark(arguments.events, arguments.pairs, Path(folder)))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
