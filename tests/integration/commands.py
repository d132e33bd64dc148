"""`watchkeeper` run as a person runs it: a process of its own, with an environment of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Done:
    """What a command left: its exit code and what it said."""

    code: int
    out: str
    err: str


async def begin(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    stdin: int = asyncio.subprocess.DEVNULL,
    *,
    stdout: int = asyncio.subprocess.PIPE,
) -> asyncio.subprocess.Process:
    """Start a command; no setting of ours is in its environment but those given, nor how wide the terminal of the tests is."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("WATCHKEEPER_") and name != "COLUMNS"
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "monitor.cli",
        *arguments,
        cwd=REPOSITORY,
        env={**inherited, **environment},
        stdin=stdin,
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
    )


async def watchkeeper(
    arguments: Sequence[str], environment: Mapping[str, str], stdin: bytes | None = None
) -> Done:
    """Run a command to its end."""
    pipe = asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE
    process = await begin(arguments, environment, pipe)
    out, err = await process.communicate(stdin)
    return Done(process.returncode or 0, out.decode(), err.decode())
