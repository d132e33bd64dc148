"""What is normal: Beta counts that learn and forget."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.drift.baseline import expected, kept, learned, prior

DAY_US = 86_400_000_000


def test_half_is_forgotten_after_the_half_life_and_a_clock_that_went_back_forgets_nothing() -> None:
    assert kept(np.array([0, 28 * DAY_US, 56 * DAY_US, -5 * DAY_US]), 28.0) == pytest.approx(
        [1.0, 0.5, 0.25, 1.0]
    )


def test_nothing_known_is_jeffreys_and_the_fleet_counts_as_twenty_events() -> None:
    assert prior(0.0, 0.0) == (0.5, 0.5)
    a, b = prior(100.0, 1000.0)
    assert a + b == pytest.approx(20.0)
    assert a / (a + b) == pytest.approx(0.1, abs=1e-3)


@given(k=st.integers(0, 50), more=st.integers(0, 50), a=st.floats(0.5, 1e4), b=st.floats(0.5, 1e4))
def test_without_a_season_it_counts(k: int, more: int, a: float, b: float) -> None:
    n = float(k + more)
    got = learned(np.array([float(k)]), np.array([n]), a=np.array([a]), b=np.array([b]), offset=np.zeros(1))
    assert [float(part[0]) for part in got] == [float(k), n - k]


@given(
    level=st.floats(0.01, 0.6),
    n=st.floats(1.0, 500.0),
    offset=st.floats(-1.0, 1.0),
    strength=st.floats(100.0, 1e5),
)
def test_what_the_season_expects_moves_no_level(
    level: float, n: float, offset: float, strength: float
) -> None:
    a, b = np.array([strength * level]), np.array([strength * (1 - level)])
    k = n * expected(a, b, np.array([offset]))
    positive, negative = learned(k, np.array([n]), a=a, b=b, offset=np.array([offset]))
    assert (positive / (positive + negative))[0] == pytest.approx(level)
