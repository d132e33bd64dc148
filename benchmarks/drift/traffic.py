"""Simulated fleets on which no rate changes for a cell and hour of the week, and everything else does what it does in life: the
season, the mix, bursts. By hours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.drift.cells import Floats

Ints = NDArray[np.int64]

WEEK_H: Final = 168


@dataclass(frozen=True, slots=True)
class Fleet:
    """`k` refused of `n` exchanges, [hours, cells]; `rates`: the cells' mean rates."""

    cells: tuple[tuple[str, str, str], ...]
    k: Ints
    n: Ints
    rates: Floats


def _cells(tenants: int, models: int, categories: int) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (f"tenant-{tenant}", f"model-{model}", f"category-{category}")
        for tenant in range(tenants)
        for model in range(models)
        for category in range(categories)
    )


def _rates(count: int, low: float, high: float, chance: np.random.Generator) -> Floats:
    rates: Floats = np.exp(chance.uniform(np.log(low), np.log(high), count))
    return rates


def _by_hour(hours: int) -> Floats:
    """How busy each hour is, mean 1, [hours]: a day of five to one, and half as much at weekends."""
    hour = np.arange(hours)
    day = 1.0 + (2.0 / 3.0) * np.cos(2.0 * np.pi * (hour % 24 - 14.0) / 24.0)
    week = np.where(hour % WEEK_H >= 5 * 24, 0.5, 1.2)
    busy: Floats = day * week
    return busy


def _shifted(rates: Floats, log_odds: Floats) -> Floats:
    odds = rates / (1.0 - rates) * np.exp(log_odds)
    shifted: Floats = odds / (1.0 + odds)
    return shifted


def season(hours: int, chance: np.random.Generator) -> Fleet:
    """20 cells, each with a daily wave of 0.3 to 0.6 in log-odds and a second one in it, and 0.2 to 0.5 up or down at weekends."""
    cells = _cells(2, 2, 5)
    count = len(cells)
    hour = np.arange(hours)[:, None]
    phase, second = chance.uniform(0.0, 24.0, count), chance.uniform(0.0, 12.0, count)
    wave = chance.uniform(0.3, 0.6, count) * np.cos(2.0 * np.pi * (hour - phase) / 24.0)
    wave = wave + 0.15 * np.cos(2.0 * np.pi * (hour - second) / 12.0)
    weekend = chance.choice([-1.0, 1.0], count) * chance.uniform(0.2, 0.5, count)
    rates = _rates(count, 0.02, 0.2, chance)
    p = _shifted(rates, wave + weekend * (hour % WEEK_H >= 5 * 24))
    n = chance.poisson(100.0 * _by_hour(hours)[:, None], (hours, count))
    return Fleet(cells, chance.binomial(n, p), n, rates)


def mix(hours: int, chance: np.random.Generator) -> Fleet:
    """20 cells of rates from 0.005 to 0.4: the categories' shares of a tenant's model wander (a standard deviation of 0.6 in
    logarithm, half forgotten in five days), and each rate stays."""
    cells = _cells(2, 2, 5)
    count = len(cells)
    rates = np.tile(np.exp(np.linspace(np.log(0.005), np.log(0.4), 5)), 4)
    keep = 0.5 ** (1.0 / 120.0)
    weight = chance.normal(0.0, 0.6, count)
    n = np.zeros((hours, count), np.int64)
    busy = _by_hour(hours)
    for hour in range(hours):
        weight = keep * weight + 0.6 * np.sqrt(1.0 - keep**2) * chance.normal(size=count)
        shares = np.exp(weight).reshape(4, 5)
        n[hour] = chance.poisson(200.0 * busy[hour] * (shares / shares.sum(axis=1, keepdims=True)).ravel())
    return Fleet(cells, chance.binomial(n, rates), n, rates)


def bursts(hours: int, chance: np.random.Generator) -> Fleet:
    """20 cells where who is refused asks again: 2.5 refusals a session on average, geometric, within the hour. The counts vary 4
    times as much as binomial ones."""
    cells = _cells(2, 2, 5)
    count = len(cells)
    rates = _rates(count, 0.02, 0.2, chance)
    mean = 2.5
    of = 100.0 * _by_hour(hours)[:, None] * np.ones(count)
    sessions = chance.poisson(of * rates / mean)
    more = chance.negative_binomial(np.maximum(sessions, 1), 1.0 / mean)
    k = np.where(sessions > 0, sessions + more, 0)
    return Fleet(cells, k, k + chance.poisson(of * (1.0 - rates)), rates)


def many(hours: int, chance: np.random.Generator) -> Fleet:
    """500 cells of rates from 0.002 to 0.2 and very unlike traffic: 20 an hour in the median, 2 to 200."""
    cells = _cells(10, 5, 10)
    count = len(cells)
    rates = _rates(count, 0.002, 0.2, chance)
    volume = np.clip(20.0 * np.exp(chance.normal(0.0, 1.2, count)), 2.0, 200.0)
    n = chance.poisson(volume * _by_hour(hours)[:, None])
    return Fleet(cells, chance.binomial(n, rates), n, rates)
