"""Many hypotheses at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitor.audit.anchors import Floats
from monitor.audit.multiplicity import holm, step_down_max


def test_holm_by_hand() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(arrays(np.float64, st.integers(1, 20), elements=st.floats(0, 1)))
def test_holm_lies_between_the_p_value_and_bonferroni(p: Floats) -> None:
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(1, len(p) * p) + 1e-12).all()


def test_the_step_down_maximum_by_hand() -> None:
    observed = np.array([1.0, 3.0, 2.0])
    null = np.array([[0.0, 0.0, 2.5], [1.5, 0.0, 0.0], [0.0, 4.0, 0.0]])
    # 3 against the largest of all: one of three; 2 without the second column: one; 1 alone: one, all made monotone
    assert step_down_max(observed, null) == pytest.approx([0.5, 0.5, 0.5])


def test_copies_of_one_hypothesis_cost_nothing() -> None:
    null = np.abs(np.random.default_rng(0).normal(size=(999, 1)))
    alone = step_down_max(np.array([2.5]), null)[0]
    assert step_down_max(np.full(30, 2.5), np.repeat(null, 30, axis=1)) == pytest.approx([alone] * 30)
    assert holm(np.full(30, alone))[0] == pytest.approx(30 * alone)


def test_one_hypothesis_is_its_own_rank() -> None:
    assert step_down_max(np.array([5.0]), np.arange(10.0)[:, None]) == pytest.approx([6 / 11])
