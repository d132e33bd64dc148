"""Processes held to a share of a core, so that others on the same cores have theirs. Linux with cgroup v1, as root."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PERIOD_US: Final = 10_000
"""Short, so that a process that has used its share waits for milliseconds only."""


@contextmanager
def held_to(share: float) -> Iterator[Callable[[int], None]]:
    """Gives what holds a process, by its id, to so much of a core. Raises SystemExit where that can't be done here."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    found = [
        Path(at) for _, at, kind, options, *_ in mounts if kind == "cgroup" and "cpu" in options.split(",")
    ]
    if not found or not os.access(found[0], os.W_OK):
        raise SystemExit(
            "--hold-to needs a cgroup v1 cpu controller that can be written: root on such a machine"
        )
    folder = found[0] / f"watchkeeper-bench-{os.getpid()}"
    folder.mkdir()

    def hold(pid: int) -> None:
        group = folder / str(pid)
        group.mkdir()
        (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(round(share * PERIOD_US)))
        (group / "cgroup.procs").write_text(str(pid))

    try:
        yield hold
    finally:
        for group in [*(path for path in folder.iterdir() if path.is_dir()), folder]:
            group.rmdir()
