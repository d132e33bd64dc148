"""CPU time of the broker and of the whole machine, from Linux's /proc; None elsewhere."""

from __future__ import annotations

import os
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


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
