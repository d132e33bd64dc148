"""How far a shift went, and whether it is back."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.drift.incidents import estimate, log_back_ratio
from monitor.drift.kinds import DriftKind, kind_of, severity_of
from monitor.drift.measures import Measure


@pytest.mark.parametrize("shift", [-1.0, -0.3, 0.0, 0.4, 1.5])
@pytest.mark.parametrize("start", [-2.0, 0.0, 2.0])
def test_a_shift_is_estimated_from_anywhere(shift: float, start: float) -> None:
    p = np.array([0.02, 0.1, 0.5])
    n = np.array([3e5, 1e5, 1e5])
    odds = p / (1 - p) * np.exp(shift)
    got, sd = estimate(n * odds / (1 + odds), n, p, start)
    assert got == pytest.approx(shift, abs=0.01)
    assert 0.0 < sd < 0.02


def test_without_data_a_shift_is_its_prior() -> None:
    assert estimate(np.zeros(0), np.zeros(0), np.zeros(0), 3.0) == pytest.approx((0.0, 1.0))


def test_back_is_the_ratio_of_the_two_levels() -> None:
    p, shift, k, n = 0.1, 0.7, 9.0, 60.0
    odds = p / (1 - p) * np.exp(shift)
    q = odds / (1 + odds)
    wanted = k * np.log(p / q) + (n - k) * np.log((1 - p) / (1 - q))
    got = log_back_ratio(np.array([k]), np.array([n]), np.array([p]), shift)
    assert got == pytest.approx(wanted)


def test_each_measure_has_its_kind_and_severity() -> None:
    assert {measure: kind_of(measure) for measure in (Measure.MIX, Measure.VOLUME, Measure.REFUSAL)} == {
        Measure.MIX: DriftKind.MIX_SHIFT,
        Measure.VOLUME: DriftKind.VOLUME_SHIFT,
        Measure.REFUSAL: DriftKind.RATE_SHIFT,
    }
    assert severity_of(Measure.REFUSAL, is_rise=True, level=1) == "warning"
    assert severity_of(Measure.REFUSAL, is_rise=False, level=2) == "critical"
    assert severity_of(Measure.UNDER_REFUSAL, is_rise=True, level=1) == "critical"
    assert severity_of(Measure.UNDER_REFUSAL, is_rise=False, level=1) == "warning"
    assert severity_of(Measure.MIX, is_rise=True, level=5) == "info"
