"""Counts by cell and tile as the pages show them: rates, intervals, and where the baseline says they should lie. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from monitor.drift.measures import Measure, k_of_n
from monitor.drift.views import StreamState
from monitor.intervals import wilson
from schemas.windows import WindowCounts

_COUNTS: Final = (
    "events",
    "to_be_scored",
    "answered",
    "responded",
    "harmless",
    "harmless_refused",
    "harmful",
    "harmful_refused",
    "harmful_prompts",
    "harmful_responses",
)


@dataclass(frozen=True, slots=True)
class Counted:
    """The counts of one tile of a model and category."""

    tile: int
    counts: WindowCounts


@dataclass(frozen=True, slots=True)
class Figure:
    """`k` of `n`; the rate and its 95 % interval (Wilson) are None of nothing."""

    k: int
    n: int
    rate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the watch expects of a cell: Beta counts `a`, `b`, of all streams in it; `state` is the most urgent of theirs."""

    a: float
    b: float
    state: StreamState
    streams: int

    @property
    def rate(self) -> float:
        """The expected rate."""
        return self.a / (self.a + self.b)

    @property
    def interval(self) -> tuple[float, float]:
        """How well it is known, 95 %."""
        return wilson(self.a, self.a + self.b)

    def band(self, n: int) -> tuple[float, float] | None:
        """Where the rate of `n` exchanges lies 19 times out of 20 if nothing has changed: their own chance and the error of the
        baseline, as Wilson's interval of as many as both are worth. None of nothing."""
        if n <= 0:
            return None
        worth = 1.0 / (1.0 / n + 1.0 / (self.a + self.b))
        return wilson(self.rate * worth, worth)


def figure(k: int, n: int) -> Figure:
    """A rate with its interval."""
    if n <= 0:
        return Figure(k, n, None, None, None)
    return Figure(k, n, k / n, *wilson(k, n))


def counted(rows: Iterable[Mapping[str, Any]]) -> list[Counted]:
    """The rows of dashboard_cells.sql."""
    return [
        Counted(
            row["tile"],
            WindowCounts(
                tenant="",
                model=row["model_key"],
                category=row["category_key"],
                guard_name="",
                guard_version="",
                guard_prompt_hash="",
                calibration_version=0,
                refused=row["refused_n"],
                **{name: row[name] for name in _COUNTS},
            ),
        )
        for row in rows
    ]


def total(rows: Iterable[Counted], measure: Measure) -> Figure:
    """All of them as one."""
    k = n = 0
    for row in rows:
        one_k, one_n = k_of_n(measure, row.counts)
        k, n = k + one_k, n + one_n
    return figure(k, n)


def series(rows: Iterable[Counted], measure: Measure, tiles: Sequence[int]) -> list[Figure]:
    """One a tile, in order."""
    sums = {tile: [0, 0] for tile in tiles}
    for row in rows:
        if row.tile in sums:
            k, n = k_of_n(measure, row.counts)
            sums[row.tile][0] += k
            sums[row.tile][1] += n
    return [figure(k, n) for k, n in (sums[tile] for tile in tiles)]


def tiles_of(since: datetime, until: datetime, tile: timedelta) -> list[int]:
    """The numbers of the tiles in [since, until)."""
    width_s = tile.total_seconds()
    return list(range(int(since.timestamp() // width_s), int(until.timestamp() // width_s)))


def begin_of(tile: int, width: timedelta) -> datetime:
    """When a tile begins."""
    return datetime.fromtimestamp(tile * width.total_seconds(), UTC)
