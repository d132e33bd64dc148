"""Worker processes of one group: started, told to begin, told to leave, and heard."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from benchmarks.scale_out.machine import on
from benchmarks.throughput.measured import Figures

LONGEST_S: Final = 300.0
POLL_S: Final = 0.05


class Worker:
    """One process, and what it last said: its partitions, and its figures once it was through (at `through_s`)."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.partitions: list[int] = []
        self.figures: Figures | None = None
        self.through_s = 0.0
        self.has_left = False
        self._process = process
        self._log = log
        self._hearing = asyncio.ensure_future(self._hear())

    async def _hear(self) -> None:
        if self._process.stdout is None:
            raise RuntimeError("the worker has no pipe")
        async for line in self._process.stdout:
            said = json.loads(line)
            if "partitions" in said:
                self.partitions, self.figures = said["partitions"], None
            else:
                self.figures, self.through_s = Figures(**said), time.perf_counter()

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        return self._process.returncode is None

    def begin(self) -> None:
        """Let its batches go."""
        self._process.send_signal(signal.SIGUSR1)

    async def leave(self) -> None:
        """SIGTERM, and wait for its end. Raises RuntimeError if it fails."""
        self.has_left = True
        if self.is_running:
            self._process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(self._process.wait(), LONGEST_S)
        await self._hearing
        if code != 0:
            raise RuntimeError(f"a worker ended with {code}:\n{self.last_words()}")

    def last_words(self) -> str:
        """The end of what it logged."""
        return self._log.read_text(errors="replace")[-3000:]

    async def kill(self) -> None:
        """For the end of a run that failed."""
        if self.is_running:
            self._process.kill()
        await self._process.wait()
        self._hearing.cancel()


class Fleet:
    """The workers of a run; those that are left are killed at its end."""

    def __init__(
        self,
        settings: Mapping[str, str],
        ends: Mapping[int, int],
        cores: frozenset[int],
        folder: Path,
        hold: Callable[[int], None] | None = None,
    ) -> None:
        self.workers: list[Worker] = []
        self._hold = hold
        self._settings = settings
        self._ends = ends
        self._cores = cores
        self._folder = folder

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for worker in self.workers:
            await worker.kill()

    async def add(self, batch_s: float = 0.0) -> Worker:
        """Start one more; it joins and waits for `begin`."""
        path = self._folder / f"worker-{len(self.workers)}.log"
        with path.open("wb") as log, on(self._cores):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "benchmarks.scale_out.worker"),
                *(json.dumps(self._ends), "--batch-s", str(batch_s)),
                env={**os.environ, **self._settings},
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        if self._hold is not None:
            self._hold(process.pid)
        worker = Worker(process, path)
        self.workers.append(worker)
        return worker

    async def until(self, what: str, reached: Callable[[], bool | Awaitable[bool]]) -> None:
        """Wait for it. Raises RuntimeError where a worker ends meanwhile, TimeoutError after LONGEST_S."""
        async with asyncio.timeout(LONGEST_S):
            while True:
                answer = reached()
                if answer if isinstance(answer, bool) else await answer:
                    return
                for worker in self.workers:
                    if not worker.is_running and not worker.has_left:
                        raise RuntimeError(f"waiting until {what}, a worker ended:\n{worker.last_words()}")
                await asyncio.sleep(POLL_S)
