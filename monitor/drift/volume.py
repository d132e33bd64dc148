"""Counts per time, as a binomial of very many trials: so many that positives never come close, and it is a Poisson.

An hour is EXPOSURE_PER_HOUR trials. With k events, n = exposure(seconds), and a baseline of a events in an exposure of b,
`detector.log_ratios` is the Gamma-Poisson likelihood ratio, and the season, the tempering and the explanation of shares hold
as they are. Windows without an event count, with their exposure. Traffic comes in clumps, so that nothing is said before a
week of it has shown its season and how much it varies.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EXPOSURE_PER_HOUR: Final = 1e12
"""So many that even a million events a second are rare. Rates of volume are told per so many."""
LEARNED_H: Final = 168.0
"""Hours of history before it is watched."""
PRIOR: Final = (0.5, 1e-3 * EXPOSURE_PER_HOUR)
"""Beta counts that stand for knowing nothing: half an event in a thousandth of an hour."""


def exposure(seconds: float) -> float:
    """The trials in so many seconds."""
    return seconds * (EXPOSURE_PER_HOUR / 3600.0)


def is_armed(b: Floats, seen_h: Floats) -> NDArray[np.bool_]:
    """Whether streams have seen a week, [m]: `b` is the baseline's exposure, which forgets, `seen_h` the hours since its first
    window."""
    armed: NDArray[np.bool_] = (b >= LEARNED_H / 2.0 * EXPOSURE_PER_HOUR) & (seen_h >= LEARNED_H)
    return armed
