"""A part of the embedded stack: one server process with its own folder, ports and log, that can be killed and restarted.

Parts don't know of one another. All waiting is bounded; what ends too early or isn't ready in time is told with the
last lines of its log and a remedy.
"""

from __future__ import annotations

import asyncio
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

from monitor.embedded.free_ports import free_ports, is_free
from monitor.embedded.process import TetheredProcess, launched
from monitor.embedded.progress import OnProgress, Phase, Progress, unheard
from monitor.errors import Misconfigured, Retryable

POLL_S: Final = 0.05
WATCH_S: Final = 0.2
LOG_KEPT_BYTES: Final = 20 * 1024 * 1024
PORT_TRIES: Final = 4
PORT_TAKEN: Final = (
    "bindexception",
    "already in use",
    "failed to bind",
    "errno 98",
    "unable to bind",
)
REMEDIES: Final = (
    ("no space left on device", "free some disk space where the data folder lies"),
    ("could not reserve enough space", "lower WATCHKEEPER_EMBEDDED__BROKER_HEAP_MB, or free some memory"),
    ("cannot allocate memory", "free some memory"),
    ("outofmemory", "raise WATCHKEEPER_EMBEDDED__BROKER_HEAP_MB, or free some memory"),
    ("permission denied", "make the data folder yours and writable"),
    ("read-only file system", "choose a data folder on a writable disk (WATCHKEEPER_EMBEDDED__DATA)"),
    ("failed to acquire lock", "another process uses this folder: end it, or choose another data folder"),
)


@dataclass(frozen=True)
class Command:
    """How to run a part. `environment` adds to ours; the files whose path begins with `scratch` go with the process."""

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    scratch: str | None = None


class Part(ABC):
    """Start, stop, kill, restart; `async with` starts and stops."""

    name: ClassVar[str]
    port_names: ClassVar[tuple[str, ...]]
    ready_within_s: float = 120.0  # a busy machine may take long; one that ended is noticed at once
    grace_s: float = 15.0

    def __init__(
        self, folder: Path, *, on_progress: OnProgress = unheard, ports: Mapping[str, int] | None = None
    ) -> None:
        """`folder` is the part's own and is made if missing. `ports` are taken if free; what is missing is chosen."""
        self.folder = folder
        self.log = folder / f"{self.name}.log"
        self.ports: dict[str, int] = free_ports(self.port_names, ports)
        self.facts: dict[str, str] = {}
        self.hold: tuple[int, ...] = ()
        self._on_progress = on_progress
        self._process: TetheredProcess | None = None
        self._log_from = 0
        self._has_been_ready = False
        self._changing = asyncio.Lock()
        self.is_wanted = False
        """Whether it was last told to start rather than to stop; stays true when it dies."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Where clients reach it."""

    @abstractmethod
    async def _command(self) -> Command:
        """How to run it on `self.ports`; may prepare the folder first."""

    @abstractmethod
    async def _probe(self) -> bool:
        """Ask it, as a client would, whether it serves. False or Retryable or OSError: not yet."""

    @property
    def pid(self) -> int | None:
        """The server's own process id while it runs."""
        return self._process.pid if self._process is not None and self.is_running else None

    @property
    def is_running(self) -> bool:
        """Whether its process is there (it may not be ready yet)."""
        return self._process is not None and self._process.exit_code is None

    @property
    def exit_code(self) -> int | None:
        """How the last process ended: its code, or 128 + the signal; None while it runs or before it ever did."""
        return None if self._process is None else self._process.exit_code

    async def start(self) -> None:
        """Return once it serves. Does nothing if it runs.

        Raises Misconfigured with the end of its log if it ends or isn't ready in time. The ports stay what they were
        once it has served, so that clients find it again; before that, a port taken by others is exchanged.
        """
        async with self._changing:
            self.is_wanted = True
            if not self.is_running:
                await self._start()

    async def _start(self) -> None:
        began = time.monotonic()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise Misconfigured(
                f"the folder {self.folder} of {self.name} can't be made: {exc.strerror}",
                "choose another data folder (WATCHKEEPER_EMBEDDED__DATA)",
            ) from exc
        for attempt in range(1, PORT_TRIES + 1):
            if not self._has_been_ready:
                still_free = {name: port for name, port in self.ports.items() if is_free(port)}
                self.ports = free_ports(self.port_names, still_free)
            command = await self._command()
            self._tell(
                "starting", {"ports": ", ".join(f"{name} {port}" for name, port in self.ports.items())}
            )
            await self._launch(command)
            try:
                await self._until_ready()
            except Misconfigured:
                taken = any(sign in self.tail().lower() for sign in PORT_TAKEN)
                if not taken or self._has_been_ready or attempt == PORT_TRIES:
                    raise
                self.ports = free_ports(self.port_names)
            else:
                break
        self._has_been_ready = True
        self.facts["start_s"] = f"{time.monotonic() - began:.2f}"
        self._tell("ready", {"address": self.address, **self.facts})

    async def stop(self) -> None:
        """Ask it to end, kill it after `grace_s`; return when it and all it started are gone."""
        self.is_wanted = False
        async with self._changing:
            if self._process is None:
                return
            if not self.is_running:
                await self._process.gone()
                return
            self._tell("stopping")
            await self._process.stop()
            self._tell("stopped")

    async def kill(self) -> None:
        """End it as a crash would; return when it and all it started are gone."""
        if self._process is not None:
            await self._process.kill()

    async def died(self) -> int:
        """Wait until it has ended though it was wanted. Returns its exit code."""
        while True:
            code = self.exit_code
            if code is not None and self.is_wanted and not self._changing.locked():
                return code
            await asyncio.sleep(WATCH_S)

    async def restart(self) -> None:
        """Stop it if it runs, and start it on the same ports and data."""
        await self.stop()
        await self.start()

    def tail(self, lines: int = 20) -> str:
        """The last lines that the present (or last) process logged."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(self._log_from, self.log.stat().st_size - 400 * lines))
                text = log.read().decode("utf-8", "replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def has_logged(self, text: str) -> bool:
        """Whether the present (or last) process has logged this. Reads all it logged since its start."""
        try:
            with self.log.open("rb") as log:
                log.seek(self._log_from)
                return text.encode() in log.read()
        except OSError:
            return False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def _launch(self, command: Command) -> None:
        self._turn_log()
        self._process = await launched(
            command.arguments,
            self.log,
            environment={**os.environ, **command.environment},
            grace_s=self.grace_s,
            scratch=command.scratch,
            hold=self.hold,
        )

    async def _until_ready(self) -> None:
        deadline = time.monotonic() + self.ready_within_s
        try:
            while not await self._serves():
                if not self.is_running:
                    raise self._failed(f"{self.name} ended with code {self.exit_code} while it started")
                if time.monotonic() > deadline:
                    raise self._failed(f"{self.name} was not ready within {self.ready_within_s:.0f} s")
                await asyncio.sleep(POLL_S)
        except BaseException:
            if self._process is not None:
                await self._process.stop()
            raise

    async def _serves(self) -> bool:
        try:
            return await asyncio.wait_for(self._probe(), 5.0)
        except (Retryable, OSError, TimeoutError):
            return False

    def last_words(self) -> str:
        """What its log says last, for a person who asks why it ended."""
        return self.tail()

    def _failed(self, what: str) -> Misconfigured:
        tail = self.last_words()
        remedy = next((remedy for sign, remedy in REMEDIES if sign in tail.lower()), f"read {self.log}")
        return Misconfigured(f"{what}; its last words:\n{tail or '(none)'}", remedy)

    def _turn_log(self) -> None:
        """Keep the log bounded: at a start, a long one becomes the one previous."""
        try:
            if self.log.stat().st_size > LOG_KEPT_BYTES:
                self.log.replace(self.log.with_suffix(".log.1"))
            self._log_from = self.log.stat().st_size
        except OSError:
            self._log_from = 0

    def _tell(self, phase: Phase, facts: Mapping[str, str] | None = None) -> None:
        self._on_progress(Progress(self.name, phase, facts or {}))


async def accepts(port: int) -> bool:
    """Whether anybody takes connections on this loopback port: cheap and silent, before a real client asks."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
