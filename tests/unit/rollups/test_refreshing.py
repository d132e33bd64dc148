"""How a backlog is worked off, by a model of what the store's work costs: in a bounded order, whatever its speed, and to its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, cast

import pytest

from monitor.adapters.clickhouse import ClickHouse
from monitor.adapters.rollups import MOST_COUNTED, Rollups
from monitor.rollups.waiting import QUARTER, REST

BEGIN = datetime(2026, 5, 4, 12, 15, tzinfo=UTC)
EVERY_S = 30.0
OLD = [BEGIN - timedelta(days=7) + number * QUARTER for number in range(40)]
AHEAD = [BEGIN + timedelta(hours=2) + number * QUARTER for number in range(4)]
LIVE = 2_000
IN_EACH_OLD = 400_000


@dataclass
class SlowStore:
    """What Rollups asks of a store. Live traffic comes all the time; while `is_replayed`, rows come for every old quarter and for some of clocks
    that are ahead. To count takes `rows_a_s`, and so does to look."""

    rows_a_s: float
    is_replayed: bool = True
    clock_s: float = 0.0
    looked_s: float = 0.0
    mark: datetime = BEGIN
    counts: list[list[datetime]] = field(default_factory=list)
    """The quarters that each refresh counted, in order."""

    @property
    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.clock_s)

    def rows_of(self, quarter: datetime) -> int:
        if quarter in OLD or quarter in AHEAD:
            return IN_EACH_OLD
        return LIVE * int(min(QUARTER, max(timedelta(), self.now - quarter)).total_seconds())

    async def query(self, name: str, **given: Any) -> list[dict[str, Any]]:
        if name == "rollup_marks":
            return [{"now": self.now, "counted": self.mark, "filled": BEGIN, "stored": 1}]
        if name == "rollup_written":
            rows = LIVE * EVERY_S * (3 if self.is_replayed else 1)
            self.clock_s += rows / self.rows_a_s
            return [
                {"second": given["until"].replace(microsecond=0), "row_count": rows, "print": self.clock_s}
            ]
        if name == "rollup_touched":
            touched = {self.quarter_at(self.looked_s), self.quarter_at(self.clock_s)}
            touched |= {*OLD, *AHEAD} if self.is_replayed else set()
            self.looked_s = self.clock_s
            return [{"begins_at": one} for one in touched]
        if name == "rollup_sizes":
            return [{"begins_at": one, "row_count": self.rows_of(one)} for one in given["quarters"]]
        raise NotImplementedError(name)

    def quarter_at(self, clock_s: float) -> datetime:
        return BEGIN + clock_s // QUARTER.total_seconds() * QUARTER

    async def run(self, name: str, **given: Any) -> None:
        if name == "count_quarters":
            quarters: Sequence[datetime] = given["quarters"]
            self.clock_s += sum(map(self.rows_of, quarters)) / self.rows_a_s
            self.counts[-1] += quarters

    async def insert_into(self, table: str, rows: Sequence[bytes]) -> None: ...


async def refresh(rollups: Rollups, store: SlowStore) -> int:
    """As a worker does it; how many quarters are left behind."""
    store.counts.append([])
    counted = await rollups.refresh()
    assert counted is not None
    store.mark = counted.until or store.mark
    store.clock_s += EVERY_S
    return counted.waiting


@pytest.mark.parametrize("rows_a_s", [5_000, 20_000, 60_000, 200_000, 1_000_000, 1e9])
async def test_however_slow_the_store_is_each_quarter_has_its_turn_and_the_newest_never_waits(
    rows_a_s: float,
) -> None:
    store = SlowStore(rows_a_s)
    rollups = Rollups(cast("ClickHouse", store), at_most_s=EVERY_S / 2, monotonic_s=lambda: store.clock_s)
    others = len(OLD) + len(AHEAD) + 2
    going_on = []
    for _ in range(4 * others):
        going_on.append(store.quarter_at(store.clock_s))
        await refresh(rollups, store)

    # the one that goes on is in each refresh, at its begin
    assert all(going in counts for going, counts in zip(going_on, store.counts, strict=True))
    # each other one has its turn before any has a third: none waits for more than all others, once each, and what is touched meanwhile
    for quarter in [*OLD, *AHEAD]:
        turns = [-1, *(turn for turn, counts in enumerate(store.counts) if quarter in counts), 4 * others]
        waits = [later - earlier for earlier, later in pairwise(turns)]
        assert max(waits) <= max(others, REST.total_seconds() / EVERY_S + 1)
    # and a refresh goes on for no longer than it may, but for the look and the batches that it has to count
    rows = max(sum(map(store.rows_of, counts)) for counts in store.counts)
    assert rows <= max(rows_a_s * EVERY_S / 2, 0) + 3 * MOST_COUNTED + LIVE * QUARTER.total_seconds()


async def test_once_the_load_goes_all_is_counted_again_and_the_mark_is_where_it_was() -> None:
    store = SlowStore(rows_a_s=20_000)
    rollups = Rollups(cast("ClickHouse", store), at_most_s=EVERY_S / 2, monotonic_s=lambda: store.clock_s)
    behind = [await refresh(rollups, store) for _ in range(60)]
    assert behind[-1] > 0

    store.rows_a_s, store.is_replayed = 2_000_000, False
    after = [await refresh(rollups, store) for _ in range(2 + int(REST.total_seconds() / EVERY_S))]
    assert after[-1] == 0
    assert store.now - store.mark <= timedelta(seconds=2 * EVERY_S)
    assert max(Counter(one for counts in store.counts[60:] for one in counts if one in OLD).values()) <= 2
