"""The change time's set."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.drift.change_time import change_time, log_lengths, log_recency

BEGINS = np.array([0, 10, 20, 30, 90])
ENDS = np.array([10, 20, 30, 90, 100])


def test_the_prior_is_as_long_as_the_time_in_which_the_change_may_have_fallen() -> None:
    assert np.exp(log_lengths(BEGINS, ENDS)) == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.6])


def test_recency_is_even_in_the_logarithm_of_age() -> None:
    prior = np.exp(log_recency(BEGINS, ENDS))

    assert prior.sum() == pytest.approx(1.0)
    assert prior == pytest.approx(np.log([120 / 110, 110 / 100, 100 / 90, 90 / 80, 80 / 20]) / np.log(6.0))


def test_a_certain_change_is_told_with_the_buckets_on_either_side() -> None:
    prior = log_lengths(BEGINS, ENDS)
    found = change_time(np.array([-99.0, -99.0, 0.0, -99.0, -99.0]), prior, BEGINS, ENDS)

    assert (found.bucket, found.at, found.since, found.until) == (2, 20, 10, 30)


def test_without_evidence_nearly_all_of_the_time_is_told() -> None:
    prior = log_lengths(BEGINS, ENDS)
    found = change_time(prior, prior, BEGINS, ENDS)

    assert (found.since, found.until) == (0, 100)


def test_of_one_bucket_the_whole_is_told() -> None:
    begins, ends = np.array([5]), np.array([9])
    found = change_time(np.zeros(1), log_lengths(begins, ends), begins, ends)

    assert (found.bucket, found.at, found.since, found.until) == (0, 5, 5, 9)
