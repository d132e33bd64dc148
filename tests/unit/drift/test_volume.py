"""Counts per time: the binomial of very many trials is the Gamma-Poisson."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.drift.detector import ODDS, WEIGHTS, drip, log_m, log_ratios
from monitor.drift.volume import EXPOSURE_PER_HOUR, PRIOR, exposure, is_armed

HOUR = exposure(3600.0)


def test_the_likelihood_ratio_is_the_poissons() -> None:
    per_hour, hours, k = 5_000.0, 0.5, 2_600.0
    ours = log_ratios(
        np.array([k]),
        np.array([exposure(1_800.0)]),
        a=np.array([per_hour * 1e6]),
        b=np.array([HOUR * 1e6]),
        offset=np.zeros(1),
        phi=np.ones(1),
    )

    assert ours[0] == pytest.approx(k * np.log(ODDS) - per_hour * hours * (ODDS - 1.0), rel=1e-5)


def test_an_hour_is_an_hour() -> None:
    assert HOUR == EXPOSURE_PER_HOUR
    assert exposure(0.0) == 0.0


def test_it_is_watched_after_a_week() -> None:
    week = 168.0 * EXPOSURE_PER_HOUR

    assert is_armed(np.array([week, week, 0.0]), np.array([168.0, 167.0, 500.0])).tolist() == [
        True,
        False,
        False,
    ]


def test_silence_is_noticed_and_steady_traffic_is_not() -> None:
    rng = np.random.default_rng(1)
    a, b = np.array([200.0 * 168 + PRIOR[0]] * 50), np.array([168.0 * HOUR + PRIOR[1]] * 50)
    log_r = np.full((50, 8), -np.inf)
    window = np.full(50, exposure(60.0))

    def minutes(per_hour: float, count: int) -> int:
        nonlocal log_r, a, b
        alarmed: set[int] = set()
        for _ in range(count):
            k = rng.poisson(per_hour / 60.0, 50).astype(float)
            ratios = log_ratios(k, window, a=a, b=b, offset=np.zeros(50), phi=np.ones(50))
            log_r = drip(log_r, np.full(50, 1.0 / (60 * 24 * 30))) + ratios
            over = log_m(log_r, WEIGHTS) >= 0.0
            alarmed |= set(np.flatnonzero(over).tolist())
            log_r[over] = -np.inf
            a, b = a + k, b + window
        return len(alarmed)

    assert minutes(200.0, 1_440) <= 6  # fifty streams for a thirtieth of what an alarm takes
    assert minutes(0.0, 12) == 50
