"""The worker processes of a run: who is there, who was made to go, and who went without being asked."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from benchmarks.chaos.faults.workers import WorkerProcess
from benchmarks.chaos.timeouts import DRAIN_S
from monitor.embedded.workers import READY

WATCH_S: Final = 0.25
STOPS_WITHIN_S: Final = DRAIN_S + 25.0
"""Beside the drain: the clients' own farewells, each with its time-outs, on a machine with other things to do."""


class Fleet:
    """Workers by number. Whoever ends without being asked is noted and replaced."""

    def __init__(self, environment: Callable[[], Mapping[str, str]], folder: Path) -> None:
        self._environment = environment
        self._folder = folder
        self._started = 0
        self._expected_gone: set[int] = set()
        self._ready: set[int] = set()
        self.members: dict[int, WorkerProcess] = {}
        self.faults: list[str] = []
        """What workers did that they are never to do."""

    async def add(self) -> int:
        """Start another. Returns its number."""
        self._started += 1
        number = self._started
        worker = WorkerProcess(self._environment(), self._folder / f"worker-{number:03}.log")
        await worker.start()
        self.members[number] = worker
        return number

    def pick(self, choice: float) -> int:
        """The number of one that is there; `choice` is from 0 to 1."""
        there = sorted(number for number in self.members if number not in self._expected_gone)
        return there[min(int(choice * len(there)), len(there) - 1)]

    async def kill(self, number: int) -> None:
        """SIGKILL, and wait until it is gone."""
        worker = self._leaving(number)
        worker.sigkill()
        await worker.gone()
        del self.members[number]

    async def stop(self, number: int) -> None:
        """SIGTERM, and wait until it is gone; it is to end in time and with code 0, or by the signal itself where it has
        said nothing yet: the interpreter is still loading, and nothing is under way."""
        worker = self._leaving(number)
        is_loading = worker.log.stat().st_size == 0
        worker.sigterm()
        try:
            async with asyncio.timeout(STOPS_WITHIN_S):
                code = await worker.gone()
        except TimeoutError:
            self.faults.append(
                f"worker {number} hadn't ended {STOPS_WITHIN_S:.0f} s after SIGTERM: {worker.log}"
            )
            worker.sigkill()
            await worker.gone()
        else:
            if code != 0 and not (is_loading and code == 128 + signal.SIGTERM):
                self.faults.append(f"worker {number} ended with code {code} after SIGTERM: {worker.log}")
        del self.members[number]

    def is_ready(self) -> bool:
        """Whether all that are there have said that they are ready."""
        for number, worker in self.members.items():
            if number not in self._ready and worker.has_logged(READY):
                self._ready.add(number)
        return self._ready.issuperset(self.members.keys() - self._expected_gone)

    async def watch(self) -> None:
        """Replace whoever ends without being asked; runs until it is cancelled."""
        while True:
            await asyncio.sleep(WATCH_S)
            for number, worker in list(self.members.items()):
                if number in self._expected_gone or worker.exit_code is None:
                    continue
                self.faults.append(
                    f"worker {number} ended by itself with code {worker.exit_code}: {worker.log}"
                )
                del self.members[number]
                await self.add()

    async def close(self) -> None:
        """Stop them all, as they are to be stopped."""
        for worker in self.members.values():
            worker.thaw()
        await asyncio.gather(*(self.stop(number) for number in list(self.members)))

    async def abandon(self) -> None:
        """Kill them all."""
        await asyncio.gather(*(self.kill(number) for number in list(self.members)))

    def _leaving(self, number: int) -> WorkerProcess:
        self._expected_gone.add(number)
        return self.members[number]
