"""Shares of prompts that were drawn with unequal probabilities, with intervals."""

from __future__ import annotations

from math import sqrt
from typing import Final

import numpy as np

from monitor.estimates import horvitz_thompson
from monitor.estimates.horvitz_thompson import Floats
from monitor.intervals import Z_95, wilson
from schemas.evidence import Interval

_LEAST_VARIANCE: Final = 1e-12


def effective_size(inclusion: Floats) -> float:
    """Prompts drawn alike that are worth as much: (sum w)^2 / sum w^2 (Kish 1965, section 11.7); 0 of none."""
    weights = 1 / inclusion
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def share(values: Floats, inclusion: Floats, *, z: float = Z_95) -> Interval | None:
    """The mean of `values` in 0..1 over all prompts (Hájek's), with Wilson's interval at the size that gives the linearised
    variance of the process, or Kish's where nothing varies. None without prompts. For equal weights and values of 0 and 1 it is
    Wilson's interval.
    """
    if not len(values):
        return None
    ones = np.ones_like(values)
    rate = min(1.0, max(0.0, float(horvitz_thompson.ratio(values, ones, inclusion))))
    variance = float(horvitz_thompson.ratio_variance(values, ones, inclusion, of="process"))
    size = effective_size(inclusion)
    if variance > _LEAST_VARIANCE and 0 < rate < 1:
        size = rate * (1 - rate) / variance
    low, high = wilson(rate * size, size, z=z)
    return Interval(rate, low, high)


def difference(after: Interval, before: Interval) -> Interval:
    """After minus before, of independent samples: Newcombe's (1998) square-and-add interval of two Wilson intervals."""
    d = after.value - before.value
    low = d - sqrt((after.value - after.low) ** 2 + (before.high - before.value) ** 2)
    high = d + sqrt((after.high - after.value) ** 2 + (before.value - before.low) ** 2)
    return Interval(d, low, high)
