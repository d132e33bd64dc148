"""The report's tests for changes: against SciPy, and how often they mark what didn't change."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]  # ships no types

from monitor.intervals import wilson
from monitor.reporting.significance import (
    LEVEL,
    Floats,
    adjusted,
    compare,
    student_quantile_975,
    student_two_sided,
    wilson_of,
)

NOW = np.arange(35) >= 28
LAST = (np.arange(35) >= 21) & ~NOW
PAST = ~NOW


def test_students_distribution_is_scipys() -> None:
    t = np.array([0.0, 0.5, 2.0, 5.0, 30.0, 1e-9, 8.0, 1.5])
    freedom = np.array([1.0, 6.0, 33.0, 12.0, 7.0, 1e6, 27.0, 2.0])
    np.testing.assert_allclose(
        student_two_sided(t, freedom), 2 * stats.t.sf(t, freedom), rtol=1e-9, atol=1e-12
    )
    of = np.array([6.0, 12.0, 33.0])
    np.testing.assert_allclose(student_quantile_975(of), stats.t.ppf(0.975, of), rtol=1e-9)


def test_corrected_p_values_are_scipys_and_what_was_not_tested_counts_as_no_test() -> None:
    p = np.array([0.01, np.nan, 0.04, 0.03, 0.005, np.nan])
    expected = stats.false_discovery_control([0.01, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(adjusted(p)[[0, 2, 3, 4]], expected)
    assert np.isnan(adjusted(p)[[1, 5]]).all()


def test_wilsons_interval_is_that_of_the_other_commands() -> None:
    low, high = wilson_of(np.array([0.1]), np.array([50.0]), 1.959963984540054)
    assert (low[0], high[0]) == pytest.approx(wilson(5, 50))


def _traffic(
    rng: np.random.Generator, cells: int, *, rate: float, scatter: float, events: int = 400
) -> tuple[Floats, Floats]:
    d = rng.poisson(events, (cells, 35)).astype(float)
    odds = np.log(rate / (1 - rate)) + rng.normal(0, scatter, (cells, 35))
    return rng.binomial(d.astype(int), 1 / (1 + np.exp(-odds))).astype(float), d


@pytest.mark.parametrize("scatter", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("rate", [0.02, 0.15])
def test_of_reports_on_weeks_without_a_change_few_mark_anything(scatter: float, rate: float) -> None:
    """Benjamini and Hochberg's level is 5 % of reports where nothing changed. Held: 7 % of 150."""
    rng = np.random.default_rng(int(scatter * 10) + int(rate * 1000))
    reports, cells, with_marks, naive = 150, 40, 0, 0
    for _ in range(reports):
        n, d = _traffic(rng, cells, rate=rate, scatter=scatter)
        found = compare(n, d, d, now=NOW, before=LAST, scatter=PAST)
        with_marks += bool((adjusted(found.p) <= LEVEL).any())
        plain = 2 * stats.norm.sf(np.abs(found.change / found.error * np.sqrt(np.maximum(found.phi, 1))))
        naive += bool((adjusted(plain) <= LEVEL).any())
    assert with_marks / reports <= 0.07
    if scatter == 0.8:
        assert naive / reports > 0.9  # what a test that takes exchanges for independent would mark


def test_one_odd_day_in_all_cells_marks_nothing() -> None:
    rng = np.random.default_rng(5)
    n, d = _traffic(rng, 60, rate=0.1, scatter=0.05)
    n[:, 30] = np.minimum(n[:, 30] * 3, d[:, 30])
    found = compare(n, d, d, now=NOW, before=LAST, scatter=PAST)
    assert (adjusted(found.p) <= LEVEL).sum() <= 3


def test_a_whole_week_that_changed_is_marked_and_its_interval_holds_the_truth() -> None:
    rng = np.random.default_rng(6)
    n, d = _traffic(rng, 40, rate=0.1, scatter=0.1)
    n[:5, NOW] = rng.binomial(d[:5, NOW].astype(int), 0.16)
    found = compare(n, d, d, now=NOW, before=PAST, scatter=PAST)
    marked = adjusted(found.p) <= LEVEL
    assert marked[:5].all()
    assert marked[5:].sum() <= 2
    assert ((found.low[:5] <= 0.06) & (found.high[:5] >= 0.06)).all()


def test_too_few_days_or_cases_are_not_tested() -> None:
    d = np.full((1, 35), 100.0)
    d[:, :26] = 0
    n = d * 0.1
    n[:, NOW] = d[:, NOW] * 0.5
    days = np.arange(35)
    assert np.isnan(compare(n, d, d, now=days == 28, before=days == 27, scatter=days == 27).p[0])
    rare = np.zeros((1, 35))
    rare[0, 30] = 3
    full = np.full((1, 35), 100.0)
    assert np.isnan(compare(rare, full, full, now=NOW, before=LAST, scatter=PAST).p[0])


def test_nothing_at_all_is_no_change() -> None:
    nothing = np.zeros((2, 35))
    found = compare(nothing, nothing, nothing, now=NOW, before=LAST, scatter=PAST)
    assert np.isnan(found.p).all()
    assert np.isnan(found.change).all()


def test_weights_count_by_what_they_are_worth() -> None:
    """A hundred exchanges that stand for ten each say no more than a hundred."""
    n: Floats = np.full((1, 35), 20.0)
    d: Floats = np.full((1, 35), 100.0)
    one = compare(n, d, d, now=NOW, before=LAST, scatter=PAST)
    ten = compare(n * 10, d * 10, d * 100, now=NOW, before=LAST, scatter=PAST)
    np.testing.assert_allclose([one.low, one.high], [ten.low, ten.high])
