"""What one run says of itself: one JSON line on stdout, from a process of its own."""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import dataclass, field


@dataclass
class Stopwatch:
    """Starts at the first message that a runner holds, so that joining the group isn't measured."""

    wall_s: float | None = None
    cpu_s: float = field(default=0.0)

    def start_once(self) -> None:
        """Start, if it isn't running."""
        if self.wall_s is None:
            self.wall_s, self.cpu_s = time.perf_counter(), time.process_time()

    def report(self, events: int) -> None:
        """Print the figures of the run: everything is durable and acknowledged now."""
        if self.wall_s is None:
            raise RuntimeError("the run saw no message")
        result = {
            "events": events,
            "wall_s": time.perf_counter() - self.wall_s,
            "cpu_s": time.process_time() - self.cpu_s,
            "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()
