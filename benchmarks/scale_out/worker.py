"""One moderation worker that waits for a common start: it joins, says which partitions it has, begins at SIGUSR1.

It writes a JSON line whenever its partitions change, and one with its figures once all it has is done and committed;
it leaves at SIGTERM as a worker does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.throughput.measured import Stopwatch
from benchmarks.throughput.ours import InstantGuard, started
from monitor import logs
from monitor.ports import Score
from monitor.settings import Settings, load


class Start:
    """Implements workers.intake.Gate: nothing goes before the signal, so that nothing is worked on before it."""

    def __init__(self) -> None:
        self._given = asyncio.Event()

    def give(self) -> None:
        """Let all go, from now on."""
        self._given.set()

    async def wait(self, messages: int) -> None:
        await self._given.wait()


@dataclass
class PacedGuard(InstantGuard):
    """Takes `batch_s` for each batch, so that a run lasts long enough for workers to come and go."""

    batch_s: float = 0.0

    async def score(self, prompts: Sequence[str], responses: Sequence[str | None]) -> Sequence[Score]:
        """The same score for all."""
        if self.batch_s:
            await asyncio.sleep(self.batch_s)
        return await super().score(prompts, responses)


async def run(settings: Settings, ends: Mapping[int, int], batch_s: float) -> None:
    """Work until SIGTERM. `ends` is the number of messages in each partition."""
    logs.configure(settings.worker)
    start, stop, watch = Start(), asyncio.Event(), Stopwatch()

    def begin() -> None:
        watch.start_once()
        start.give()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, begin)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    async with started("moderate", settings, PacedGuard(batch_s=batch_s), gate=start) as intake:
        had: list[int] = []
        is_done = False
        while not stop.is_set():
            ledgers = intake.ledgers()
            if sorted(ledgers) != had:
                had, is_done = sorted(ledgers), False
                sys.stdout.write(json.dumps({"partitions": had}) + "\n")
                sys.stdout.flush()
            if had and not is_done and all(ledgers[number].messages >= ends[number] for number in had):
                await intake.commit()
                is_done = True
                watch.report(sum(ends[number] for number in had))
            await asyncio.sleep(0.005)


def main() -> None:
    """Settings come from the environment, as they do for the workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ends", type=json.loads, help='messages of each partition: {"0": 1000}')
    parser.add_argument("--batch-s", type=float, default=0.0, help="the guard takes so long for each batch")
    given = parser.parse_args()
    ends = {int(number): int(end) for number, end in given.ends.items()}
    asyncio.run(run(load(), ends, given.batch_s))


if __name__ == "__main__":
    main()
