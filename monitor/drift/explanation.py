"""When a stream shifted, by how much and where: what an alert about a shift says.

A Bayesian posterior over the change time and the odds shift, with the baseline's uncertainty integrated out, read at the
moment of the alarm. The segment that fits best is 30 to 150 % too large then: it was chosen because it is large.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from monitor.drift.needs import Scope
from schemas.evidence import Direction, Interval, MixSplit, Point, Stratum

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """The counts of T buckets of time, oldest first, in C cells, and what was to be expected there.

    `begins_at`, `ends_at`: [T], microseconds since 1970; buckets don't overlap, and may be of any length. `k` of `n`:
    [T, C]. `offset`: [T, C], the season's log-odds; 0 at the level a / (a + b). `a`, `b`: [C], the baseline's Beta counts
    WITHOUT the events of these buckets, prior included, so above 0. `phi` >= 1: [C], how many times more than binomial
    the counts vary. `cells`: the C cells, whole (nothing None where the measure's grain knows it).

    `unit`: rates are told per so many of `n`. 1 for shares; for counts per time see `monitor/drift/volume.py`.
    """

    begins_at: Ints
    ends_at: Ints
    k: Floats
    n: Floats
    offset: Floats
    a: Floats
    b: Floats
    phi: Floats
    cells: tuple[Scope, ...]
    unit: float = 1.0


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known of a shift at the end of the last bucket.

    `changed_from` .. `changed_until` holds the true change with 95 %. `odds_ratio` is common to the cells that are told;
    the rates are those of the told cells at their traffic since `changed_at`, before and after, so that neither season
    nor mix is in them. `k` of `n` and `expected` are theirs since `changed_at`. The told cells are the affected ones, all
    where none is. `affected`: positions in `Series.cells`. `strata`: at most 50, affected first, then by evidence.
    `evidence`: log Bayes factor of a change in all of the series, against none. `mix`: of the total over all cells, None
    with fewer than two. `series`: at most 60 points around the change, of the told cells.
    """

    changed_at: datetime
    changed_from: datetime
    changed_until: datetime
    direction: Direction
    odds_ratio: Interval
    rate_before: Interval
    rate_after: Interval
    rate_change: Interval
    k: float
    n: float
    expected: float
    evidence: float
    strata: tuple[Stratum, ...]
    affected: tuple[int, ...]
    mix: MixSplit | None
    series: tuple[Point, ...]


def explain(series: Series) -> Explanation:
    """What happened in `series`, given that something did. Raises ValueError for figures that cannot be: no buckets,
    shapes that differ, NaN, k > n, a or b not above 0, phi below 1, buckets out of order."""
    raise NotImplementedError
