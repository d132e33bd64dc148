"""The simulations of `python -m benchmarks.audit_power`, short and seeded: what the figures promise is kept."""

from __future__ import annotations

import pytest

from benchmarks.audit_power.simulation import alerts, coverage, size_freedom

SEED = 1


@pytest.mark.parametrize("dimensions", [4, 100])
def test_j_is_free_of_size_and_chi_and_xbi_are_not(dimensions: int) -> None:
    few, many = (size_freedom(0.2, n, dimensions, times=200, seed=SEED) for n in (16, 300))
    for one in (few, many):
        assert one.j == pytest.approx(0.2, abs=3.5 * one.j_error)
    assert many.chi > 5 * few.chi
    assert few.inverse_xbi > 1.25 * many.inverse_xbi


@pytest.mark.parametrize("j", [0.0, 0.1, 1.0])
def test_intervals_hold_the_truth(j: float) -> None:
    held = coverage(j, 64, 32, times=150, draws=400, seed=SEED)
    # 95 % less three standard errors; pairs need the clustered form
    assert held.independent >= 0.897
    assert held.clustered >= 0.897


def test_j_of_pairs_is_too_low_where_it_is_small() -> None:
    held = coverage(0.0, 64, 32, times=100, draws=400, seed=SEED)
    assert held.paired < held.clustered - 0.1


def test_an_update_that_means_no_harm_seldom_alerts() -> None:
    rate = alerts(0.0, layers_that_fall=0, pairs=100, dimensions=16, times=80, seed=SEED)
    assert rate.significant <= 0.05 + 3 * (0.05 * 0.95 / 80) ** 0.5
    assert rate.alerted <= rate.significant


def test_a_fall_that_one_layer_of_eight_shows_is_found() -> None:
    rate = alerts(0.3, layers_that_fall=1, dimensions=16, times=25, seed=SEED)
    assert rate.alerted >= 0.9
    assert rate.significant >= rate.by_holm
