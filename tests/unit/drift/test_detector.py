"""The kernel: likelihood ratios whose mean is 1, and alarms as often as promised."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]  # scipy has no types

from monitor.drift.detector import HARM_WEIGHTS, ODDS, WEIGHTS, drip, log_m, log_ratios, log_threshold


@pytest.mark.parametrize(("a", "b"), [(20.0, 80.0), (3.0, 300.0), (500.0, 9500.0)])
def test_a_single_event_has_ratio_1_on_average(a: float, b: float) -> None:
    p = a / (a + b)
    column = {"a": np.full(2, a), "b": np.full(2, b), "offset": np.zeros(2), "phi": np.ones(2)}
    ratios = np.exp(log_ratios(np.array([0.0, 1.0]), np.ones(2), **column))
    assert (1 - p) * ratios[0] + p * ratios[1] == pytest.approx(np.ones(ODDS.size), rel=0.01)


def test_with_a_certain_baseline_it_is_the_likelihood_ratio_of_the_binomial() -> None:
    k, n, p, r = 7.0, 40.0, 0.1, ODDS
    shifted = r * p / (1 - p + r * p)
    wanted = stats.binom.logpmf(k, n, shifted) - stats.binom.logpmf(k, n, p)
    got = log_ratios(
        np.array([k]),
        np.array([n]),
        a=np.array([1e9 * p]),
        b=np.array([1e9 * (1 - p)]),
        offset=np.zeros(1),
        phi=np.ones(1),
    )
    assert got[0] == pytest.approx(wanted, abs=1e-5)


def test_no_events_say_nothing_and_what_is_tempered_says_less() -> None:
    one = {"a": np.array([5.0]), "b": np.array([95.0]), "offset": np.zeros(1)}
    assert not log_ratios(np.zeros(1), np.zeros(1), phi=np.ones(1), **one).any()
    whole = log_ratios(np.array([8.0]), np.array([40.0]), phi=np.ones(1), **one)
    half = log_ratios(np.array([16.0]), np.array([80.0]), phi=np.full(1, 2.0), **one)
    assert half == pytest.approx(whole)


def test_time_alone_adds_its_share() -> None:
    log_r = drip(np.full((1, ODDS.size), -np.inf), np.array([0.25]))
    assert np.exp(log_m(log_r, WEIGHTS)) == pytest.approx([0.25])
    assert np.isneginf(log_m(np.full((1, ODDS.size), -np.inf), WEIGHTS))
    assert np.isneginf(drip(np.full((1, ODDS.size), -np.inf), np.zeros(1))).all()


def test_the_threshold_is_the_budgets_interval_less_what_is_overshot() -> None:
    assert WEIGHTS.sum() == pytest.approx(1.0)
    assert HARM_WEIGHTS.sum() == pytest.approx(1.0)
    assert np.exp(log_threshold(2.0, WEIGHTS)) == pytest.approx(0.5 * 0.883, abs=1e-3)
    assert np.exp(log_threshold(2.0, HARM_WEIGHTS)) == pytest.approx(0.5 * 0.843, abs=1e-3)
    lumps = np.exp(log_threshold(2.0, WEIGHTS, np.array([0.0, 0.1, 1.0, 10.0, 1e6])))
    assert lumps[0] == pytest.approx(0.5 * 0.883, abs=1e-3)
    assert (np.diff(lumps) < 0).all()
    assert lumps[-1] == pytest.approx(0.5 * 0.05)


@pytest.mark.parametrize(("p", "n", "windows"), [(0.05, 4, 800), (0.05, 40, 400), (0.2, 50, 300)])
def test_alarms_come_about_as_often_as_promised(p: float, n: int, windows: int) -> None:
    """400 streams for twice the promised interval, of which the second half counts: 400 alarms are promised."""
    rng = np.random.default_rng(20260302)
    streams, reference = 400, 20_000
    a = rng.binomial(reference, p, streams) + 0.5
    b = reference + 1.0 - a
    log_r = np.full((streams, ODDS.size), -np.inf)
    log_a = log_threshold(1.0 / windows, WEIGHTS, np.array([n * p * (1 - p)]))
    alarms = 0
    for number in range(2 * windows):
        k = rng.binomial(n, p, streams).astype(np.float64)
        ratios = log_ratios(
            k, np.full(streams, float(n)), a=a, b=b, offset=np.zeros(streams), phi=np.ones(streams)
        )
        log_r = drip(log_r, np.ones(streams)) + ratios
        crossed = log_m(log_r, WEIGHTS) >= log_a
        alarms += int(crossed.sum()) if number >= windows else 0
        log_r[crossed] = -np.inf
        a += k
        b += n - k
    assert 0.8 <= alarms / streams <= 1.25
