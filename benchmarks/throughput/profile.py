"""Where moderation spends its CPU: our worker on an instant guard and a real broker, sampled by py-spy.

`python -m benchmarks.throughput.profile --folder DIR` prints the functions with the largest shares of the samples and
leaves the collapsed stacks in DIR/moderate.raw, which speedscope and flamegraph.pl read. Shares are of the samples
taken while the event loop runs: starting Python and importing is left out. py-spy starts the worker itself, so it
needs no right to trace others.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.throughput import topics
from benchmarks.throughput.peers import our_environment
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart

PARTITIONS: Final = 2
EVENT_LOOP: Final = "_run_once "
"""Begins the frame below which everything of a running worker lies."""


@dataclass(frozen=True)
class Shares:
    """Samples by frame: `itself` where it was the innermost, `total` where it was anywhere on the stack."""

    samples: int
    itself: Counter[str]
    total: Counter[str]


def shares(stacks: Iterable[str], *, by_line: bool = False) -> Shares:
    """Count collapsed stacks, `outermost;...;innermost N` a line, by function or by line of code."""
    itself: Counter[str] = Counter()
    total: Counter[str] = Counter()
    samples = 0
    for stack in stacks:
        frames, _, number = stack.rpartition(" ")
        if EVENT_LOOP not in frames or not number.isdigit():
            continue
        names = [frame if by_line else _function(frame) for frame in frames.split(";")]
        samples += int(number)
        itself[names[-1]] += int(number)
        for name in set(names):
            total[name] += int(number)
    return Shares(samples, itself, total)


def _function(frame: str) -> str:
    """`decode (monitor/ingest/decoder.py:50)` without its line."""
    place, _, line = frame.rpartition(":")
    return f"{place})" if line.rstrip(")").isdigit() else frame


def table(counted: Shares, title: str, top: int) -> Table:
    """The frames with the largest share of their own."""
    shown = Table(title=title)
    shown.add_column("itself", justify="right")
    shown.add_column("with callees", justify="right")
    shown.add_column("where", overflow="fold")
    for name, number in counted.itself.most_common(top):
        shown.add_row(
            f"{100 * number / counted.samples:.1f}%",
            f"{100 * counted.total[name] / counted.samples:.1f}%",
            name,
        )
    return shown


async def record(job: str, count: int, folder: Path, *, rate: int, native: bool) -> Path:
    """Run our worker under py-spy until it has handled `count` events; returns the file of collapsed stacks."""
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        raise SystemExit("py-spy isn't installed: run 'make install'")
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    written = folder / f"{job}.raw"
    options = ["--format", "raw", "--rate", str(rate), "--output", str(written)] + ["--native"] * native
    with tempfile.TemporaryDirectory(prefix="watchkeeper-bench-") as scratch:
        async with KafkaPart(Path(scratch) / "kafka") as kafka, ClickHousePart(Path(scratch) / "ch") as store:
            source, verdicts = "bench.chat.logs", "bench.verdicts"
            for name in (source, verdicts):
                await topics.create(kafka.address, name, PARTITIONS)
            await topics.fill(kafka.address, source, count, PARTITIONS)
            environment = os.environ | our_environment(
                kafka.address, "profile", clickhouse=store.address, chat_logs=source, verdicts=verdicts
            )
            ours = [sys.executable, "-m", "benchmarks.throughput.ours"]
            if job == "store":  # it reads what moderation wrote
                await _run([*ours, "moderate", str(count)], environment)
            await _run([spy, "record", *options, "--", *ours, job, str(count)], environment)
    return written


async def _run(command: list[str], environment: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    _, err = await asyncio.wait_for(process.communicate(), 600)
    if process.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {process.returncode}:\n{err.decode()[-3000:]}")


def main() -> None:
    """Record and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("job", nargs="?", choices=("moderate", "store"), default="moderate")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument(
        "--folder", type=Path, default=Path(".artifacts/profiles"), help="where the stacks are kept"
    )
    parser.add_argument("--rate", type=int, default=250, help="samples a second")
    parser.add_argument("--native", action="store_true", help="tell C functions apart (slower; Linux only)")
    parser.add_argument("--top", type=int, default=40)
    parser.add_argument("--lines", action="store_true", help="lines of code instead of functions")
    given = parser.parse_args()
    written = asyncio.run(record(given.job, given.events, given.folder, rate=given.rate, native=given.native))
    counted = shares(written.read_text().splitlines(), by_line=given.lines)
    if not counted.samples:
        raise SystemExit(f"no samples of a running worker in {written}: raise --events or --rate")
    title = f"{given.job}, {given.events:,} events, {counted.samples:,} samples"
    Console(width=120).print(table(counted, title, given.top))
    print(f"collapsed stacks: {written}")


if __name__ == "__main__":
    main()
