"""What is normal for a stream: a Beta posterior of its rate at the season's mean, learned from the stream itself.

A season's offset is in log-odds. With it a window of k of n, expected at p where the level is m, counts as much as it says
about m: n' = n p (1 - p) / (m (1 - m)) events at the level, of which n' m + (k - n p) are positive. Without one that is k of n.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.drift.moments import DAY_US

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PRIOR_EVENTS: Final = 20.0
"""The fleet's rate counts as so many events of a new stream."""
JEFFREYS: Final = 0.5


def kept(elapsed_us: Ints, half_life_days: float) -> Floats:
    """Which part of what was learned `elapsed_us` ago still counts, 0..1."""
    part: Floats = np.exp2(-np.maximum(elapsed_us, 0) / (half_life_days * DAY_US))
    return part


def prior(k: float, n: float) -> tuple[float, float]:
    """Beta counts of a new stream, of `k` of `n` in streams like it: Jeffreys where less is known than that would count."""
    if n < PRIOR_EVENTS:
        return JEFFREYS, JEFFREYS
    mean = (k + JEFFREYS) / (n + 2 * JEFFREYS)
    return PRIOR_EVENTS * mean, PRIOR_EVENTS * (1.0 - mean)


def expected(a: Floats, b: Floats, offset: Floats) -> Floats:
    """The probability at `offset`."""
    odds = a / b * np.exp(offset)
    p: Floats = odds / (1.0 + odds)
    return p


def learned(k: Floats, n: Floats, *, a: Floats, b: Floats, offset: Floats) -> tuple[Floats, Floats]:
    """What a window adds to a and b. May be negative, where the season expected more than came."""
    level = a / (a + b)
    p = expected(a, b, offset)
    at_level = n * (p * (1.0 - p)) / (level * (1.0 - level))
    positive = at_level * level + (k - n * p)
    is_flat = offset == 0.0
    positive = np.where(is_flat, k, positive)
    at_level = np.where(is_flat, n, at_level)
    return positive, at_level - positive
