"""Keeps the quarters of an hour counted in ClickHouse (docs/rollups.md). Every method is idempotent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import msgspec

from monitor.adapters.clickhouse import ClickHouse
from monitor.rollups.cutting import batches, slices

MARKS_TABLE: Final = "rollup_marks"
SETTLED_AFTER: Final = timedelta(minutes=3)
"""So long before the mark, what was written is looked at again: an insert is visible at its end, and counts by its beginning. No
insert that is acknowledged takes longer (WATCHKEEPER_CLICKHOUSE__TIMEOUT_S), and servers' clocks differ by less."""
MOST_WRITTEN: Final = 1_000_000
"""Rows whose events are looked up at once: 8 bytes each, and a set of them."""
MOST_SLICES: Final = 8
"""More looks than that, each at all events, cost more than to count all that there is."""
MOST_COUNTED: Final = 4_000_000
"""Rows that are counted at once, some 100 bytes each; each batch looks for its events among all, so there should be few."""
MOST_QUARTERS: Final = 200
MOST_COPIED: Final = 2_000_000
"""Old rows that are copied at once, about."""
_HASHES: Final = 1 << 64
_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


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
    """What one refresh did: `quarters` counted anew from `rows`; it holds for what was written before `until`."""

    until: datetime
    quarters: int
    rows: int


def always() -> bool:
    """Nobody else may take over."""
    return True


@dataclass(frozen=True, slots=True)
class Rollups:
    """The quarters of one store. `is_ours` is asked before each step that writes: false ends the work early, harmlessly."""

    store: ClickHouse
    is_ours: Callable[[], bool] = always
    most_written: int = MOST_WRITTEN
    most_slices: int = MOST_SLICES
    most_counted: int = MOST_COUNTED

    async def reach(self) -> Reach:
        """How far it is."""
        (row,) = await self.store.query("rollup_marks")
        return Reach(row["now"], row["counted"], row["filled"] is not None, row["stored"])

    async def refresh(self) -> Counted | None:
        """Count all quarters anew of which something was written since the last time. None where `is_ours` ended it."""
        reach = await self.reach()
        if not reach.is_filled:
            if not await self.fill():
                return None
            reach = await self.reach()
        since = max(_EVER, reach.counted - SETTLED_AFTER) if reach.counted is not None else _EVER
        written = [
            (row["second"], row["row_count"])
            for row in await self.store.query("rollup_written", since=since, until=reach.now)
        ]
        spans = slices(written, reach.now, most_rows=self.most_written)
        touched: set[datetime] = set()
        for begin, end in spans if len(spans) <= self.most_slices else ():
            rows = await self.store.query("rollup_touched", since=max(begin, since), until=end)
            touched |= {row["begins_at"] for row in rows}
        if len(spans) > self.most_slices:
            touched = await self._all(_EVER)
        counted = await self._count(touched, reach.now)
        if counted is not None and self.is_ours():
            await self._note("counted", reach.now)
        return counted

    async def rebuild(self, since: datetime) -> Counted | None:
        """Copy all rows again and count all quarters from `since` anew. Where rows have expired, what was counted stands."""
        if not await self.fill():
            return None
        now = (await self.reach()).now
        return await self._count(await self._all(since), now)

    async def fill(self) -> bool:
        """Copy rows that were stored before there were quarters. Whether it came to its end."""
        reach = await self.reach()
        step = _HASHES // (1 + reach.stored // MOST_COPIED) + 1
        for first in range(0, _HASHES if reach.stored else 0, step):
            if not self.is_ours():
                return False
            await self.store.run("copy_occurrences", first=first, last=min(first + step, _HASHES) - 1)
        await self._note("filled", reach.now)
        return True

    async def _all(self, since: datetime) -> set[datetime]:
        rows = await self.store.query("rollup_quarters", since=max(_EVER, since.replace(microsecond=0)))
        return {row["begins_at"] for row in rows}

    async def _count(self, quarters: Iterable[datetime], until: datetime) -> Counted | None:
        wanted = sorted(quarters)
        sizes: dict[datetime, int] = {}
        for at in range(0, len(wanted), MOST_QUARTERS):
            found = await self.store.query("rollup_sizes", quarters=wanted[at : at + MOST_QUARTERS])
            sizes |= {row["begins_at"]: row["row_count"] for row in found}
        for batch in batches(wanted, sizes, most_rows=self.most_counted, most_quarters=MOST_QUARTERS):
            for statement in ("count_quarters", "count_quality", "count_patterns"):
                if not self.is_ours():
                    return None
                await self.store.run(statement, quarters=batch)
        return Counted(until, len(wanted), sum(sizes.values()))

    async def _note(self, name: Literal["counted", "filled"], until: datetime) -> None:
        row = {"name": name, "until": until}
        await self.store.insert_into(MARKS_TABLE, [msgspec.json.encode(row)])
