"""Kitagawa's split: an identity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.drift.mix import split

SIDE = st.tuples(st.integers(0, 1_000), st.integers(0, 1_000)).map(lambda pair: (min(pair), max(pair)))
CLASSES = st.lists(st.tuples(SIDE, SIDE), min_size=1, max_size=20)


@given(CLASSES)
def test_within_and_mix_add_up_to_the_change(classes: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    (k0, n0), (k1, n1) = (np.array([side[i] for side in classes], float).T for i in (0, 1))
    found = split(k0, n0, k1, n1)

    if not n0.sum() or not n1.sum():
        assert found is None
        return
    assert found is not None
    assert found.within + found.mix == pytest.approx(k1.sum() / n1.sum() - k0.sum() / n0.sum(), abs=1e-12)


def test_rates_that_stay_are_all_mix_and_shares_that_stay_are_all_within() -> None:
    k0, n0 = np.array([10.0, 90.0]), np.array([100.0, 100.0])
    mix = split(k0, n0, np.array([3.0, 153.0]), np.array([30.0, 170.0]))
    within = split(k0, n0, np.array([40.0, 180.0]), np.array([200.0, 200.0]))

    assert mix is not None
    assert (mix.within, mix.mix) == pytest.approx((0.0, 0.28))
    assert within is not None
    assert (within.within, within.mix) == pytest.approx((0.05, 0.0))


def test_a_class_that_appears_is_mix() -> None:
    found = split(
        np.array([10.0, 0.0]), np.array([100.0, 0.0]), np.array([10.0, 50.0]), np.array([100.0, 100.0])
    )

    assert found is not None
    assert (found.within, found.mix) == pytest.approx((0.0, 0.2))
