"""Bootstrap intervals: seeded, of whole clusters, and as wide as theory has them."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.evaluation.bootstrap import bootstrap, cluster_numbers
from monitor.evaluation.metrics import Floats

VALUES = np.repeat([0.0, 1.0], 100)


def mean(weights: Floats) -> tuple[float | None, ...]:
    return (float((weights * VALUES).sum() / weights.sum()),)


def test_the_same_seed_gives_the_same_interval() -> None:
    clusters = np.arange(200)

    assert bootstrap(mean, clusters, resamples=50) == bootstrap(mean, clusters, resamples=50)
    assert bootstrap(mean, clusters, resamples=50) != bootstrap(mean, clusters, resamples=50, seed=1)


def test_an_interval_of_a_mean_is_that_of_theory() -> None:
    (interval,) = bootstrap(mean, np.arange(200), resamples=4000)

    assert interval is not None
    assert interval == pytest.approx((0.5 - 1.96 * 0.5 / 200**0.5, 0.5 + 1.96 * 0.5 / 200**0.5), abs=0.006)


def test_rows_of_one_cluster_count_as_one_finding() -> None:
    """Of twenty clusters of ten equal rows each, the interval is that of twenty rows."""
    (interval,) = bootstrap(mean, np.repeat(np.arange(20), 10), resamples=4000)

    assert interval is not None
    assert interval == pytest.approx((0.5 - 1.96 * 0.5 / 20**0.5, 0.5 + 1.96 * 0.5 / 20**0.5), abs=0.03)


def test_what_few_resamples_define_has_no_interval() -> None:
    def rarely(weights: Floats) -> tuple[float | None, ...]:
        return (1.0 if weights[0] else None,)

    assert bootstrap(rarely, np.arange(200), resamples=50) == (None,)


def test_one_cluster_or_no_resamples_give_no_interval() -> None:
    assert bootstrap(mean, np.zeros(200, np.intp)) == (None,)
    assert bootstrap(mean, np.arange(200), resamples=0) == (None,)


def test_equal_keys_are_one_cluster() -> None:
    numbers = cluster_numbers(np.array([b"x", b"y", b"x"], "S16"))

    assert numbers[0] == numbers[2] != numbers[1]
