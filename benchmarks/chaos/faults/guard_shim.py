"""Stands in for guard_lite's model.py: the real one beside it, with the faults that `faults/control.json` asks for.

Runs in Triton's stub processes, one for each instance. A fault that may happen n times has n claims; whoever creates
a claim's file has it, so that no other instance, and none after a restart, does it again.
"""

from __future__ import annotations

import importlib.util
import json
import os
import time
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]  # only Triton's stub has it

FOLDER = Path(__file__).resolve().parent
FAULTS = FOLDER / "faults"


def _real_model() -> Any:
    spec = importlib.util.spec_from_file_location("real_model", FOLDER / "real_model.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"no model at {FOLDER / 'real_model.py'}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.TritonPythonModel()


class TritonPythonModel:
    """One instance."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the real model."""
        self._real = _real_model()
        self._real.initialize(args)
        self._read: tuple[int, int] = (0, 0)
        self._control: dict[str, Any] = {}
        self._next: dict[str, int] = {}
        self._is_warm = False

    def execute(self, requests: list[Any]) -> list[Any]:
        """The real answers, but for the faults. The first execution is Triton's warm-up, which nobody asked for."""
        if not self._is_warm:
            self._is_warm = True
            return list(self._real.execute(requests))
        self._look()
        if self._claims("die"):
            os._exit(1)
        if self._control["slow_s"] > 0:
            _say("slow")
            time.sleep(self._control["slow_s"])
        if self._claims("fail_batches"):
            raise RuntimeError("a fault was asked for: the whole batch")
        failed = [self._claims("fail_requests") for _ in requests]
        answers = iter(
            self._real.execute([r for r, fails in zip(requests, failed, strict=True) if not fails])
        )
        return [_failure() if fails else next(answers) for fails in failed]

    def _look(self) -> None:
        """Read the control file anew if it was replaced: two in the same tick differ by their inode."""
        stat = (FAULTS / "control.json").stat()
        if (stat.st_mtime_ns, stat.st_ino) != self._read:
            self._read = (stat.st_mtime_ns, stat.st_ino)
            self._control = json.loads((FAULTS / "control.json").read_text())
            self._next = dict.fromkeys(("die", "fail_batches", "fail_requests"), 0)

    def _claims(self, kind: str) -> bool:
        """Whether this fault is ours to do now."""
        while self._next[kind] < self._control[kind]:
            claim = FAULTS / f"{self._control['round']}-{kind}-{self._next[kind]}"
            self._next[kind] += 1
            try:
                os.close(os.open(claim, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            _say(kind)
            return True
        return False


def _failure() -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError("a fault was asked for: this request"))


def _say(what: str) -> None:
    """One write to a file opened for appending: whole, whoever else writes."""
    done = os.open(FAULTS / "done", os.O_WRONLY | os.O_APPEND)
    try:
        os.write(done, f"{what}\n".encode())
    finally:
        os.close(done)
