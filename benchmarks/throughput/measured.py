"""What one run says of itself: one JSON line on stdout, from a process of its own."""

from __future__ import annotations

import dataclasses
import json
import resource
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Figures:
    """One run of one peer. `cpu_s` is user and system time of its process, all threads and children."""

    events: int
    wall_s: float
    cpu_s: float
    peak_rss_mb: float

    @property
    def per_cpu_s(self) -> float:
        """Events a CPU second."""
        return self.events / self.cpu_s

    @property
    def per_wall_s(self) -> float:
        """Events a second."""
        return self.events / self.wall_s


def cpu_s() -> float:
    """User and system time of this process, all its threads, and its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def peak_rss_mb() -> float:
    """The most memory this process held. Not `ru_maxrss` where it can be helped: a child inherits its parent's."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024


@dataclass
class Stopwatch:
    """Starts when the partitions are the runner's own, so that starting and joining the group isn't measured."""

    wall_s: float | None = None
    cpu_s: float = field(default=0.0)

    def start_once(self) -> None:
        """Start, if it isn't running."""
        if self.wall_s is None:
            self.wall_s, self.cpu_s = time.perf_counter(), cpu_s()

    def report(self, events: int) -> None:
        """Print the figures of the run: everything is durable and acknowledged now."""
        if self.wall_s is None:
            raise RuntimeError("the run had no partition")
        figures = Figures(events, time.perf_counter() - self.wall_s, cpu_s() - self.cpu_s, peak_rss_mb())
        sys.stdout.write(json.dumps(dataclasses.asdict(figures)) + "\n")
        sys.stdout.flush()
