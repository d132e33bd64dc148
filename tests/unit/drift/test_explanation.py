"""What an alert says: of borders, of one cell and of many. How often it is true is in test_effects.py."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.drift.explanation import MOST_CELLS, MOST_POINTS, MOST_STRATA, Explanation, Series, explain
from monitor.drift.needs import Scope
from monitor.drift.volume import EXPOSURE_PER_HOUR, exposure
from schemas.evidence import Interval

Floats = NDArray[np.float64]

START = datetime(2026, 3, 2, tzinfo=UTC)
LENGTH_S = 5


def _series(k: Floats, n: Floats, *, a: Floats, b: Floats, offset: Floats | None = None) -> Series:
    """Buckets of five seconds from START on; `k` of `n` [T, C]."""
    begins_at = int(START.timestamp()) * 1_000_000 + np.arange(len(k)) * LENGTH_S * 1_000_000
    return Series(
        begins_at=begins_at,
        ends_at=begins_at + LENGTH_S * 1_000_000,
        k=k,
        n=n,
        offset=np.zeros_like(n) if offset is None else offset,
        a=a,
        b=b,
        phi=np.ones(k.shape[1]),
        cells=tuple(Scope("northwind", "atlas-mini", f"category-{i}") for i in range(k.shape[1])),
    )


def _shifted(
    *,
    seed: int,
    cells: int = 1,
    shifted: int = 1,
    buckets: int = 200,
    last: int = 60,
    rate: float = 0.05,
    events: float = 8.0,
    odds: float = 3.0,
) -> Series:
    """The first `shifted` of the cells have their odds shifted in the `last` buckets."""
    rng = np.random.default_rng(seed)
    level = np.full((buckets, cells), np.log(rate / (1.0 - rate)))
    level[buckets - last :, :shifted] += np.log(odds)
    n = rng.poisson(events, (buckets, cells)).astype(float)
    k = rng.binomial(n.astype(int), 1.0 / (1.0 + np.exp(-level))).astype(float)
    a = rng.binomial(5_000, rate, cells) + 0.5
    return _series(k, n, a=a, b=5_001.0 - a)


def _is_sound(told: Explanation, series: Series) -> None:
    first, last = (START + timedelta(seconds=LENGTH_S * i) for i in (0, len(series.k)))
    assert first <= told.changed_from <= told.changed_at <= told.changed_until <= last
    for interval in (told.odds_ratio, told.rate_before, told.rate_after, told.rate_change):
        assert np.isfinite([interval.low, interval.value, interval.high]).all()
        assert interval.low <= interval.value <= interval.high
    assert told.odds_ratio.low > 0.0
    assert told.rate_before.low >= 0.0
    assert told.rate_after.high <= 1.0
    assert 0.0 <= told.k <= told.n
    assert 0.0 <= told.expected <= told.n
    assert 1 <= len(told.series) <= MOST_POINTS


def test_a_rise_of_one_cell_is_told() -> None:
    series = _shifted(seed=1)
    told = explain(series)

    _is_sound(told, series)
    assert told.direction == "up"
    assert told.odds_ratio.low <= 3.0 <= told.odds_ratio.high
    assert told.changed_from <= START + timedelta(seconds=LENGTH_S * 140) <= told.changed_until
    assert told.affected == (0,)
    assert told.mix is None
    changed = int((told.changed_at - START).total_seconds() / LENGTH_S)
    assert told.k == told.strata[0].k == series.k[changed:].sum()
    assert told.n == told.strata[0].n == series.n[changed:].sum()


def test_a_fall_is_told_as_one() -> None:
    told = explain(_shifted(seed=3, odds=0.3, rate=0.2))

    assert told.direction == "down"
    assert told.odds_ratio.low <= 0.3 <= told.odds_ratio.high
    assert told.rate_change.high < 0.0


def test_the_told_figures_are_of_the_affected_cells() -> None:
    told = explain(_shifted(seed=5, cells=12, shifted=4, last=80))

    assert set(told.affected) <= set(range(4))
    assert len(told.affected) >= 3
    affected = [stratum for stratum in told.strata if stratum.is_affected]
    assert told.strata[: len(affected)] == tuple(affected)
    assert told.k == pytest.approx(sum(stratum.k for stratum in affected))
    assert told.n == pytest.approx(sum(stratum.n for stratum in affected))
    assert told.expected == pytest.approx(sum(stratum.expected for stratum in affected))
    assert told.odds_ratio.low <= 3.0 <= told.odds_ratio.high
    assert told.mix is not None


def test_cells_that_did_not_shift_are_rarely_told() -> None:
    shares = []
    for seed in range(40):
        told = explain(_shifted(seed=seed, cells=12, shifted=4, buckets=48, last=20, events=16.0))
        shares.append(sum(cell >= 5 for cell in told.affected) / max(len(told.affected), 1))

    assert np.mean(shares) <= 0.05


def test_the_same_counts_give_the_same_explanation() -> None:
    assert explain(_shifted(seed=7, cells=3)) == explain(_shifted(seed=7, cells=3))


def test_a_season_is_not_taken_for_a_shift() -> None:
    rng = np.random.default_rng(4)
    offset = np.repeat(1.2 * np.sin(np.arange(20) / 3.0), 20)[:, None]
    n = np.full((400, 1), 20.0)
    k = rng.binomial(20, 1.0 / (1.0 + np.exp(2.9 - offset))).astype(float)
    with_season = explain(_series(k, n, a=np.array([500.0]), b=np.array([9_087.0]), offset=offset))
    without = explain(_series(k, n, a=np.array([500.0]), b=np.array([9_087.0])))

    assert with_season.evidence < 1.0
    assert without.evidence > 10.0


def test_rates_of_a_volume_are_per_hour() -> None:
    rng = np.random.default_rng(6)
    per_hour = np.where(np.arange(300) < 240, 7_200.0, 2_400.0)
    k = rng.poisson(per_hour * LENGTH_S / 3600.0)[:, None].astype(float)
    baseline = np.array([7_200.0 * 200.0]), np.array([200.0 * EXPOSURE_PER_HOUR])
    series = _series(k, np.full_like(k, exposure(LENGTH_S)), a=baseline[0], b=baseline[1])
    told = explain(replace(series, unit=EXPOSURE_PER_HOUR))

    assert told.direction == "down"
    assert told.rate_before.low <= 7_200.0 <= told.rate_before.high
    assert told.rate_after.low <= 2_400.0 <= told.rate_after.high
    assert told.odds_ratio.low <= 1 / 3 <= told.odds_ratio.high


BUCKETS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=40)


@settings(deadline=None, max_examples=60)
@given(
    BUCKETS,
    st.integers(1, 3),
    st.floats(0.5, 1e5),
    st.floats(0.5, 1e5),
)
def test_any_counts_are_explained_soundly(
    buckets: list[tuple[int, int]], cells: int, a: float, b: float
) -> None:
    n = np.array([[max(pair)] * cells for pair in buckets], float)
    k = np.array([[min(pair)] * cells for pair in buckets], float)
    series = _series(k, n, a=np.full(cells, a), b=np.full(cells, b))

    _is_sound(explain(series), series)


@pytest.mark.parametrize("cells", [1, 2])
@pytest.mark.parametrize("buckets", [1, 2, 500])
@pytest.mark.parametrize("filling", ["nothing", "none", "all"])
@pytest.mark.parametrize("rate", [1e-7, 0.5, 1.0 - 1e-7])
def test_borders_are_explained_soundly(cells: int, buckets: int, filling: str, rate: float) -> None:
    n = np.full((buckets, cells), 0.0 if filling == "nothing" else 50.0)
    k = n if filling == "all" else np.zeros_like(n)
    series = _series(k, n, a=np.full(cells, 2_000 * rate + 1e-3), b=np.full(cells, 2_000 * (1 - rate) + 1e-3))

    _is_sound(explain(series), series)


def test_all_buckets_after_the_change() -> None:
    series = _shifted(seed=8, last=200)
    told = explain(series)

    assert told.changed_from == START
    assert told.odds_ratio.low <= 3.0 <= told.odds_ratio.high


def test_a_million_events_after_the_change_give_a_narrow_interval() -> None:
    told = explain(_shifted(seed=9, events=10_000.0, last=100, odds=1.2))

    assert told.odds_ratio.low <= 1.2 <= told.odds_ratio.high
    assert told.odds_ratio.high / told.odds_ratio.low < 1.02 * 1.2
    assert told.changed_from >= START + timedelta(seconds=LENGTH_S * 98)


def test_strata_and_cells_are_bounded() -> None:
    told = explain(_shifted(seed=10, cells=MOST_CELLS + 30, shifted=MOST_CELLS + 30, buckets=60, last=20))

    assert len(told.strata) == MOST_STRATA
    assert max(told.affected) < MOST_CELLS + 30


NAN = np.full((3, 1), np.nan)
FINE = _series(np.ones((3, 1)), np.full((3, 1), 4.0), a=np.array([3.0]), b=np.array([9.0]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (replace(FINE, begins_at=FINE.begins_at[:0], ends_at=FINE.ends_at[:0]), "nothing to explain"),
        (replace(FINE, cells=()), "nothing to explain"),
        (replace(FINE, k=NAN), "counts"),
        (replace(FINE, n=NAN), "counts"),
        (replace(FINE, n=np.full((3, 1), np.inf)), "counts"),
        (replace(FINE, k=np.full((3, 1), 5.0)), "counts"),
        (replace(FINE, k=np.full((3, 1), -1.0)), "counts"),
        (replace(FINE, offset=NAN), "offsets"),
        (replace(FINE, a=np.zeros(1)), "baseline"),
        (replace(FINE, b=np.array([np.nan])), "baseline"),
        (replace(FINE, phi=np.array([0.5])), "baseline"),
        (replace(FINE, k=np.ones((2, 1))), "other shapes"),
        (replace(FINE, a=np.ones(2)), "another shape"),
        (replace(FINE, begins_at=FINE.begins_at[::-1], ends_at=FINE.ends_at[::-1]), "out of order"),
        (replace(FINE, ends_at=FINE.ends_at + 1), "overlap"),
        (replace(FINE, ends_at=FINE.begins_at), "out of order"),
    ],
)
def test_what_cannot_be_is_refused(wrong: Series, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        explain(wrong)


def test_an_interval_is_value_low_high() -> None:
    told = explain(FINE)

    assert isinstance(told.odds_ratio, Interval)
    _is_sound(told, FINE)
