"""False alarms over months of a simulated fleet, as shipped and without what the watch adjusts for.

A person resolves each at once: what fires is held and can't be a false alarm again, so that who leaves them has fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import numpy as np

from benchmarks.drift.cells import Floats
from benchmarks.drift.gates import Gate
from benchmarks.drift.jobs import mapped
from benchmarks.drift.running import Figure
from benchmarks.drift.traffic import WEEK_H, Fleet, bursts, many, mix, season
from benchmarks.drift.watching import counted, told, window
from monitor.drift.detector import WEIGHTS, drip, log_m, log_ratios, log_threshold
from monitor.drift.measures import Measure
from monitor.drift.policy import MONTH_S, DriftPolicy
from schemas.windows import Window

HOUR: Final = timedelta(hours=1)
MONDAY: Final = datetime(2026, 1, 5, tzinfo=UTC)
REFERENCE_H: Final = 4 * WEEK_H
MONTH_H: Final = MONTH_S / 3600.0
LOW, HIGH = 0.8, 1.25


@dataclass(frozen=True, slots=True)
class Scenario:
    """`fleets` of them are watched for `months` each after four weeks of reference, at `budget` false alarms a month.
    `merged`: cells are added up to tenant and model where nothing is adjusted for, as who doesn't know classes would."""

    name: str
    made: Callable[[int, np.random.Generator], Fleet]
    budget: float
    months: float
    fleets: int
    merged: bool = False


LONG: Final = (
    Scenario("season", season, 10.0, 4.0, 6),
    Scenario("mix", mix, 10.0, 4.0, 6, merged=True),
    Scenario("bursts", bursts, 10.0, 4.0, 6),
    Scenario("500 streams", many, 5.0, 12.0, 2),
)
SHORT: Final = (
    Scenario("season", season, 10.0, 1.0, 1),
    Scenario("mix", mix, 10.0, 1.0, 1, merged=True),
    Scenario("bursts", bursts, 10.0, 1.0, 1),
)
"""Too few to decide: they show only what is far off."""


@dataclass(frozen=True, slots=True)
class Alarms:
    """Of one fleet: after the reference as shipped; in the reference; of the detector alone; of hourly bands of 3 sigma."""

    shipped: int
    early: int
    unadjusted: int
    bands: int


def fleets(scenarios: tuple[Scenario, ...], seed: int, jobs: int) -> list[Gate]:
    """Print what each gives; the gates of it."""
    runs = [(at, number) for at, scenario in enumerate(scenarios) for number in range(scenario.fleets)]
    found = list(mapped(partial(_fleet, scenarios, seed), runs, jobs))
    print(
        f"{'':14}{'promised':>10}{'as shipped':>12}{'in the reference':>18}{'unadjusted':>12}{'3 sigma':>9}   by fleet"
    )
    gates = []
    for at, of in enumerate(scenarios):
        alarms = [alarm for (scenario, _), alarm in zip(runs, found, strict=True) if scenario == at]
        shipped = sum(alarm.shipped for alarm in alarms)
        promised = of.budget * of.months * of.fleets
        print(
            f"{of.name:14}{promised:>10.0f}{shipped:>12,}{sum(alarm.early for alarm in alarms):>18,}"
            f"{sum(alarm.unadjusted for alarm in alarms):>12,}{sum(alarm.bands for alarm in alarms):>9,}"
            f"   {' '.join(str(alarm.shipped) for alarm in alarms)}",
            flush=True,
        )
        # As widely as the fleets differ, where they differ by more than chance; of few, as widely as those would that
        # are just often enough.
        apart = float(np.var([alarm.shipped for alarm in alarms], ddof=1)) if len(alarms) > 1 else 0.0
        spread = max(shipped, apart * len(alarms), LOW * promised)
        figure = Figure(shipped / promised, float(np.sqrt(spread)) / promised)
        gates.append(Gate(f"false alarms by those promised, {of.name}", figure, LOW, HIGH))
    return gates


def _fleet(scenarios: tuple[Scenario, ...], seed: int, run: tuple[int, int]) -> Alarms:
    at, number = run
    of = scenarios[at]
    fleet = of.made(REFERENCE_H + round(of.months * MONTH_H), np.random.default_rng((seed, at, number)))
    policy = DriftPolicy(budget_per_month=of.budget, shares={Measure.REFUSAL: 1.0})
    watched_from = MONDAY + REFERENCE_H * HOUR
    alerts = told(windows(fleet), policy, resolved_until=MONDAY + len(fleet.k) * HOUR).values()
    early = sum(alert.first.at <= watched_from for alert in alerts)
    return Alarms(
        len(alerts) - early, early, unadjusted(fleet, of.budget, merged=of.merged), three_sigma(fleet)
    )


def windows(fleet: Fleet) -> Iterator[Window]:
    """The fleet's hours as windows."""
    for hour, (k, n) in enumerate(zip(fleet.k.tolist(), fleet.n.tolist(), strict=True)):
        rows = (counted(cell, n[at], k[at]) for at, cell in enumerate(fleet.cells) if n[at])
        yield window(MONDAY + hour * HOUR, HOUR, rows)


def unadjusted(fleet: Fleet, budget: float, *, merged: bool) -> int:
    """Alarms after the reference of the detector alone: it learns, and knows no season, class or over-dispersion. All of
    the budget is the cells'."""
    k, n = fleet.k.astype(np.float64), fleet.n.astype(np.float64)
    if merged:
        places = [cell[:2] for cell in fleet.cells]
        kinds = sorted(set(places))
        into = np.array([[place == kind for kind in kinds] for place in places], np.float64)
        k, n = k @ into, n @ into
    streams = k.shape[1]
    a, b = 0.5 + k[:REFERENCE_H].sum(axis=0), 0.5 + (n - k)[:REFERENCE_H].sum(axis=0)
    log_r = np.full((streams, len(WEIGHTS)), -np.inf)
    due = np.full(streams, 1.0 / MONTH_H / streams)
    at = log_threshold(budget, WEIGHTS)
    alarms = 0
    for hour in range(REFERENCE_H, len(k)):
        log_l = log_ratios(k[hour], n[hour], a=a, b=b, offset=np.zeros(streams), phi=np.ones(streams))
        log_r = drip(log_r, due) + log_l
        a, b = a + k[hour], b + n[hour] - k[hour]
        crossed = log_m(log_r, WEIGHTS) >= at
        alarms += int(crossed.sum())
        log_r[crossed] = -np.inf
    return alarms


def three_sigma(fleet: Fleet) -> int:
    """Alarms of hourly bands of three standard deviations about the reference's rate."""
    k, n = fleet.k.astype(np.float64), fleet.n.astype(np.float64)
    rate: Floats = k[:REFERENCE_H].sum(axis=0) / n[:REFERENCE_H].sum(axis=0)
    k, n = k[REFERENCE_H:], n[REFERENCE_H:]
    return int((np.abs(k - n * rate) > 3.0 * np.sqrt(n * rate * (1.0 - rate))).sum())
