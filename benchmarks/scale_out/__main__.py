"""What a second worker brings: two processes on two partitions each against one on all four, on a real broker.

`python -m benchmarks.scale_out` gives both the same backlog and an instant guard. The clock runs from a common start, when
all partitions have their owner, until every offset is committed. The workers have two cores; where there are no more,
the broker is on them too, so the table also says who used them, and what ratio they allow. It is measured with chat logs
that their producer has left as they are, and with compressed ones, which cost the broker less.

`--hold-to 0.6` holds each worker to that much of a core, one worker as well as two, so that the broker has cores of its own.

`python -m benchmarks.scale_out --join` lets a second worker join and the first one leave on the way.
Both read every verdict back: nothing may be lost, nothing written twice.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.scale_out.fleet import Fleet
from benchmarks.scale_out.limits import Run, idle_limit, loaded_limit
from benchmarks.scale_out.machine import Cores, CpuTime, on
from benchmarks.scale_out.outcome import Outcome, outcome
from benchmarks.scale_out.share import held_to
from benchmarks.throughput import topics
from benchmarks.throughput.peers import our_environment, our_group
from benchmarks.throughput.ratios import Spread
from monitor.embedded.kafka import KafkaPart

PARTITIONS: Final = 4
CODECS: Final = ("none", "snappy")
BOUND: Final = 1.7
WORKER_CORES: Final = 2

Hold = Callable[[int], None] | None
"""What holds a worker, by its process id, to its share of a core."""


class ScaleOut:
    """One broker and one topic of `count` chat logs, which their producer has compressed with `codec`."""

    def __init__(
        self, kafka: KafkaPart, cores: Cores, count: int, codec: str, folder: Path, *, hold: Hold = None
    ) -> None:
        self._kafka = kafka
        self._cores = cores
        self._count = count
        self._codec = codec
        self._source = f"bench.chat.logs.{codec}"
        self._folder = folder
        self._hold = hold
        self._ends: dict[int, int] = {}

    async def fill(self) -> None:
        """Make the backlog."""
        await topics.create(self._kafka.address, self._source, PARTITIONS)
        await topics.fill(self._kafka.address, self._source, self._count, PARTITIONS, self._codec)
        self._ends = await topics.ends(self._kafka.address, self._source)

    async def steady(self, workers: int) -> tuple[Run, Outcome]:
        """Let so many workers work the backlog off together."""
        run, out, fleet = await self._fleet()
        async with fleet:
            for _ in range(workers):
                await fleet.add()
            share = PARTITIONS // workers
            await fleet.until(
                "all partitions have an owner",
                lambda: all(len(worker.partitions) == share for worker in fleet.workers),
            )
            before, began_s = CpuTime.now(self._kafka.pid), time.perf_counter()
            for worker in fleet.workers:
                worker.begin()
            await fleet.until(
                "all is committed", lambda: all(worker.figures is not None for worker in fleet.workers)
            )
            after = CpuTime.now(self._kafka.pid)
            workers_s = sum(worker.figures.cpu_s for worker in fleet.workers if worker.figures is not None)
            wall_s = max(worker.through_s for worker in fleet.workers) - began_s
            broker_s = others_s = None
            if before is not None and after is not None:
                broker_s = after.broker_s - before.broker_s
                others_s = max(0.0, after.all_s - before.all_s - broker_s - workers_s)
            for worker in fleet.workers:
                await worker.leave()
        measured = Run(workers, self._count, wall_s, workers_s, broker_s, others_s)
        return measured, await self._outcome(run, out)

    async def join(self, batch_s: float) -> tuple[int, int, Outcome]:
        """A second worker joins, the first leaves. Returns how much was committed at either moment, and the outcome."""
        run, out, fleet = await self._fleet()
        async with fleet:
            first = await fleet.add(batch_s)
            await fleet.until("the first has all", lambda: len(first.partitions) == PARTITIONS)
            first.begin()

            async def has_committed(events: float) -> bool:
                return await self._committed(run) >= events

            await fleet.until("a tenth is done", lambda: has_committed(self._count / 10))
            second = await fleet.add(batch_s)
            await fleet.until("the second has its half", lambda: len(second.partitions) == PARTITIONS // 2)
            second.begin()
            at_join = await self._committed(run)
            await fleet.until("half of the rest is done", lambda: has_committed((at_join + self._count) / 2))
            at_leave = await self._committed(run)
            await first.leave()
            await fleet.until("the second has all", lambda: len(second.partitions) == PARTITIONS)
            await fleet.until("all is done", lambda: has_committed(self._count))
            await second.leave()
        return at_join, at_leave, await self._outcome(run, out)

    async def _fleet(self) -> tuple[str, str, Fleet]:
        run = f"bench-{uuid.uuid4().hex[:8]}"
        out = f"{run}.out"
        await topics.create(self._kafka.address, out, PARTITIONS)
        settings = our_environment(self._kafka.address, run, chat_logs=self._source, verdicts=out)
        return run, out, Fleet(settings, self._ends, self._cores.workers, self._folder, self._hold)

    async def _committed(self, run: str) -> int:
        commits = await topics.commits(self._kafka.address, our_group("moderate", run), self._source)
        return sum(commit.offset for commit in commits.values())

    async def _outcome(self, run: str, out: str) -> Outcome:
        return await outcome(self._kafka.address, run, self._source, out, self._ends)


@dataclass
class Measured:
    """The runs with one codec, in pairs, and what they left behind."""

    codec: str
    ones: list[Run] = field(default_factory=list)
    twos: list[Run] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def rows(self, table: Table) -> None:
        """One worker, and two."""
        for workers, runs in ((1, self.ones), (2, self.twos)):
            table.add_row(
                self.codec if workers == 1 else "",
                str(workers),
                f"{statistics.median(run.per_s for run in runs):,.0f}",
                f"{statistics.median(run.workers_s for run in runs):.2f}",
                _median([run.broker_s for run in runs]),
                _median([run.others_s for run in runs]),
                f"{statistics.median(run.wall_s for run in runs):.2f}",
                end_section=workers == 2,
            )

    def lines(self, cores: Cores, *, is_held: bool) -> list[str]:
        """The ratio, and what the cores allow."""
        number = len(cores.workers)
        pairs = list(zip(self.ones, self.twos, strict=True))
        ratio = Spread.of([two.per_s / one.per_s for one, two in pairs])
        written = "not compressed" if self.codec == "none" else f"in {self.codec}"
        lines = [
            f"chat logs {written}: two workers / one, events/s: {ratio}; bound {BOUND}: {_held(ratio.median >= BOUND)}"
        ]
        if is_held:
            return lines
        idle = [idle_limit(one, two, number, are_shared=cores.are_shared) for one, two in pairs]
        lines.append(f"  allowed by CPU time alone, if nothing else ran on these cores: {_spread(idle)}")
        if cores.are_shared:
            loaded = [loaded_limit(one, two, number) for one, two in pairs]
            lines.append(f"  allowed by what else ran on them meanwhile: {_spread(loaded)}")
        return lines


async def measure(
    count: int, pairs: int, cores: Cores, folder: Path, *, codecs: Sequence[str], hold: Hold
) -> tuple[Table, list[str]]:
    """Both in turn with each codec, after one run that only warms the broker up."""
    console = Console(stderr=True)
    measured = [Measured(codec) for codec in codecs]
    async with KafkaPart(folder / "kafka") as kafka:
        for one in measured:
            benchmark = ScaleOut(kafka, cores, count, one.codec, folder, hold=hold)
            console.print(f"chat logs, codec {one.codec}: filling …")
            await benchmark.fill()
            console.print("warming up …")
            await benchmark.steady(1)
            for pair in range(pairs):
                for workers in (1, 2) if pair % 2 == 0 else (2, 1):
                    console.print(f"pair {pair + 1} of {pairs}: {workers} …")
                    run, left = await benchmark.steady(workers)
                    (one.ones if workers == 1 else one.twos).append(run)
                    one.outcomes.append(left)
    where = "the broker on them too" if cores.are_shared else "the broker on others"
    table = Table(
        title=f"{count:,} events, {PARTITIONS} partitions, {pairs} pairs, {len(cores.workers)} cores, {where}"
    )
    for column in (
        "chat logs", "workers", "events/s", "CPU s of workers", "CPU s of broker", "CPU s of others", "wall s"
    ):  # fmt: skip
        table.add_column(column, justify="right")
    for one in measured:
        one.rows(table)
    outcomes = [left for one in measured for left in one.outcomes]
    whole = sum(left.is_whole(count) for left in outcomes)
    lines = [line for one in measured for line in one.lines(cores, is_held=hold is not None)]
    lines.append(
        f"runs with every event written once, counted once and committed: {whole} of {len(outcomes)}; "
        f"lost {sum(left.lost for left in outcomes)}, repeated {sum(left.repeated for left in outcomes)}"
    )
    return table, lines


async def measure_joining(
    count: int, pairs: int, batch_s: float, cores: Cores, folder: Path
) -> tuple[Table, list[str]]:
    """Several times, each with its own group."""
    console = Console(stderr=True)
    table = Table(title=f"{count:,} events, {PARTITIONS} partitions: a second worker joins, the first leaves")
    for column in ("run", "committed at join", "at leave", "lost", "repeated", "counted by ledgers"):
        table.add_column(column, justify="right")
    whole = 0
    async with KafkaPart(folder / "kafka") as kafka:
        benchmark = ScaleOut(kafka, cores, count, "none", folder)
        console.print("filling …")
        await benchmark.fill()
        for number in range(1, pairs + 1):
            console.print(f"run {number} of {pairs} …")
            at_join, at_leave, left = await benchmark.join(batch_s)
            whole += left.is_whole(count)
            cells = (number, at_join, at_leave, left.lost, left.repeated, left.counted)
            table.add_row(*(f"{cell:,}" for cell in cells))
    line = f"runs with every event written once, counted once and committed: {whole} of {pairs}: {_held(whole == pairs)}"
    return table, [line]


def _median(numbers: list[float | None]) -> str:
    known = [number for number in numbers if number is not None]
    return f"{statistics.median(known):.2f}" if known else "unknown"


def _spread(numbers: list[float | None]) -> str:
    known = [number for number in numbers if number is not None]
    return str(Spread.of(known)) if known else "unknown"


def _held(holds: bool) -> str:  # noqa: FBT001  # a word for a truth value
    return "held" if holds else "MISSED"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument(
        "--codec", choices=CODECS, action="append", help="of the chat logs (default: one after the other)"
    )
    parser.add_argument("--join", action="store_true", help="workers join and leave meanwhile")
    parser.add_argument(
        "--batch-s", type=float, default=0.2, help="with --join: the guard takes so long a batch"
    )
    parser.add_argument("--hold-to", type=float, metavar="SHARE", help="of a core, for each worker")
    given = parser.parse_args()
    cores = Cores.of_this_machine(WORKER_CORES)
    with ExitStack() as stack:
        hold = None if given.hold_to is None else stack.enter_context(held_to(given.hold_to))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="watchkeeper-bench-"))
        stack.enter_context(on(cores.rest))
        if given.join:
            running = measure_joining(given.events, given.pairs, given.batch_s, cores, Path(folder))
        else:
            running = measure(
                given.events, given.pairs, cores, Path(folder), codecs=given.codec or CODECS, hold=hold
            )
        table, lines = asyncio.run(running)
    console = Console(width=140)
    console.print(table)
    for line in lines:
        console.print(line, highlight=False)


if __name__ == "__main__":
    main()
