"""The workers of the embedded stack: `python -m workers` against the stack's addresses."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from monitor.embedded.part import Command, Part
from monitor.embedded.progress import OnProgress, unheard

READY: Final = "workers ready"


class WorkersPart(Part):
    """One process with all the roles. It listens nowhere; `address` is its log."""

    name: ClassVar[str] = "workers"
    port_names: ClassVar[tuple[str, ...]] = ()
    ready_within_s: ClassVar[float] = 120.0

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        roles: Sequence[str] = ("moderation", "storage"),
        drain_s: float = 20.0,
        on_progress: OnProgress = unheard,
    ) -> None:
        """`environment` holds the WATCHKEEPER_* variables that say where the parts are."""
        super().__init__(folder, on_progress=on_progress)
        self.grace_s = drain_s + 10.0
        self._environment = dict(environment)
        self._roles = tuple(roles)

    @property
    def address(self) -> str:
        return str(self.log)

    async def _command(self) -> Command:
        self.facts |= {"roles": ", ".join(self._roles)}
        arguments = [sys.executable, "-m", "workers", "--roles", ",".join(self._roles)]
        return Command(arguments, {**self._environment, "PYTHONUNBUFFERED": "1"})

    async def _probe(self) -> bool:
        return self.has_logged(READY)
