"""Every rate of every cell, held against the week before and against the mean of four: which of them changed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import numpy as np

from monitor.drift.measures import Measure
from monitor.intervals import Z_95
from monitor.reporting.facts import EVERYTHING, SPAN_DAYS, CellKey, Grid
from monitor.reporting.significance import (
    LEVEL,
    MIN_FREEDOM,
    Comparison,
    Flags,
    Floats,
    adjusted,
    compare,
    dispersion,
    student_quantile_975,
    wilson_of,
)
from monitor.reporting.weeks import DAYS, WEEKS_BEFORE

Versus = Literal["last week", "four weeks"]
VERSUS: Final[tuple[Versus, ...]] = ("last week", "four weeks")

RATES: Final = (
    Measure.OVER_REFUSAL,
    Measure.UNDER_REFUSAL,
    Measure.REFUSAL,
    Measure.RESPONSE_HARM,
    Measure.PROMPT_HARM,
)
TESTED: Final = (*RATES, Measure.COVERAGE)


@dataclass(frozen=True, slots=True)
class Rate:
    """`numerator` of `denominator`, weighted; None of nothing. The 95 % interval is widened by `phi` where days scatter more than
    chance (1 where that can't be told)."""

    numerator: float
    denominator: float
    value: float | None
    low: float | None
    high: float | None
    phi: float = 1.0


@dataclass(frozen=True, slots=True)
class Change:
    """A rate against what it was. Shares are 0..1. `q`: its p-value corrected for all that are tested, None where it can't be told.

    `certain`: the end of the interval next to no change, in exchanges of the week: about so many it surely concerns.
    """

    measure: Measure
    key: CellKey
    versus: Versus
    now: Rate
    before: Rate
    change: float
    low: float
    high: float
    q: float | None
    error: float

    @property
    def is_significant(self) -> bool:
        """Whether it is marked."""
        return self.q is not None and self.q <= LEVEL

    @property
    def is_rise(self) -> bool:
        """Whether the rate is higher now."""
        return self.change > 0

    @property
    def certain(self) -> float:
        """See the class."""
        return max(self.low, -self.high, 0.0) * self.now.denominator


class Changes:
    """Of a week's grid. `elapsed`: how many of its days have begun; the weeks before count the same days only."""

    def __init__(self, grid: Grid, elapsed: int = DAYS) -> None:
        self.grid = grid
        same_days = np.arange(SPAN_DAYS) % DAYS < elapsed
        self.now: Flags = grid.this_week & same_days
        past = ~grid.this_week
        self._before: dict[Versus, Flags] = {
            "last week": grid.weeks_ago(1) & same_days,
            "four weeks": past & same_days,
        }
        self._scatter = past
        keys = [key for key in grid.keys() if key[2] != ""]  # noqa: SIM118  # a method of ours, no mapping
        self._found: dict[tuple[Measure, Versus], tuple[list[CellKey], Comparison]] = {}
        for measure in TESTED:
            cells = [key for key in keys if measure is not Measure.COVERAGE or key[2] is None]
            counts = [
                np.stack(part) for part in zip(*(self.counts(measure, key) for key in cells), strict=True)
            ]
            for versus in VERSUS:
                self._found[measure, versus] = (
                    cells,
                    compare(
                        *(counts[0], counts[1], counts[2]),
                        now=self.now,
                        before=self._before[versus],
                        scatter=self._scatter,
                    ),
                )
        self.tests, self._q = self._corrected()
        self._index = {
            (measure, versus): {key: place for place, key in enumerate(cells)}
            for (measure, versus), (cells, _) in self._found.items()
        }

    def _corrected(self) -> tuple[int, dict[tuple[Measure, Versus], Floats]]:
        """How many were tested, and their q-values."""
        parts = [comparison.p for _, comparison in self._found.values()]
        q = adjusted(np.concatenate(parts))
        ends = np.cumsum([len(part) for part in parts])
        return int(np.sum(~np.isnan(q))), dict(zip(self._found, np.split(q, ends[:-1]), strict=True))

    def counts(self, measure: Measure, key: CellKey) -> tuple[Floats, Floats, Floats]:
        """Numerator, denominator and squares of its weights by day [35]."""
        by_day = self.grid.by_day
        if measure is Measure.COVERAGE:
            wanted = by_day(key, "to_be_scored")
            return wanted - by_day(key, "answered"), wanted, wanted
        return (
            by_day(key, f"{measure}_n"),
            by_day(key, f"{measure}_d"),
            by_day(key, f"{measure}_w2"),
        )

    def rate(self, measure: Measure, key: CellKey, days: Flags | None = None) -> Rate:
        """Over the week, or over other days of the grid."""
        wanted = self.now if days is None else days
        n, d, w2 = (part[None, :] for part in self.counts(measure, key))
        top, bottom, squares = (float(part[0, wanted].sum()) for part in (n, d, w2))
        if bottom <= 0:
            return Rate(0.0, 0.0, None, None, None)
        phi, freedom = dispersion(n, d, w2, [self.now, self._scatter])
        is_known = freedom[0] >= MIN_FREEDOM
        wide = max(1.0, float(phi[0])) if is_known else 1.0
        quantile = float(student_quantile_975(freedom)[0]) if is_known and wide > 1 else Z_95
        low, high = wilson_of(
            np.array([top / bottom]), np.array([bottom * bottom / squares / wide]), quantile
        )
        return Rate(top, bottom, top / bottom, float(low[0]), float(high[0]), wide)

    def before(self, measure: Measure, key: CellKey, versus: Versus) -> Rate:
        """The rate that it is held against."""
        return self.rate(measure, key, self._before[versus])

    def change(self, measure: Measure, key: CellKey, versus: Versus) -> Change | None:
        """The change of one; None where either time has nothing of it."""
        place = self._index[measure, versus].get(key)
        if place is None:
            return None
        _, found = self._found[measure, versus]
        if not np.isfinite(found.change[place]):
            return None
        q = float(self._q[measure, versus][place])
        return Change(
            measure,
            key,
            versus,
            self.rate(measure, key),
            self.before(measure, key, versus),
            float(found.change[place]),
            float(found.low[place]),
            float(found.high[place]),
            None if np.isnan(q) else q,
            float(found.error[place]),
        )

    def significant(self) -> list[Change]:
        """All that are marked, in no order that means anything."""
        return [
            change
            for (measure, versus), (cells, _) in self._found.items()
            for place, key in enumerate(cells)
            if self._q[measure, versus][place] <= LEVEL
            and (change := self.change(measure, key, versus)) is not None
        ]

    def has_past(self, weeks: int = WEEKS_BEFORE) -> bool:
        """Whether anything was counted in any of so many weeks before."""
        return any(
            self.grid.total(EVERYTHING, "events", self.grid.weeks_ago(n)) > 0 for n in range(1, weeks + 1)
        )

    def days_with_traffic(self) -> tuple[int, int]:
        """Days of this week, and of the four before, in which anything was counted."""
        events = self.grid.by_day(EVERYTHING, "events") > 0
        return int((events & self.now).sum()), int((events & self._scatter).sum())


def elapsed_days(grid: Grid, now: datetime) -> int:
    """How many of the week's days have begun by then."""
    return grid.week.elapsed_days(now)


def busiest(grid: Grid, keys: Sequence[CellKey], days: Flags) -> list[CellKey]:
    """The keys by their exchanges in those days, most first."""
    return sorted(keys, key=lambda key: (-grid.total(key, "events", days), tuple(part or "" for part in key)))
