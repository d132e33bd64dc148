"""How soon a shift is noticed: ln(A I) / I events of a Shiryaev-Roberts detector (Pollak 1985, Ann. Statist. 13:206).

A is what separates two false alarms of the stream, I what an event says for the shift, both in the part of the mixture that
notices first. Two constants come from simulation of `monitor/drift/detector.py` (benchmarks/drift/planned.py), over rates from
0.001 to 0.2, references from 4,000 to 2,000,000 events and A from 10,000 to 10,000,000: the delay is within 25 % then. It is
the mean delay from the change on, for a stream that had gone on without one.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.drift.detector import ODDS
from monitor.drift.policy import MONTH_S
from schemas.evidence import Planning

Floats = NDArray[np.float64]

SHIFTS: Final = ("x1.5", "x2", "x3", "x0.5")
_SHIFTED: Final = (1.5, 2.0, 3.0, 0.5)
_HEAD_START: Final = 1.9
"""What the statistic has gathered by chance before the change, less what it overshoots by."""
_LEARNING: Final = 0.5
"""A baseline of N events learns the shift: x events are needed as x / (1 - 0.5 x / N)."""
_LEAST: Final = 0.5
_TOO_SMALL: Final = 1.5


def hours_to_notice(
    level: Floats,
    reference: Floats,
    events_per_day: Floats,
    share: Floats,
    phi: Floats,
    *,
    budget_per_month: float,
    weights: Floats,
) -> Floats:
    """Hours until odds ratios of SHIFTS are noticed, [m, 4], on average, of m streams at `level` (0..1, exclusive).

    `reference`: events in the baseline; `share`: of the budget, 0..1; `phi`: how many times more than binomial the counts vary;
    `weights` [8]: those of the detector. inf where there is no traffic or no share, and where the baseline has so few events
    that it would take a shift for its level first.
    """
    hours = np.full((level.size, len(SHIFTS)), np.inf)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        per_month = events_per_day / phi * (MONTH_S / 86400.0)
        interval = (per_month / (budget_per_month * share))[:, None]
        for place, odds in enumerate(_SHIFTED):
            shifted = odds * level / (1.0 + (odds - 1.0) * level)
            information = shifted[:, None] * np.log(ODDS) - np.log1p((ODDS - 1.0) * level[:, None])
            needed = np.maximum(np.log(interval * information / weights) - _HEAD_START, _LEAST) / information
            events = np.where(information > 0.0, needed, np.inf).min(axis=1)
            learned = events * phi / reference
            events = np.where(learned < _TOO_SMALL, events / (1.0 - _LEARNING * learned), np.inf)
            hours[:, place] = events * phi / events_per_day * 24.0
    alive = (events_per_day > 0.0) & (share > 0.0) & (reference > 0.0)
    return np.where(alive[:, None] & np.isfinite(hours), hours, np.inf)


def told(events_per_day: float, hours: Floats) -> Planning:
    """For an alert, of one stream's row [4] of `hours_to_notice`; what is never noticed is left out."""
    return Planning(
        events_per_day=events_per_day,
        noticed_after_h={
            name: float(value) for name, value in zip(SHIFTS, hours, strict=True) if np.isfinite(value)
        },
    )
