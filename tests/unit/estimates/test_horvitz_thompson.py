"""The estimators over every sample that could have been drawn from a small population, and by hand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.estimates import horvitz_thompson as ht
from monitor.estimates import prediction_powered as pp
from monitor.estimates.horvitz_thompson import Floats

SIZE = 7
UNITS = st.lists(
    st.tuples(
        st.floats(-3, 3),  # value
        st.floats(-3, 3),  # prediction
        st.floats(0.05, 1.0),  # probability
    ),
    min_size=1,
    max_size=SIZE,
)


def samples(probabilities: Floats) -> Iterator[tuple[Floats, float]]:
    """Every sample of a Poisson design, as a mask, with its probability."""
    for drawn in product((False, True), repeat=len(probabilities)):
        mask = np.array(drawn)
        yield mask, float(np.prod(np.where(mask, probabilities, 1 - probabilities)))


def columns(units: list[tuple[float, float, float]]) -> tuple[Floats, Floats, Floats]:
    values, predictions, probabilities = np.array(units).T
    return values, predictions, probabilities


@given(UNITS)
def test_over_all_samples_the_total_is_the_truth_and_its_variance_is_estimated_without_bias(
    units: list[tuple[float, float, float]],
) -> None:
    values, _, p = columns(units)
    chances, totals, variances = zip(
        *((chance, ht.total(values[drawn], p[drawn]), ht.total_variance(values[drawn], p[drawn])) for drawn, chance in samples(p)),
        strict=True,
    )  # fmt: skip
    mean = np.dot(chances, totals)
    spread = np.dot(chances, (np.array(totals) - mean) ** 2)

    assert mean == pytest.approx(values.sum(), abs=1e-9)
    assert np.dot(chances, variances) == pytest.approx(spread, abs=1e-7)
    assert spread == pytest.approx(((1 - p) / p * values**2).sum(), abs=1e-7)


@given(UNITS, st.floats(0, 1))
def test_over_all_samples_the_prediction_powered_total_is_the_truth_whatever_lambda_is(
    units: list[tuple[float, float, float]], tuning: float
) -> None:
    values, predictions, p = columns(units)
    factor = np.array(tuning)
    chances, totals, variances = zip(
        *(
            (
                chance,
                pp.total(values[drawn], predictions[drawn], p[drawn], predicted=predictions.sum(), tuning=factor),
                pp.total_variance(values[drawn], predictions[drawn], p[drawn], tuning=factor),
            )
            for drawn, chance in samples(p)
        ),
        strict=True,
    )  # fmt: skip
    mean = np.dot(chances, totals)

    assert mean == pytest.approx(values.sum(), abs=1e-8)
    assert np.dot(chances, variances) == pytest.approx(
        np.dot(chances, (np.array(totals) - mean) ** 2), abs=1e-6
    )


@given(UNITS)
def test_no_lambda_has_less_estimated_variance_than_the_best(units: list[tuple[float, float, float]]) -> None:
    values, predictions, p = columns(units)
    best = pp.total_variance(values, predictions, p, tuning=pp.best_tuning(values, predictions, p))

    for tuning in np.linspace(0, 1, 21):
        assert best <= pp.total_variance(values, predictions, p, tuning=np.array(tuning)) + 1e-9


def test_a_sample_of_all_is_the_population() -> None:
    values, ones = np.array([1.0, 0.0, 1.0, 1.0]), np.ones(4)

    assert ht.total(values, ones) == 3
    assert ht.total_variance(values, ones) == 0
    assert ht.ratio(values, ones, ones) == 0.75
    assert ht.ratio_variance(values, ones, ones) == 0
    assert ht.ratio_variance(values, ones, ones, of="process") == pytest.approx(0.75 * 0.25 / 4)


def test_equal_probabilities_leave_the_share_of_the_sample() -> None:
    values, p = np.array([1.0, 0.0, 0.0, 1.0, 0.0]), np.full(5, 0.1)

    assert ht.ratio(values, np.ones(5), p) == pytest.approx(0.4)
    assert ht.ratio_variance(values, np.ones(5), p, of="process") == pytest.approx(0.4 * 0.6 / 5)
    assert ht.ratio_variance(values, np.ones(5), p) == pytest.approx(0.9 * 0.4 * 0.6 / 5)


def test_a_ratio_weights_each_by_what_it_stands_for() -> None:
    # One certain exchange that counts, one drawn at a tenth that is in the denominator alone.
    assert ht.ratio(np.array([1.0, 0.0]), np.array([1.0, 1.0]), np.array([1.0, 0.1])) == pytest.approx(1 / 11)


def test_a_ratio_of_nothing_is_not_a_number() -> None:
    nothing = np.zeros(2)

    assert np.isnan(ht.ratio(nothing, nothing, np.ones(2)))
    assert np.isnan(ht.ratio_variance(nothing, nothing, np.ones(2)))


def test_cells_are_computed_side_by_side() -> None:
    values, p = np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([[0.5, 1.0], [0.25, 0.5]])

    assert ht.total(values, p).tolist() == [2.0, 6.0]
    assert ht.ratio(values, np.ones((2, 2)), p).tolist() == pytest.approx([2 / 3, 1.0])


def test_a_perfect_guard_leaves_no_variance() -> None:
    truth, p = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.1, 0.2, 0.3, 0.4])
    tuning = pp.best_tuning(truth, truth, p)

    assert tuning == pytest.approx(1.0)
    assert pp.total_variance(truth, truth, p, tuning=tuning) == pytest.approx(0)
    assert pp.ratio(
        (truth, truth, np.array(70.0)), (np.ones(4), np.ones(4), np.array(100.0)), p, tuning=np.array(1.0)
    ) == pytest.approx(0.7)


def test_a_guard_that_says_nothing_is_left_out() -> None:
    truth, p = np.array([1.0, 0.0]), np.array([0.5, 0.5])

    assert pp.best_tuning(truth, np.zeros(2), p) == 0
