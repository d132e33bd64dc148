"""What watching needs of the world: one Protocol a role. monitor/adapters/windows.py implements them on ClickHouse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from monitor.drift.needs import Need
from schemas.alerts import Alert
from schemas.windows import Window


class Counting(Protocol):
    """Counts what is stored. Raises Retryable or Misconfigured, as all of these do."""

    async def count(self, since: datetime, until: datetime, width: timedelta) -> Sequence[Window]:
        """[since, until) in windows that end at the multiples of `width` since 1970, counted from the rows as they are now.
        An empty window is among them."""
        ...


class WindowLog(Protocol):
    """The closed windows, which never change."""

    async def close(self, window: Window) -> None:
        """Write it, unless one that begins then stands already: the first write counts, whatever comes after."""
        ...

    def windows(self, since: datetime, until: datetime) -> AsyncIterator[Window]:
        """Those that begin in [since, until), in order, as they stand; none overlaps another."""
        ...

    async def last_end(self) -> datetime | None:
        """Where the last one ends; None where there is none."""
        ...


class History(Protocol):
    """Looks back for the watch."""

    async def history(self, need: Need) -> tuple[Window, ...]:
        """What it asks for, in order."""
        ...

    async def event_ids(self, alert: Alert) -> list[str]:
        """A few ids of events that the alert is about, the same ones whenever it is asked; for dead letters, which have no
        ids, places of messages."""
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A state of the watch that was kept: it knows of all windows that end at `position` or before."""

    slot: int
    position: datetime
    version: str
    written_at: datetime
    size_bytes: int


class StateStore(Protocol):
    """Keeps the last few states of the watch."""

    async def keep(self, position: datetime, state: bytes, *, slot: int) -> None:
        """Keep a state, in place of what is in that slot."""
        ...

    async def checkpoints(self) -> Sequence[Checkpoint]:
        """Those that are kept, the one that goes furthest first."""
        ...

    async def state(self, checkpoint: Checkpoint) -> bytes | None:
        """Its state; None where it has been replaced, or isn't even base64."""
        ...


class WatchStore(Counting, WindowLog, History, StateStore, Protocol):
    """All of it."""
