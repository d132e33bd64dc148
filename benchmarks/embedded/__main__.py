"""What the embedded stack costs: `python -m benchmarks.embedded [--runs N] [--first]`.

Start-up of each part on a fresh folder and on a kept one, memory, and the processor time of a stack at rest. The peer
is the same broker, jars and Java started without its start-up cache, in the same run. `--first` adds a user's first
start (jars downloaded, 43 MB) and second (start-up cache made).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from monitor.embedded.folders import Folders, user_folders
from monitor.embedded.kafka import KafkaPart
from monitor.embedded.part import Command
from monitor.embedded.process import resident_bytes
from monitor.embedded.stack import Stack
from monitor.settings import load

MIB: Final = 1_048_576
REST_S: Final = 10.0
SETTLED_AFTER_S: Final = 15.0  # the JVM compiles what it has just run


class PlainKafka(KafkaPart):
    """The peer: no start-up cache."""

    async def _command(self) -> Command:
        command = await super()._command()
        return replace(
            command, arguments=[word for word in command.arguments if not word.startswith("-XX:AOTCache")]
        )


async def start_s(part: KafkaPart) -> tuple[float, int]:
    """Seconds from launch on a kept folder to serving, and resident bytes then."""
    async with part:
        pass
    began = time.monotonic()
    async with part:
        return time.monotonic() - began, resident_bytes(part.pid or 0) or 0


async def broker(folder: Path, folders: Folders, runs: int) -> None:
    """The broker with its start-up cache against itself without."""
    ours, peer = [], []
    for run in range(runs):
        ours.append(await start_s(KafkaPart(folder / f"ours-{run}", cache=folders.cache)))
        peer.append(await start_s(PlainKafka(folder / f"peer-{run}", cache=folders.cache)))
    seconds, memory = _medians(ours)
    peer_seconds, peer_memory = _medians(peer)
    print(f"broker, launch to serving   {seconds:6.2f} s   {memory / MIB:5.0f} MiB   median of {runs}")
    print(f"  without its cache         {peer_seconds:6.2f} s   {peer_memory / MIB:5.0f} MiB")
    print(f"  ratio                     {seconds / peer_seconds:6.2f}     {memory / peer_memory:5.2f}")


def _medians(runs: Sequence[tuple[float, int]]) -> tuple[float, float]:
    return statistics.median(run[0] for run in runs), statistics.median(run[1] for run in runs)


async def stack(data: Path, folders: Folders, title: str) -> None:
    """Start a stack, look at it at rest, stop it."""
    began = time.monotonic()
    async with Stack(data, load({}), folders=folders) as running:
        print(f"\n{title:27} {time.monotonic() - began:6.2f} s to all ready")
        pids = running.addresses.pids
        await asyncio.sleep(SETTLED_AFTER_S)
        before = {name: _cpu_s(pid) for name, pid in pids.items()}
        await asyncio.sleep(REST_S)
        for name, pid in pids.items():
            part, share = running.parts[name], (_cpu_s(pid) - before[name]) / REST_S
            memory = sum(resident_bytes(each) or 0 for each in (pid, *_children(pid))) / MIB
            print(
                f"  {name:25} {float(part.facts['start_s']):6.2f} s   {memory:5.0f} MiB   {share:6.1%} of a core at rest"
            )
        total = (
            sum(resident_bytes(each) or 0 for pid in pids.values() for each in (pid, *_children(pid))) / MIB
        )
        print(f"  {'all':25} {'':8}   {total:5.0f} MiB")
        began = time.monotonic()
    print(f"  {'stop':25} {time.monotonic() - began:6.2f} s")


def _children(pid: int) -> list[int]:
    return [
        int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    ]


def _cpu_s(pid: int) -> float:
    """Processor time of the process and its children so far."""
    total = 0
    for each in (pid, *_children(pid)):
        fields = Path(f"/proc/{each}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


async def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="runs of each broker")
    parser.add_argument(
        "--first", action="store_true", help="also a user's first two starts (downloads 43 MB)"
    )
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        here = Path(folder)
        folders = replace(user_folders(), running=here / "running")
        if arguments.first:
            new = replace(folders, cache=here / "cache")
            await stack(here / "first", new, "the user's first start")
            await stack(here / "first", new, "the user's second start")
        await stack(here / "data", folders, "a fresh folder")
        await stack(here / "data", folders, "a kept folder")
        print()
        await broker(here, folders, arguments.runs)


if __name__ == "__main__":
    asyncio.run(main())
