"""The stack's data folder: one stack at a time, and the ports it had last time."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from monitor.embedded.process import process_started
from monitor.errors import Misconfigured

LOCK: Final = "lock"
PORTS: Final = "ports.json"
STOPPING_WITHIN_S: Final = 45.0


async def take(folder: Path) -> int:
    """Make the folder if it is missing and lock it. Returns the descriptor that holds the lock.

    The parts inherit it, so the folder stays locked until the last of them is gone, even if their owner was killed;
    such an end is waited for. Raises Misconfigured if another stack runs here, or the folder can't be used.
    """
    if sys.platform == "win32":
        raise Misconfigured(
            "the embedded stack doesn't run on Windows itself",
            "use it in WSL 2, or point the settings at real parts",
        )
    from monitor.embedded.locks import try_lock

    try:
        _make(folder)
        deadline = time.monotonic() + STOPPING_WITHIN_S
        while (descriptor := try_lock(folder / LOCK)) is None:
            pid, is_alive = _owner(folder)
            if is_alive or time.monotonic() > deadline:
                raise Misconfigured(
                    f"an embedded stack runs on this folder already: {folder} (process {pid or 'unknown'})",
                    "commands find the running one by themselves; to start another, name another folder in "
                    "WATCHKEEPER_EMBEDDED__DATA; to end it, press Ctrl-C where it runs, or `kill` that process",
                )
            await asyncio.sleep(0.1)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {process_started(os.getpid())}\n".encode(), 0)
    except OSError as exc:
        raise Misconfigured(
            f"the data folder {folder} can't be used: {exc.strerror}",
            "make it writable, or name another in WATCHKEEPER_EMBEDDED__DATA",
        ) from exc
    return descriptor


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


def _owner(folder: Path) -> tuple[str, bool]:
    """Who holds the lock, and whether that process is still there. Unknown counts as there."""
    try:
        pid, _, started = (folder / LOCK).read_text(encoding="ascii").strip().partition(" ")
        return pid, process_started(int(pid)) == started
    except (OSError, ValueError):
        return "", True


def remembered_ports(folder: Path) -> dict[str, dict[str, int]]:
    """The ports by part and name that the last stack on this folder had; empty if there was none."""
    try:
        ports: dict[str, dict[str, int]] = json.loads((folder / PORTS).read_text(encoding="utf-8"))
        return {str(part): {str(name): int(port) for name, port in of.items()} for part, of in ports.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def remember_ports(folder: Path, ports: Mapping[str, Mapping[str, int]]) -> None:
    """Keep the ports for the next stack on this folder, so that what points at it (Grafana, a shell) still does."""
    (folder / PORTS).write_text(json.dumps({part: dict(of) for part, of in ports.items()}), encoding="utf-8")
