"""A worker process that can be killed, stopped, frozen and thawed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from monitor.embedded.process import TetheredProcess, launched
from monitor.embedded.workers import READY

POLL_S: Final = 0.05
GRACE_S: Final = 30.0  # as WorkersPart: time to drain what is in flight


class WorkerProcess:
    """`python -m workers`, which never outlives us: frozen or not, its tether ends it. Started once.

    Signals go to the worker itself. Those to a process that has ended already do nothing.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        log: Path,
        *,
        roles: Sequence[str] = ("moderation", "storage"),
        grace_s: float = GRACE_S,
    ) -> None:
        """`environment` holds the WATCHKEEPER_* variables: none of ours is inherited. `log` is appended to.

        `grace_s`: how long it may drain at a stop, or when we are gone, before it is killed.
        """
        self.log = log
        self._grace_s = grace_s
        self._environment = dict(environment)
        self._roles = tuple(roles)
        self._log_from = 0
        self._process: TetheredProcess | None = None

    @property
    def pid(self) -> int:
        """The worker's own process id, also after its end."""
        return self._started.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; then its code, 128 + n if signal n ended it."""
        return self._started.exit_code

    async def start(self) -> None:
        """Return once its process runs; it isn't ready then."""
        if self._process is not None:
            raise RuntimeError(f"the worker {self._process.pid} was started before; make another")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._log_from = self.log.stat().st_size if self.log.exists() else 0
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WATCHKEEPER_")}
        self._process = await launched(
            [sys.executable, "-m", "workers", "--roles", ",".join(self._roles)],
            self.log,
            environment={**inherited, **self._environment, "PYTHONUNBUFFERED": "1"},
            grace_s=self._grace_s,
        )

    async def wait_ready(self, within_s: float = 120.0) -> None:
        """Return once it has logged that it is ready. Raises RuntimeError if it ends first, TimeoutError if late."""
        async with asyncio.timeout(within_s):
            while not self.has_logged(READY):  # a log makes no event
                if self.exit_code is not None:
                    raise RuntimeError(
                        f"worker {self.pid} ended with code {self.exit_code} before it was ready: see {self.log}"
                    )
                await asyncio.sleep(POLL_S)

    def has_logged(self, text: str) -> bool:
        """Whether it has logged this since its start (a log file may be shared, one after the other)."""
        with self.log.open("rb") as log:
            log.seek(self._log_from)
            return text.encode() in log.read()

    def sigkill(self) -> None:
        """End it as a crash would."""
        self._signal(signal.SIGKILL)

    def sigterm(self) -> None:
        """Ask it to drain and end. A frozen one hears it when it is thawed."""
        self._signal(signal.SIGTERM)

    def freeze(self) -> None:
        """Stop all its threads where they are (SIGSTOP), its connections open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    async def gone(self) -> int:
        """Wait until it and all it started are gone. Returns the exit code."""
        return await self._started.gone()

    async def stop(self) -> int:
        """Thaw it, ask it to end, kill it after its grace. Returns the exit code."""
        self.thaw()
        return await self._started.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def _started(self) -> TetheredProcess:
        if self._process is None:
            raise RuntimeError("the worker was not started: await start() first")
        return self._process

    def _signal(self, number: signal.Signals) -> None:
        if self.exit_code is not None:
            return
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass
