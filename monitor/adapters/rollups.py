"""Keeps the quarters of an hour counted in ClickHouse (docs/rollups.md). Every method is idempotent."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf
from typing import Final, Literal

import msgspec

from monitor.adapters.clickhouse import ClickHouse
from monitor.rollups.cutting import batches, slices
from monitor.rollups.waiting import EVER, Waiting, Written

MARKS_TABLE: Final = "rollup_marks"
WAY: Final = 1
"""In which way quarters are counted: raised whenever what is counted of a row changes. What was counted in another way is counted anew, once,
by the first refresh."""
MOST_WRITTEN: Final = 1_000_000
"""Rows whose events are looked up at once: 8 bytes each, and a set of them."""
MOST_SLICES: Final = 8
"""More looks than that, each at all events, cost more than to count all that there is."""
MOST_COUNTED: Final = 1_000_000
"""Rows that are counted at once, some 100 bytes each."""
MOST_QUARTERS: Final = 200
MOST_EAGER: Final = 500_000
"""Rows of quarters that should be left alone for a while which a refresh counts nevertheless: a second's work. So small stores are up to date,
and in a large one old logs cost no more than that."""
MOST_COPIED: Final = 2_000_000
"""Old rows that are copied at once, about."""
LEAST_BATCHES: Final = 2
"""So many a refresh counts, however slow the store is: that with the quarter that goes on, and that of those which wait longest. With one alone the
quarter that goes on would keep all others from being counted."""
_HASHES: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class Reach:
    """How far quarters are counted: what was written before `counted`, by the server's time, which is `now`; None: nothing yet.
    `is_filled`: rows from before there were quarters are among them. `stored`: rows of verdicts, each delivery."""

    now: datetime
    counted: datetime | None
    is_filled: bool
    stored: int = 0


@dataclass(frozen=True, slots=True)
class Counted:
    """What one refresh did: `quarters` counted anew from `rows`. What was written before `until` is counted (None: nothing for sure), which is
    `behind_s` ago; `waiting`: quarters that are left alone for a while, or for which there was no time."""

    until: datetime | None
    quarters: int
    rows: int
    waiting: int = 0
    behind_s: float = 0.0


def always() -> bool:
    """Nobody else may take over."""
    return True


@dataclass(frozen=True, slots=True)
class Rollups:
    """The quarters of one store. `is_ours` is asked before each step that writes: false ends the work early, harmlessly. A refresh begins
    nothing more once it has taken `at_most_s` and counted LEAST_BATCHES: the next one goes on."""

    store: ClickHouse
    is_ours: Callable[[], bool] = always
    at_most_s: float = inf
    most_written: int = MOST_WRITTEN
    most_slices: int = MOST_SLICES
    most_counted: int = MOST_COUNTED
    most_eager: int = MOST_EAGER
    waiting: Waiting = field(default_factory=Waiting)
    monotonic_s: Callable[[], float] = time.monotonic

    async def reach(self) -> Reach:
        """How far it is."""
        (row,) = await self.store.query("rollup_marks", way=WAY)
        return Reach(row["now"], row["counted"], row["filled"] is not None, row["stored"])

    async def refresh(self, reach: Reach | None = None) -> Counted | None:
        """Count the quarters anew of which something was written since the last time, as far as they are due (`Waiting`). None where `is_ours`
        ended it. `reach`: how far it is, where that was asked just now."""
        reach = reach or await self.reach()
        if not reach.is_filled:
            if not await self.fill():
                return None
            reach = await self.reach()
        began_s = self.monotonic_s()
        now = reach.now
        written = await self._written(self.waiting.since(reach.counted), now)
        touched = await self._touched(self.waiting.fresh(written), now)
        self.waiting.touch(touched, reach.counted, now, seen=written)
        batches_counted, counted, rows = 0, 0, 0
        async for batch, size in self._wanted(now):
            spent_s = self.monotonic_s() - began_s
            if batches_counted >= LEAST_BATCHES and spent_s >= self.at_most_s:
                break
            if not await self._count(batch):
                return None
            for quarter in batch:
                self.waiting.counted(quarter, reach.now + timedelta(seconds=spent_s))
            batches_counted, counted, rows = batches_counted + 1, counted + len(batch), rows + size
        until = self.waiting.until()
        if until is not None and self.is_ours():
            await self._note("counted", until)
        behind_s = (reach.now - until).total_seconds() if until else 0.0
        return Counted(until, counted, rows, len(self.waiting), behind_s)

    async def rebuild(self, since: datetime) -> Counted | None:
        """Copy all rows again and count all quarters from `since` anew. Where rows have expired, what was counted stands."""
        if not await self.fill():
            return None
        now = (await self.reach()).now
        await self._note_all_moved()
        quarters, rows = sorted(await self._all(since)), 0
        async for batch, size in self._batches(quarters, self.most_counted):
            if not await self._count(batch):
                return None
            rows += size
        return Counted(now, len(quarters), rows)

    async def fill(self) -> bool:
        """Copy rows that were stored before there were quarters. Whether it came to its end."""
        reach = await self.reach()
        for first, last in self._parts_of(reach.stored):
            if not self.is_ours():
                return False
            await self.store.run("copy_occurrences", first=first, last=last)
        await self._note("filled", reach.now)
        return True

    def _parts_of(self, stored: int) -> list[tuple[int, int]]:
        """Spans of events' hashes with about MOST_COPIED of the `stored` rows each."""
        step = _HASHES // (1 + stored // MOST_COPIED) + 1
        return [(first, min(first + step, _HASHES) - 1) for first in range(0, _HASHES if stored else 0, step)]

    async def _written(self, since: datetime, until: datetime) -> list[Written]:
        rows = await self.store.query("rollup_written", since=since, until=until)
        return [Written(row["second"], row["row_count"], row["print"]) for row in rows]

    async def _touched(self, fresh: Sequence[Written], until: datetime) -> set[datetime]:
        """The quarters that something has come for with what was written in these seconds."""
        spans = slices([(one.second, one.rows) for one in fresh], until, most_rows=self.most_written)
        if len(spans) > self.most_slices:
            await self._note_all_moved()
            return await self._all(EVER)
        touched: set[datetime] = set()
        for begin, end in spans:
            await self.store.run("note_moved", since=begin, until=end)
            rows = await self.store.query("rollup_touched", since=begin, until=end)
            touched |= {row["begins_at"] for row in rows}
        return touched

    async def _note_all_moved(self) -> None:
        for first, last in self._parts_of((await self.reach()).stored):
            await self.store.run("note_all_moved", first=first, last=last)

    async def _all(self, since: datetime) -> set[datetime]:
        rows = await self.store.query("rollup_quarters", since=max(EVER, since.replace(microsecond=0)))
        return {row["begins_at"] for row in rows}

    async def _wanted(self, now: datetime) -> AsyncIterator[tuple[list[datetime], int]]:
        """Batches to count now, with their rows: of all quarters that are due, then one of those that are left alone, if it is small."""
        due, resting = self.waiting.split(now)
        async for batch, size in self._batches(due, self.most_counted):
            yield batch, size
        async for batch, size in self._batches(resting[:MOST_QUARTERS], self.most_eager):
            if size <= self.most_eager:
                yield batch, size
                return

    async def _batches(
        self, quarters: Sequence[datetime], most_rows: int
    ) -> AsyncIterator[tuple[list[datetime], int]]:
        """The quarters in this order, in batches that are counted at once, with the rows of each batch."""
        for first in range(0, len(quarters), MOST_QUARTERS):
            some = quarters[first : first + MOST_QUARTERS]
            found = await self.store.query("rollup_sizes", quarters=some)
            sizes: dict[datetime, int] = {row["begins_at"]: row["row_count"] for row in found}
            for batch in batches(some, sizes, most_rows=most_rows):
                yield batch, sum(sizes.get(one, 0) for one in batch)

    async def _count(self, quarters: Sequence[datetime]) -> bool:
        """Count these anew; whether it came to its end."""
        given = {"quarters": quarters, "counting": secrets.randbits(63)}
        await self.store.run("find_repeated", **given)
        for statement in ("count_quarters", "count_quality", "count_patterns"):
            if not self.is_ours():
                return False
            await self.store.run(statement, **given)
        return True

    async def _note(self, name: Literal["counted", "filled"], until: datetime) -> None:
        row = {"name": name, "until": until, "way": WAY}
        await self.store.insert_into(MARKS_TABLE, [msgspec.json.encode(row)])
