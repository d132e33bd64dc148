"""The real guard model with faults around it, for a real Triton to serve."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Final

MODEL: Final = Path(__file__).resolve().parents[3] / "triton_models" / "guard_lite"
SHIM: Final = Path(__file__).with_name("guard_shim.py")
KINDS: Final = ("fail_requests", "fail_batches", "die")


class FaultyGuard:
    """A model repository whose guard_lite fails as told. Made by `make_repository`.

    Faults are consumed exactly once, whichever of the model's processes comes first, and stay so when Triton restarts.
    """

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self._folder = repository / "guard_lite" / "1" / "faults"
        self._round = 0

    def set(
        self, *, slow_s: float = 0.0, fail_requests: int = 0, fail_batches: int = 0, die: bool = False
    ) -> None:
        """From the next execution on, and in place of what was set before.

        `slow_s`: sleep that long in each execution. `fail_requests`: answer so many requests with an error, the others
        of their batch as ever. `fail_batches`: raise in so many executions. `die`: end one model process, without a word.
        """
        self._round += 1
        control = {
            "round": self._round,
            "slow_s": slow_s,
            "fail_requests": fail_requests,
            "fail_batches": fail_batches,
            "die": int(die),
        }
        written = self._folder / "control.new"
        written.write_text(json.dumps(control), encoding="utf-8")
        written.replace(self._folder / "control.json")  # whole or not at all

    def done(self) -> dict[str, int]:
        """What the model says it did since it was made: how often each of slow, fail_requests, fail_batches and die."""
        counted = Counter((self._folder / "done").read_text(encoding="ascii").split())
        return {kind: counted[kind] for kind in ("slow", *KINDS)}


def make_repository(folder: Path, *, stages: str = "both") -> FaultyGuard:
    """Copy guard_lite with these stages into `folder` (made if missing), its model.py wrapped by the shim. No fault is set."""
    copy = folder / "guard_lite"
    shutil.copytree(MODEL, copy, ignore=shutil.ignore_patterns("__pycache__", "own", "*.md"))
    config = copy / "config.pbtxt"
    config.write_text(
        config.read_text(encoding="utf-8").replace('string_value: "both"', f'string_value: "{stages}"'),
        encoding="utf-8",
    )
    version = copy / "1"
    (version / "model.py").rename(version / "real_model.py")
    shutil.copyfile(SHIM, version / "model.py")
    (version / "faults").mkdir()
    (version / "faults" / "done").touch()
    guard = FaultyGuard(folder)
    guard.set()
    return guard
