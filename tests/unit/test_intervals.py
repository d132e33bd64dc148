"""Wilson's interval and Kish's effective counts: golden numbers from scipy, and what must hold of any numbers."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest  # type: ignore[import-untyped]  # scipy carries no types

from monitor.intervals import Z_95, effective_counts, wilson

COUNTS = st.integers(1, 1_000_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))
WEIGHTS = st.lists(st.tuples(st.floats(1.0, 1000.0), st.booleans()), min_size=1, max_size=200)


@given(COUNTS)
def test_wilson_is_what_scipy_says(counts: tuple[int, int]) -> None:
    positives, total = counts
    golden = binomtest(positives, total).proportion_ci(confidence_level=0.95, method="wilson")

    assert wilson(positives, total) == pytest.approx((golden.low, golden.high), rel=1e-9, abs=1e-12)


@given(COUNTS)
def test_wilson_lies_within_nought_and_one_around_the_rate(counts: tuple[int, int]) -> None:
    positives, total = counts
    low, high = wilson(positives, total)

    assert 0.0 <= low <= positives / total <= high <= 1.0
    assert low < high


@given(COUNTS)
def test_wilson_of_the_complement_is_the_mirror_image(counts: tuple[int, int]) -> None:
    positives, total = counts
    low, high = wilson(positives, total)

    assert wilson(total - positives, total) == pytest.approx((1 - high, 1 - low), abs=1e-12)


@given(COUNTS)
def test_wilson_narrows_as_observations_grow(counts: tuple[int, int]) -> None:
    positives, total = counts
    low, high = wilson(positives, total)
    lower, higher = wilson(4 * positives, 4 * total)

    assert higher - lower < high - low


@pytest.mark.parametrize("total", [0, -1, 0.0])
def test_wilson_of_nothing_is_an_error(total: float) -> None:
    with pytest.raises(ValueError, match="at least one observation"):
        wilson(0, total)


def test_wilson_covers_the_truth_as_often_as_it_says() -> None:
    chance = random.Random(20250303)
    rate, size, repeats = 0.03, 400, 4000
    hits = 0
    for _ in range(repeats):
        low, high = wilson(sum(chance.random() < rate for _ in range(size)), size)
        hits += low <= rate <= high

    # Wilson's coverage oscillates around the nominal level with n and p; 2 points cover that and the simulation's error.
    assert hits / repeats == pytest.approx(0.95, abs=0.02)


def test_the_quantile_is_the_normal_distributions() -> None:
    assert math.erf(Z_95 / math.sqrt(2)) == pytest.approx(0.95, abs=1e-15)


@given(st.integers(0, 1000), st.integers(1, 1000), st.floats(1.0, 1e6))
def test_with_equal_weights_the_effective_counts_are_the_counts(
    positives: int, total: int, weight: float
) -> None:
    positives = min(positives, total)
    counts = effective_counts(positives * weight, total * weight, total * weight * weight)

    assert counts == pytest.approx((positives, total), rel=1e-9)


@given(WEIGHTS)
def test_unequal_weights_are_worth_fewer_rows_and_the_same_rate(rows: list[tuple[float, bool]]) -> None:
    numerator = math.fsum(weight for weight, is_positive in rows if is_positive)
    denominator = math.fsum(weight for weight, _ in rows)
    positives, size = effective_counts(numerator, denominator, math.fsum(weight**2 for weight, _ in rows))

    assert 1 - 1e-9 <= size <= len(rows) * (1 + 1e-9)
    assert positives / size == pytest.approx(numerator / denominator, rel=1e-9)
