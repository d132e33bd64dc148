"""One process of ours on its tether, and what the operating system says of a process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

TETHER: Final = Path(__file__).with_name("tether.py")
POLL_S: Final = 0.02


class TetheredProcess:
    """A running command that ends with us, whatever ends us. Made by `launch`."""

    def __init__(self, tether: subprocess.Popen[bytes], pid: int) -> None:
        self._tether = tether
        self.pid = pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; then its code, 128 + n if signal n ended it."""
        code = self._tether.poll()
        return None if code is None else (128 - code if code < 0 else code)

    async def gone(self) -> int:
        """Wait until the command and all it started are gone. Returns the exit code."""
        while (code := self.exit_code) is None:  # noqa: ASYNC110  # a child's end makes no event without a watcher
            await asyncio.sleep(POLL_S)
        self._release()
        return code

    async def stop(self) -> int:
        """Ask it to end (SIGTERM), kill it after its grace; wait until all of it is gone. Returns the exit code."""
        if self._tether.stdin is not None and not self._tether.stdin.closed:
            with suppress(BrokenPipeError):
                self._tether.stdin.write(b"stop")
                self._tether.stdin.flush()
        return await self.gone()

    async def kill(self) -> int:
        """End it as a crash would (SIGKILL, nothing flushed); wait until all of it is gone."""
        if self.exit_code is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return await self.gone()

    def _release(self) -> None:
        for pipe in (self._tether.stdin, self._tether.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # what a dead tether was not told
                    pipe.close()


def launch(
    command: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str],
    grace_s: float,
    scratch: str | None = None,
    hold: Sequence[int] = (),
) -> TetheredProcess:
    """Start a command on a tether, its output appended to `log`. Blocks some 30 ms.

    `grace_s`: how long it may take to end when asked. `scratch`: files whose path begins so are removed when all is
    gone. `hold`: file descriptors (locks) that stay open until all is gone.
    """
    options = ["--grace", str(grace_s)]
    if scratch is not None:
        options += ["--scratch", scratch]
    with log.open("ab") as output:
        tether = subprocess.Popen(  # our own command, no shell
            [sys.executable, "-I", "-S", str(TETHER), *options, "--", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            env=dict(environment),
            pass_fds=tuple(hold),
            start_new_session=True,
        )
    if tether.stdout is None:
        raise RuntimeError("the tether was started without a pipe")
    word, _, pid = tether.stdout.readline().decode("ascii", "replace").strip().partition(" ")
    return TetheredProcess(tether, int(pid) if word == "pid" else tether.pid)


async def launched(
    command: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str],
    grace_s: float,
    scratch: str | None = None,
    hold: Sequence[int] = (),
) -> TetheredProcess:
    """As `launch`, beside the event loop. If we are cancelled meanwhile, nothing is left running."""
    launching = asyncio.ensure_future(
        asyncio.to_thread(
            launch, command, log, environment=environment, grace_s=grace_s, scratch=scratch, hold=hold
        )
    )
    try:
        return await asyncio.shield(launching)
    except asyncio.CancelledError:
        await (await launching).kill()
        raise


def process_started(pid: int) -> str | None:
    """When the process with this id started, in a form that only serves comparison; None if there is none.

    A pid alone may have been given to another process since.
    """
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in {"Z", "X"} else fields[19]
    listing = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return listing.stdout.strip() or None


def resident_bytes(pid: int) -> int | None:
    """Memory the process holds in RAM; None if it can't be told."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return None
