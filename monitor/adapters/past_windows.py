"""Windows of the past to replay the watch on: those that were closed, and before them, or by another time, counted from rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from monitor.adapters.windows import WatchTables, by_tile, counted
from monitor.drift.history import EPOCH, floor, microseconds, tiles
from monitor.drift.remembering import added_up
from schemas.windows import Window

By = Literal["arrival", "occurred"]
COUNTED_AT_ONCE: Final = timedelta(hours=6)
COUNTED_AT_ONCE_BY_OCCURRENCE: Final = timedelta(days=1)
"""Rows aren't in order of occurrence: each count reads all of them."""


@dataclass(slots=True)
class PastWindows:
    """The windows of [since, until), in order, at least `width` wide where that is given, else as they closed (and
    `counted_width` wide where they are counted). `closed` and `counted`: how many of each have been read so far."""

    tables: WatchTables
    by: By
    width: timedelta | None
    counted_width: timedelta
    closed: int = 0
    counted: int = 0
    _waiting: list[Window] = field(default_factory=list)

    async def range(self, since: datetime, until: datetime) -> tuple[datetime, datetime] | None:
        """From when to when there is something in [since, until); None where nothing is."""
        found = await self.tables.store.query(
            "history_range",
            topic=self.tables.topic,
            since=since,
            until=until,
            by_occurrence=self.by == "occurred",
        )
        spans = [(row["first"], row["last"]) for row in found]
        if self.by == "arrival":
            async for window in self.tables.windows(since, until):
                last = await self.tables.last_end() or window.ends_at
                spans.append((window.begins_at, min(last, until)))
                break
        return (min(first for first, _ in spans), max(last for _, last in spans)) if spans else None

    async def windows(self, since: datetime, until: datetime) -> AsyncIterator[Window]:
        """One after the other. Raises what the store raises."""
        async for window in self._all(since, until):
            if self.width is None:
                yield window
                continue
            if self._waiting and floor(self._waiting[0].begins_at, self.width) != floor(
                window.begins_at, self.width
            ):
                yield added_up(self._waiting)
                self._waiting.clear()
            self._waiting.append(window)
        if self._waiting:
            yield added_up(self._waiting)
            self._waiting.clear()

    async def _all(self, since: datetime, until: datetime) -> AsyncIterator[Window]:
        if self.by == "occurred":
            async for window in self._counted(since, until, COUNTED_AT_ONCE_BY_OCCURRENCE):
                yield window
            return
        first: datetime | None = None
        async for window in self.tables.windows(since, until):
            if first is None:
                first = window.begins_at
                async for earlier in self._counted(since, first, COUNTED_AT_ONCE):
                    yield earlier
            self.closed += 1
            yield window
        if first is None:
            async for window in self._counted(since, until, COUNTED_AT_ONCE):
                yield window

    async def _counted(self, since: datetime, until: datetime, at_once: timedelta) -> AsyncIterator[Window]:
        begin = since
        width = self.width or self.counted_width
        while begin < until:
            end = min(floor(begin, width) + max(at_once // width, 1) * width, until)
            for window in await self._count(begin, end, width):
                self.counted += 1
                yield window
            begin = end

    async def _count(self, since: datetime, until: datetime, width: timedelta) -> list[Window]:
        if self.by == "arrival":
            return await self.tables.count(since, until, width)
        rows = by_tile(
            await self.tables.store.query(
                "watch_cells_by_occurrence", since=since, until=until, tile_us=microseconds(width)
            )
        )
        return [
            Window(
                begins_at=begins_at,
                ends_at=ends_at,
                rows=tuple(map(counted, rows.get((begins_at - EPOCH) // width, ()))),
                messages=0,
                dead_letters=0,
            )
            for begins_at, ends_at in tiles(since, until, width)
        ]
