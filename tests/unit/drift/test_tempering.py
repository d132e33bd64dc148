"""Over-dispersion: none where there is none, and what there is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2  # type: ignore[import-untyped]  # scipy carries no types

from monitor.drift.tempering import MOST, _trimmed_mean, phi_of

HOURS = 672


@pytest.mark.parametrize(
    ("rate", "events"), [(0.2, 50.0), (0.05, 50.0), (0.05, 2.0), (0.001, 1_000.0), (0.001, 100.0), (0.5, 1e4)]
)
def test_binomial_counts_stay_at_one(rate: float, events: float) -> None:
    rng = np.random.default_rng(1)
    n = rng.poisson(events, (800, HOURS)).astype(float)
    k = rng.binomial(n.astype(int), rate).astype(float)
    phi = phi_of(k, n, np.full_like(n, rate))

    assert phi.min() == 1.0
    assert phi.mean() < 1.05
    assert np.median(phi) == 1.0


@pytest.mark.parametrize("rate", [0.05, 0.01])
def test_clumps_are_measured(rate: float) -> None:
    rng = np.random.default_rng(2)
    n = np.full((300, HOURS), 300.0)
    k = np.minimum(4.0 * rng.binomial(75, rate, n.shape), n)  # sessions of four, all alike
    phi = phi_of(k, n, np.full_like(n, rate))

    assert np.median(phi) == pytest.approx(4.0, rel=0.15)


def test_a_level_that_wanders_from_day_to_day_is_measured() -> None:
    rng = np.random.default_rng(3)
    n = np.full((200, HOURS), 1_000.0)
    p = 0.05 * np.exp(0.1 * np.repeat(rng.normal(size=(200, HOURS // 24)), 24, axis=1))
    phi = phi_of(rng.binomial(1_000, p).astype(float), n, np.full_like(n, 0.05))
    golden = 1.0 + 24_000 * 0.05 * 0.1**2 / 0.95

    assert np.median(phi) == pytest.approx(golden, rel=0.25)


def test_a_single_incident_is_not_clumps() -> None:
    rng = np.random.default_rng(4)
    n = np.full((200, HOURS), 200.0)
    k = rng.binomial(200, 0.05, n.shape).astype(float)
    k[:, 300:305] = 60.0
    phi = phi_of(k, n, np.full_like(n, 0.05))

    assert np.median(phi) < 1.1


def test_a_wrong_level_is_not_clumps() -> None:
    rng = np.random.default_rng(5)
    n = np.full((200, HOURS), 200.0)
    k = rng.binomial(200, 0.10, n.shape).astype(float)

    assert phi_of(k, n, np.full_like(n, 0.05)).mean() < 1.05


def test_few_data_are_binomial() -> None:
    rng = np.random.default_rng(6)
    k = np.where(rng.random((5, 200)) < 0.1, 20.0, 0.0)
    n = np.full_like(k, 40.0)

    assert phi_of(k[:, :13], n[:, :13], np.full((5, 13), 0.05)).tolist() == [1.0] * 5
    assert phi_of(np.zeros((2, 0)), np.zeros((2, 0)), np.zeros((2, 0))).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("filling", ["nothing", "none", "all"])
def test_borders_are_binomial(filling: str) -> None:
    n = np.full((2, HOURS), 0.0 if filling == "nothing" else 30.0)
    k = n if filling == "all" else np.zeros_like(n)

    for rate in (0.0, 1e-9, 0.5, 1.0):
        phi = phi_of(k, n, np.full_like(n, rate))
        assert np.all((phi >= 1.0) & (phi <= MOST))
        if filling != "all":
            assert phi.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3])
def test_the_trimmed_mean_is_that_of_chi_squared(share: float) -> None:
    end = chi2.ppf(1.0 - share, 1)
    golden = chi2.expect(lambda x: x, args=(1,), ub=end) / (1.0 - share)

    assert _trimmed_mean(share) == pytest.approx(golden, rel=1e-6)
