"""Events a second through moderation and storage: ours and five peers that do the same job, in one table.

`python -m benchmarks.throughput` starts a real broker (and the store), fills one topic, and lets each peer read it in
turn, in a process and a consumer group of its own. Ratios are medians over rounds, each ours against the peer of the same
round. A run counts only if the peer wrote every event once and committed the end of its input.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.throughput import store, topics
from benchmarks.throughput.backlog import backlog
from benchmarks.throughput.events import EVENT_BYTES
from benchmarks.throughput.job import Job
from benchmarks.throughput.peers import (
    OUR_PYTHON,
    OURS,
    PEERS,
    Kind,
    Peer,
    figures_of,
    our_environment,
    our_group,
)
from benchmarks.throughput.quix_environment import Unavailable, interpreter
from benchmarks.throughput.ratios import BOUNDS, Round, both_jobs, ours_to
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart

PARTITIONS: Final = 2
SOURCE: Final = "bench.chat.logs"


class Benchmark:
    """One broker, one store, one topic of `count` chat logs, and the peers that can be run here."""

    def __init__(
        self, kafka: str, clickhouse: str, count: int, codec: str, pythons: Mapping[str, Path]
    ) -> None:
        self._kafka = kafka
        self._clickhouse = clickhouse
        self._count = count
        self._codec = codec
        self._pythons = pythons
        self._console = Console(stderr=True)
        self._verdicts = ""

    async def fill(self) -> None:
        """The topic and the tables."""
        await store.migrate(self._clickhouse)
        await topics.create(self._kafka, SOURCE, PARTITIONS)
        self._console.print(f"filling {SOURCE} …")
        await topics.fill(self._kafka, SOURCE, self._count, PARTITIONS)

    async def rounds(self, kind: Kind, pairs: int, peers: Sequence[Peer]) -> list[Round]:
        """Run each peer once a round; the one that begins changes."""
        rounds: list[Round] = []
        for number in range(pairs):
            turn = number % len(peers)
            measured = {}
            for peer in [*peers[turn:], *peers[:turn]]:
                self._console.print(f"{kind}, round {number + 1} of {pairs}: {peer.name} …")
                run = f"bench-{uuid.uuid4().hex[:8]}"
                job = await self._prepared(kind, peer, run)
                settings = our_environment(
                    self._kafka,
                    run,
                    clickhouse=self._clickhouse,
                    chat_logs=SOURCE,
                    verdicts=job.out if kind == "moderate" else job.topic,
                    codec=self._codec,
                )
                command = peer.command(kind, job, self._pythons[peer.name])
                measured[peer.name] = await figures_of(command, settings)
                await self._check(kind, peer, job, reads_all=number == 0)
                if kind == "moderate" and peer.name == OURS:
                    self._verdicts = job.out
            rounds.append(measured)
        return rounds

    async def _prepared(self, kind: Kind, peer: Peer, run: str) -> Job:
        group = our_group(kind, run) if peer.name == OURS else run
        if kind == "moderate":
            await topics.create(self._kafka, f"{run}.out", PARTITIONS)
            return Job(self._kafka, SOURCE, f"{run}.out", group, self._count, self._codec)
        await store.empty(self._clickhouse)
        return Job(self._kafka, self._verdicts, self._clickhouse, group, self._count, self._codec)

    async def _check(self, kind: Kind, peer: Peer, job: Job, *, reads_all: bool) -> None:
        """Raise RuntimeError unless the whole job was done, once, and acknowledged."""
        committed = await topics.commits(self._kafka, job.group, job.topic)
        reached = {partition: commit.offset for partition, commit in committed.items()}
        ends = await topics.ends(self._kafka, job.topic)
        if reached != ends:
            raise RuntimeError(f"{peer.name} committed {reached} of {ends} in its job to {kind}")
        if kind == "store":
            written = await store.stored(self._clickhouse)
        else:
            written = sum((await topics.ends(self._kafka, job.out)).values())
            if reads_all and len(set(await topics.keys(self._kafka, job.out))) != job.count:
                raise RuntimeError(f"{peer.name} wrote some events more than once, and some not at all")
        if written != job.count:
            raise RuntimeError(f"{peer.name} wrote {written} of {job.count} events in its job to {kind}")


def _rows(table: Table, job: str, rounds: Sequence[Round]) -> None:
    for peer in PEERS:
        runs = [one[peer.name] for one in rounds if peer.name in one]
        if not runs:
            continue
        per_cpu_s = ours_to(peer.name, rounds, lambda figures: figures.per_cpu_s)
        per_wall_s = ours_to(peer.name, rounds, lambda figures: figures.per_wall_s)
        is_ours = peer.name == OURS
        table.add_row(
            job,
            peer.title,
            f"{statistics.median(figures.per_cpu_s for figures in runs):,.0f}",
            f"{statistics.median(figures.per_wall_s for figures in runs):,.0f}",
            "" if is_ours or per_cpu_s is None else str(per_cpu_s),
            "" if is_ours or per_wall_s is None else str(per_wall_s),
            f"{max(figures.peak_rss_mb for figures in runs):.0f}",
        )
    table.add_section()


async def benchmark(
    count: int, pairs: int, codec: str, names: Sequence[str], folder: Path
) -> tuple[Table, list[str]]:
    """Run both jobs; returns the table and what is to be said below it: the bounds, and which peer couldn't run."""
    lines: list[str] = []
    pythons: dict[str, Path] = {}
    for peer in PEERS:
        if peer.name in names:
            try:
                pythons[peer.name] = await interpreter() if peer.has_own_interpreter else OUR_PYTHON
            except Unavailable as exc:
                lines.append(f"{peer.name} was not run: {exc}")
    peers = [peer for peer in PEERS if peer.name in pythons]
    table = Table(
        title=f"{count:,} events of about {EVENT_BYTES} bytes, {PARTITIONS} partitions, {pairs} pairs, verdicts "
        + ("not compressed" if codec == "none" else f"in {codec}"),
    )
    for column in (
        *("job", "peer", "events/\nCPU s", "events/\nwall s"),
        *("ours / peer per CPU s\nmedian (range)", "ours / peer per wall s\nmedian (range)", "peak\nMB"),
    ):
        table.add_column(column, justify="left" if column in ("job", "peer") else "right")
    async with KafkaPart(folder / "kafka") as kafka, ClickHousePart(folder / "clickhouse") as clickhouse:
        runner = Benchmark(kafka.address, clickhouse.address, count, codec, pythons)
        await runner.fill()
        moderated = await runner.rounds("moderate", pairs, peers)
        _rows(table, "moderation", moderated)
        if OURS not in pythons:  # there are no verdicts to store
            return table, lines
        storing = [peer for peer in peers if peer.stores]
        stored = await runner.rounds("store", pairs, storing)
    _rows(table, "storage", stored)
    both = both_jobs(moderated, stored)
    _rows(table, "both", both)
    return table, [line for bound in BOUNDS if (line := bound.verdict(both)) is not None] + lines


def _chosen(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = [peer.name for peer in PEERS]
    if not names or set(names) - set(known):
        raise argparse.ArgumentTypeError(f"choose among {', '.join(known)}")
    return names


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument(
        "--codec",
        choices=("none", "gzip", "lz4", "snappy", "zstd"),
        default="none",
        help="what all of them compress verdicts with; none is what a producer does unless told otherwise",
    )
    parser.add_argument(
        "--only",
        type=_chosen,
        default=[peer.name for peer in PEERS],
        metavar="PEER,...",
        help="run these peers: " + ", ".join(peer.name for peer in PEERS),
    )
    parser.add_argument("--backlog", type=int, default=0, help="measure memory at such a backlog instead")
    given = parser.parse_args()
    console = Console(width=140)
    with tempfile.TemporaryDirectory(prefix="watchkeeper-bench-") as folder:
        if given.backlog:
            console.print(asyncio.run(backlog(given.backlog, Path(folder))))
            return
        table, lines = asyncio.run(
            benchmark(given.events, given.pairs, given.codec, given.only, Path(folder))
        )
    console.print(table)
    for line in lines:
        console.print(line, highlight=False)


if __name__ == "__main__":
    main()
