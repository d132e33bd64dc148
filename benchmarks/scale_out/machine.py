"""CPU time of the broker and of the whole machine, and who runs on which core. Linux; elsewhere nothing is known or kept apart."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class CpuTime:
    """Seconds of CPU that the broker, and everybody together, had used at a moment."""

    broker_s: float
    all_s: float

    @classmethod
    def now(cls, broker_pid: int | None) -> Self | None:
        """None where the system doesn't say."""
        try:
            of_process = Path(f"/proc/{broker_pid}/stat").read_text()
            of_machine = Path("/proc/stat").read_text()
        except OSError:
            return None
        # The name in brackets may hold spaces. utime and stime are fields 14 and 15, those of ended threads included.
        fields = of_process.rpartition(")")[2].split()
        # user nice system idle iowait irq softirq steal
        _, user, nice, system, _idle, _iowait, irq, softirq, *_ = of_machine.splitlines()[0].split()
        busy = sum(map(int, (user, nice, system, irq, softirq)))
        return cls((int(fields[11]) + int(fields[12])) / TICKS_PER_S, busy / TICKS_PER_S)


@dataclass(frozen=True)
class Cores:
    """Which cores the workers have, and which the rest has: the same ones where there are no more than two."""

    workers: frozenset[int]
    rest: frozenset[int]

    @classmethod
    def of_this_machine(cls, workers: int) -> Self:
        """So many for the workers and the others for the broker, or all of them for everybody."""
        if not hasattr(os, "sched_getaffinity"):
            every = frozenset(range(os.cpu_count() or 1))
            return cls(every, every)
        every = frozenset(os.sched_getaffinity(0))
        if len(every) <= workers:
            return cls(every, every)
        chosen = frozenset(sorted(every)[:workers])
        return cls(chosen, every - chosen)

    @property
    def are_shared(self) -> bool:
        """Whether broker and workers compete."""
        return self.workers == self.rest


@contextmanager
def on(cores: frozenset[int]) -> Iterator[None]:
    """What is started inside, from this thread, runs on these cores only."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    had = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, had)
