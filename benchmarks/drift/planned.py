"""How far planning figures are from what the detector takes: mean delays by simulation, beside `hours_to_notice`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.drift.detector import WEIGHTS, drip, log_m, log_ratios
from monitor.drift.planning import SHIFTS, hours_to_notice
from monitor.drift.policy import MONTH_S

RATES: Final = (0.2, 0.05, 0.01, 0.001)
REFERENCES: Final = (2_000, 20_000)
_ODDS: Final = {"x1.5": 1.5, "x2": 2.0, "x3": 3.0, "x0.5": 0.5}


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """`interval`: events between false alarms; `reference`: in the baseline when it changed; `delay` and `planned`: events."""

    rate: float
    reference: float
    interval: float
    shift: str
    delay: float
    planned: float


def planned(
    *, seed: int, runs: int = 150, rates: Sequence[float] = RATES, references: Sequence[int] = REFERENCES
) -> list[PlannedRow]:
    """The combinations in which all but a hundredth of the runs noticed."""
    rng = np.random.default_rng(seed)
    rows: list[PlannedRow] = []
    for rate in rates:
        for reference in references:
            for interval in (1e4, 1e6) if rate > 0.005 else (1e6, 1e7):
                for shift in SHIFTS:
                    row = _row(rate, reference, interval, shift, rng=rng, runs=runs)
                    rows += [row] if row else []
    return rows


def _row(
    rate: float, reference: int, interval: float, shift: str, *, rng: np.random.Generator, runs: int
) -> PlannedRow | None:
    odds = _ODDS[shift]
    shifted = odds * rate / (1.0 - rate + odds * rate)
    window = max(1, int(6.0 / (np.log(odds) ** 2 * rate * (1.0 - rate) / 2.0) / 60.0))
    calm = int(min(0.2 * interval, 4_000 * window) / window)
    k0 = rng.binomial(reference, rate, runs)
    a, b = k0 + 0.5, reference - k0 + 0.5
    log_r = np.full((runs, 8), -np.inf)
    noticed = np.full(runs, np.nan)
    n, zero, one = np.full(runs, float(window)), np.zeros(runs), np.ones(runs)
    for place in range(calm + int(min(interval / window, 6_000))):
        k = rng.binomial(window, rate if place < calm else shifted, runs).astype(np.float64)
        log_r = drip(log_r, n / interval) + log_ratios(k, n, a=a, b=b, offset=zero, phi=one)
        a, b = a + k, b + n - k
        over = log_m(log_r, WEIGHTS) >= 0.0
        if place < calm:
            log_r[over] = -np.inf
            continue
        noticed[over & np.isnan(noticed)] = (place - calm + 1) * window
        if not np.isnan(noticed).any():
            break
    if np.isnan(noticed).mean() > 0.01:
        return None
    events = reference + calm * window
    per_day = interval / (MONTH_S / 86400.0)  # so that the interval is a month
    hours = hours_to_notice(
        np.array([rate]),
        np.array([float(events)]),
        np.array([per_day]),
        one[:1],
        one[:1],
        budget_per_month=1.0,
        weights=WEIGHTS,
    )
    return PlannedRow(
        rate=rate,
        reference=events,
        interval=interval,
        shift=shift,
        delay=float(np.nanmean(noticed)),
        planned=float(hours[0, SHIFTS.index(shift)]) / 24.0 * per_day,
    )


def table(rows: list[PlannedRow]) -> str:
    """The rows for people, and the largest error."""
    lines = ["   p0  reference   interval  shift   delay, events   planned  delay / planned"]
    lines += [
        f"{row.rate:5}  {row.reference:9.0f}  {row.interval:9.0f}  {row.shift:5}  {row.delay:14.0f}  {row.planned:8.0f}  "
        f"{row.delay / row.planned:15.2f}"
        for row in rows
    ]
    worst = max(abs(np.log(row.delay / row.planned)) for row in rows)
    return "\n".join([*lines, f"largest error: {np.expm1(worst):.0%}"])
