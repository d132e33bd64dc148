"""When a stream shifted, by how much and where: what an alert about a shift says.

A Bayesian posterior over the change time and the odds shift, with the baseline's uncertainty integrated out, read at the
moment of the alarm. The segment that fits best is 30 to 150 % too large then: it was chosen because it is large.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.drift.affected import e_bh
from monitor.drift.change_time import ChangeTime, change_time, log_lengths, log_recency
from monitor.drift.likelihood import Counts, sigmoid
from monitor.drift.mix import split
from monitor.drift.moments import at_us
from monitor.drift.needs import Scope
from monitor.drift.posterior import Posterior
from schemas.evidence import Direction, Interval, MixSplit, Point, Stratum

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MOST_CELLS: Final = 400
"""Of more cells, those are explained that had the most to say before their labels were known: sum of n p (1 - p)."""
MOST_STRATA: Final = 50
MOST_POINTS: Final = 60


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
    `evidence`: log Bayes factor of a change in all of the series, against none. `mix`: of the told cells' total, None
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
    _refuse_impossible(series)
    kept = _most_informative(series)
    series = _of_cells(series, kept)
    counts = Counts(series.k, series.n, series.offset, a=series.a, b=series.b, phi=series.phi)
    prior = log_lengths(series.begins_at, series.ends_at)
    posterior = Posterior.of(counts, prior)
    log_e, evidence = posterior.log_e_values(log_recency(series.begins_at, series.ends_at))
    affected = e_bh(log_e)
    told = affected if affected.any() else np.ones_like(affected)
    when = change_time(posterior.log_changes(len(prior)) + prior, prior, series.begins_at, series.ends_at)
    expected = series.n * sigmoid(posterior.levels() + series.offset)
    strata = _strata(series, when.bucket, expected, log_e=log_e, affected=affected)
    before, after, change = posterior.rates(_traffic(series, when.bucket, told))
    return Explanation(
        changed_at=at_us(when.at),
        changed_from=at_us(when.since),
        changed_until=at_us(when.until),
        direction="up" if posterior.is_rise() else "down",
        odds_ratio=_interval(posterior.odds_ratio(), 1.0),
        rate_before=_interval(before, series.unit),
        rate_after=_interval(after, series.unit),
        rate_change=_interval(change, series.unit),
        k=float(series.k[when.bucket :, told].sum()),
        n=float(series.n[when.bucket :, told].sum()),
        expected=float(expected[when.bucket :, told].sum()),
        evidence=evidence,
        strata=strata,
        affected=tuple(int(cell) for cell in kept[affected]),
        mix=_mix(series, when, told),
        series=_points(series, when, expected, told),
    )


def _refuse_impossible(series: Series) -> None:
    """Raises ValueError as `explain` says."""
    buckets, cells = len(series.begins_at), len(series.cells)
    if not buckets or not cells:
        raise ValueError("there is nothing to explain without buckets and cells")
    if series.ends_at.shape != (buckets,) or {
        values.shape for values in (series.k, series.n, series.offset)
    } != {(buckets, cells)}:
        raise ValueError(f"counts of {buckets} buckets and {cells} cells have other shapes")
    if {values.shape for values in (series.a, series.b, series.phi)} != {(cells,)}:
        raise ValueError(f"the baseline of {cells} cells has another shape")
    if np.any(series.ends_at <= series.begins_at) or np.any(series.begins_at[1:] < series.ends_at[:-1]):
        raise ValueError("buckets are out of order, or overlap")
    # Comparisons that hold for what is right are false for NaN.
    if not (np.all(series.k >= 0) and np.all(series.k <= series.n) and np.all(np.isfinite(series.n))):
        raise ValueError("counts must be 0 <= k <= n")
    if not np.all(np.isfinite(series.offset)):
        raise ValueError("the season's offsets must be numbers")
    baseline = np.stack((series.a, series.b, series.phi))
    if not (np.all(np.isfinite(baseline)) and np.all(baseline > 0) and np.all(series.phi >= 1)):
        raise ValueError("a baseline needs a > 0, b > 0 and phi >= 1")


def _most_informative(series: Series) -> Ints:
    """Positions of at most MOST_CELLS cells, in order."""
    if len(series.cells) <= MOST_CELLS:
        return np.arange(len(series.cells))
    rate = series.a / (series.a + series.b)
    information = series.n.sum(axis=0) * rate * (1.0 - rate)
    return np.sort(np.argsort(-information, kind="stable")[:MOST_CELLS])


def _of_cells(series: Series, kept: Ints) -> Series:
    return replace(
        series,
        k=series.k[:, kept],
        n=series.n[:, kept],
        offset=series.offset[:, kept],
        a=series.a[kept],
        b=series.b[kept],
        phi=series.phi[kept],
        cells=tuple(series.cells[cell] for cell in kept),
    )


def _traffic(series: Series, bucket: int, told: Bools) -> Floats:
    """The events, [T, C], for which the rates are told: those of the told cells since the change. Where there are none, all of
    theirs; where there are none either, one a bucket."""
    later = series.n * told
    later[:bucket] = 0.0
    for events in (later, series.n * told):
        if events.any():
            return events
    return np.ones_like(series.n) * told


def _strata(
    series: Series, bucket: int, expected: Floats, *, log_e: Floats, affected: Bools
) -> tuple[Stratum, ...]:
    k, n, foreseen = (values[bucket:].sum(axis=0) for values in (series.k, series.n, expected))
    order = np.lexsort((-log_e, ~affected))[:MOST_STRATA]
    return tuple(
        Stratum(
            tenant=series.cells[cell].tenant or "",
            model=series.cells[cell].model or "",
            category=series.cells[cell].category or "",
            k=float(k[cell]),
            n=float(n[cell]),
            expected=float(foreseen[cell]),
            evidence=float(log_e[cell]),
            is_affected=bool(affected[cell]),
        )
        for cell in order
    )


def _mix(series: Series, when: ChangeTime, told: Bools) -> MixSplit | None:
    """Of the told cells. Before: the buckets that are surely before the change, or the baseline where there are none."""
    if told.sum() < 2 or series.unit != 1.0:
        return None
    k, n = series.k[:, told], series.n[:, told]
    sure = series.begins_at < when.since
    k_before, n_before = k[sure].sum(axis=0), n[sure].sum(axis=0)
    if not n_before.any():
        k_before, n_before = series.a[told], (series.a + series.b)[told]
    return split(k_before, n_before, k[when.bucket :].sum(axis=0), n[when.bucket :].sum(axis=0))


def _points(series: Series, when: ChangeTime, expected: Floats, told: Bools) -> tuple[Point, ...]:
    """Twice as long before the change as after it, and MOST_POINTS buckets where that is less, in stretches of one length."""
    end = int(series.ends_at[-1])
    first = int(np.searchsorted(series.begins_at, when.at - 2 * (end - when.at), side="left"))
    first = max(0, min(first, len(series.begins_at) - MOST_POINTS))
    begin = int(series.begins_at[first])
    length = max(1, -(-(end - begin) // MOST_POINTS))
    stretch = (series.ends_at[first:] - begin - 1) // length
    starts = np.flatnonzero(np.r_[True, np.diff(stretch) != 0])
    k, n, foreseen = (
        np.add.reduceat(values[first:, told].sum(axis=1), starts) for values in (series.k, series.n, expected)
    )
    lasts = first + np.r_[starts[1:], len(stretch)] - 1
    return tuple(
        Point(at=at_us(series.ends_at[last]), k=float(k[i]), n=float(n[i]), expected=float(foreseen[i]))
        for i, last in enumerate(lasts)
    )


def _interval(quantiles: Floats, unit: float) -> Interval:
    """Of median, 2.5 % and 97.5 % quantile."""
    value, low, high = (float(q) * unit for q in quantiles)
    return Interval(value=value, low=low, high=high)
