"""The season: what it takes away, what it leaves, and that it doesn't see one in chance."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.drift.detector import WEIGHTS, drip, log_m, log_ratios
from monitor.drift.season import COLUMNS, HISTORY_WEEKS, HOURS, fit_season, hour_of_week, offsets
from monitor.drift.tempering import phi_of

Floats = NDArray[np.float64]

WEEK = np.arange(HOURS)
HISTORY = np.tile(WEEK, HISTORY_WEEKS)


def _sigmoid(x: Floats) -> Floats:
    value: Floats = 1.0 / (1.0 + np.exp(-x))
    return value


def _office(rng: np.random.Generator, streams: int) -> Floats:
    """Log-odds by hour of the week, [S, 168]: a plateau of working hours and another level at the weekend, 0.8 in all."""
    middle = rng.uniform(8.0, 18.0, (streams, 1))
    away = np.abs((WEEK % 24 - middle + 12.0) % 24.0 - 12.0)
    working = _sigmoid(1.5 * (5.0 - away))
    weekend = WEEK >= 120
    season: Floats = 0.8 * (working * (1.0 - 0.6 * weekend) - 0.4 * weekend)
    return season


def _table(coefficients: NDArray[np.float32]) -> Floats:
    return np.stack([offsets(coefficients, hour) for hour in range(HOURS)], axis=1)


def test_the_hour_of_the_week_begins_on_monday() -> None:
    assert hour_of_week(datetime(2026, 3, 2, tzinfo=UTC)) == 0
    assert hour_of_week(datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)) == 167
    assert hour_of_week(datetime(1969, 12, 29, 5, 30, tzinfo=UTC)) == 5


def test_chance_is_no_season() -> None:
    rng = np.random.default_rng(1)
    n = rng.poisson(50, (500, HISTORY.size)).astype(float)
    k = rng.binomial(n.astype(int), 0.05).astype(float)
    table = _table(fit_season(k, n, HISTORY, phi=np.ones(500)))

    assert (np.abs(table).max(axis=1) > 1e-9).mean() < 0.08  # four blocks at 1 %
    assert np.sqrt((table**2).mean()) < 0.03


def test_a_season_is_found_and_the_level_stays_the_mean_rate() -> None:
    rng = np.random.default_rng(2)
    season = _office(rng, 20)
    n = np.full((20, HISTORY.size), 2_000.0)
    k = rng.binomial(2_000, _sigmoid(np.tile(season, (1, HISTORY_WEEKS)) - 3.0)).astype(float)
    table = _table(fit_season(k, n, HISTORY, phi=np.ones(20)))
    rate = k.sum(axis=1) / n.sum(axis=1)
    level = np.log(rate / (1.0 - rate))[:, None]

    assert np.abs(season - 3.0 - (level + table)).mean() < 0.04
    assert _sigmoid(level + table).mean(axis=1) == pytest.approx(rate, rel=1e-5)


def test_streams_of_a_group_find_together_what_none_finds_alone() -> None:
    rng = np.random.default_rng(3)
    season = np.tile(0.5 * np.cos(2.0 * np.pi * WEEK / 24.0), (60, 1))
    n = np.full((60, HISTORY.size), 3.0)
    k = rng.binomial(3, _sigmoid(np.tile(season, (1, HISTORY_WEEKS)) - 3.0)).astype(float)
    alone = _table(fit_season(k, n, HISTORY, phi=np.ones(60)))
    together = _table(fit_season(k, n, HISTORY, phi=np.ones(60), group=np.zeros(60, dtype=np.int64)))

    def error(table: Floats) -> float:
        return float(np.sqrt(((table - table.mean() - season) ** 2).mean()))

    assert error(together) < 0.4 * error(alone)


def test_a_stream_that_differs_from_its_group_has_its_own_season() -> None:
    rng = np.random.default_rng(4)
    season = np.zeros((10, HOURS))
    season[0] = np.cos(2.0 * np.pi * WEEK / 24.0)
    n = np.full((10, HISTORY.size), 1_000.0)
    k = rng.binomial(1_000, _sigmoid(np.tile(season, (1, HISTORY_WEEKS)) - 2.0)).astype(float)
    table = _table(fit_season(k, n, HISTORY, phi=np.ones(10), group=np.zeros(10, dtype=np.int64)))

    assert np.ptp(table[0]) == pytest.approx(2.0, abs=0.1)
    assert np.abs(table[1:]).mean() < 0.03


@pytest.mark.parametrize("filling", ["nothing", "none", "all", "one hour"])
def test_borders_give_no_season(filling: str) -> None:
    n = np.zeros((2, HISTORY.size)) if filling == "nothing" else np.full((2, HISTORY.size), 9.0)
    if filling == "one hour":
        n[:, 1:] = 0.0
    k = n.copy() if filling in ("all", "one hour") else np.zeros_like(n)
    found = fit_season(k, n, HISTORY, phi=np.ones(2))

    assert found.shape == (2, COLUMNS)
    assert found.dtype == np.float32
    assert found == pytest.approx(np.zeros((2, COLUMNS)), abs=1e-6)


def test_a_few_days_have_no_week_and_a_few_hours_no_day() -> None:
    rng = np.random.default_rng(5)
    season = np.tile(np.cos(2.0 * np.pi * WEEK / 24.0) + 0.5 * (WEEK >= 72), HISTORY_WEEKS)[None]
    n = np.full((3, HISTORY.size), 2_000.0)
    n[0, 160:] = 0.0  # six days and a half
    n[1, 60:] = 0.0  # two and a half
    k = rng.binomial(n.astype(int), _sigmoid(season - 2.0)).astype(float)
    days, hours, weeks = fit_season(k, n, HISTORY, phi=np.ones(3))

    assert not hours[1:].any()
    assert days[1] == pytest.approx(1.0, abs=0.15)
    assert not days[7:12].any()
    assert weeks[7:12].any()


def test_no_streams_are_no_trouble() -> None:
    nothing = np.zeros((0, HISTORY.size))

    assert fit_season(nothing, nothing, HISTORY, phi=np.ones(0)).shape == (0, COLUMNS)


def _false_alarms(k: Floats, n: Floats, *, a: Floats, b: Floats, table: Floats, phi: Floats) -> int:
    """Over four weeks of hourly windows, with a promise of an alarm a stream in sixteen weeks."""
    streams = len(k)
    log_r, alarms = np.full((streams, 8), -np.inf), 0
    for place, hour in enumerate(HISTORY):
        offset, seen, events = table[:, hour], k[:, place], n[:, place]
        ratios = log_ratios(seen, events, a=a, b=b, offset=offset, phi=phi)
        log_r = drip(log_r, np.full(streams, 1.0 / (4 * HISTORY.size))) + ratios
        over = log_m(log_r, WEIGHTS) >= 0.0
        alarms += int(over.sum())
        log_r[over] = -np.inf
        level = a / (a + b)
        p = _sigmoid(np.log(a / b) + offset)
        weight = events * p * (1.0 - p) / (level * (1.0 - level))
        gained = weight * level + seen - events * p
        a, b = a + gained, b + weight - gained
    return alarms


@pytest.mark.parametrize(("rate", "traffic"), [(0.05, 200.0), (0.05, 2_000.0), (0.01, 2_000.0), (0.2, 500.0)])
def test_a_season_that_was_fitted_is_not_noticed(rate: float, traffic: float) -> None:
    rng = np.random.default_rng(7)
    streams = 80
    season = _office(rng, streams)
    busy = np.tile(traffic * (0.4 + 1.2 * np.exp(season - season.max())), (1, HISTORY_WEEKS))
    odds = np.tile(season, (1, HISTORY_WEEKS)) + np.log(rate / (1.0 - rate))

    def month() -> tuple[Floats, Floats]:
        n = rng.poisson(busy).astype(float)
        return rng.binomial(n.astype(int), _sigmoid(odds)).astype(float), n

    k, n = month()
    table = _table(fit_season(k, n, HISTORY, phi=np.ones(streams)))
    a, b = k.sum(axis=1) + 0.5, (n - k).sum(axis=1) + 0.5
    foreseen = _sigmoid(np.log(a / b)[:, None] + np.tile(table, (1, HISTORY_WEEKS)))
    phi = phi_of(k, n, foreseen)
    later_k, later_n = month()
    promised = streams / 4.0

    blind = _false_alarms(later_k, later_n, a=a, b=b, table=np.zeros_like(table), phi=np.ones(streams))
    fitted = _false_alarms(later_k, later_n, a=a, b=b, table=table, phi=phi)

    assert blind > 20 * promised
    assert fitted <= 1.25 * promised
