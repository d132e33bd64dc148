"""One bound by one threshold where prompts count differently: a bet against "the risk is above alpha", prompt by prompt.

Hoeffding and Bentkus allow for the worst variance that weights can have; a bet learns the variance there is. Waudby-Smith and
Ramdas (2020), arXiv 2010.09686; as a bound on a risk: Bates et al. (2021), arXiv 2101.02703, section 3.1.4.
"""

from __future__ import annotations

from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.estimates.horvitz_thompson import Floats

_BLOCK: Final = 16
"""Thresholds at a time: the chain mostly ends early, and memory is prompts times this."""


def betting_bound(
    x: Floats, weights: Floats, losses: Floats, *, alpha: float, delta: float, heaviest: float, grid: Floats
) -> float | None:
    """The least t of `grid`, falling and fixed before the data, down to which "the weighted risk of x > t is above alpha" is
    rejected at delta: with probability 1 - delta the risk at t is at most alpha, in finite samples, whatever the weights. None
    where not even the first is. The prompts stand in the order in which they came: the bets on each are made before it.

    With u = alpha + (w/W)(L - alpha) as in monitor/recalibration/exceedance.py, capital grows by 1 + stake (alpha - u); if the risk is
    above alpha it is expected to shrink, so that it ever reaches 1/delta with a chance of at most delta (Ville 1939).
    """
    if not len(x):
        return None
    scale = (weights / heaviest)[:, None]
    found = None
    for begin in range(0, len(grid), _BLOCK):
        t = grid[begin : begin + _BLOCK]
        lost = np.where(x[:, None] > t, losses[:, None], 0.0)
        won = _is_won(alpha + scale * (lost - alpha), alpha, delta)
        failed = np.flatnonzero(~won)
        passed = int(failed[0]) if len(failed) else len(t)
        if passed:
            found = float(t[passed - 1])
        if len(failed):
            break
    return found


def _is_won(u: Floats, alpha: float, delta: float) -> NDArray[np.bool_]:
    """Whether capital reaches 1/delta at some time, for each column of `u`, [n, m]. The stakes are the source's: by the
    variance so far, for n prompts."""
    n = len(u)
    counts = np.arange(1, n + 1)[:, None]
    means = (0.5 + np.cumsum(u, axis=0)) / (1 + counts)
    variances = (0.25 + np.cumsum((u - means) ** 2, axis=0)) / (1 + counts)
    before = np.concatenate([np.full((1, u.shape[1]), 0.25), variances[:-1]])
    stakes = np.minimum(1.0, np.sqrt(2 * log(1 / delta) / (n * before)))
    capital = np.cumsum(np.log1p(stakes * (alpha - u)), axis=0)
    won: NDArray[np.bool_] = capital.max(axis=0) >= log(1 / delta)
    return won
