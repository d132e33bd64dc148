"""How many times more than binomial a stream's counts vary: sessions, bursts and retries come in clumps, levels wander.

Pearson's statistic (McCullagh and Nelder 1989, section 4.5) over blocks of an hour to two days, without the largest hundredth
of them: a single incident isn't clumps. The largest over the lengths is told, shrunk to 1 by as much as is chance.
"""

from __future__ import annotations

from math import ceil
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLOCKS: Final = (1, 3, 6, 12, 24, 48)
"""Hours."""
MOST: Final = 50.0
"""Nothing is tempered more: beyond that nothing would be noticed."""
FEWEST_BLOCKS: Final = 14
_LEAST_EXPECTED: Final = 4.0
_TRIMMED: Final = 0.01
_CHANCE: Final = 2.5
_NORMAL: Final = NormalDist()


def phi_of(k: Floats, n: Floats, p: Floats) -> Floats:
    """At least 1, [S], of S streams with `k` of `n` in W consecutive hours, [S, W], of which `p` were to be expected, but for the
    level, which is fitted. 1 for less than two weeks with data, and for positives that are so rare that two days have fewer
    than 4."""
    phi = np.ones(len(k))
    if not k.size:
        return phi
    foreseen = n * p
    level = np.divide(k.sum(axis=1), foreseen.sum(axis=1), out=np.ones(len(k)), where=foreseen.any(axis=1))
    p = np.clip(p * level[:, None], 0.0, 1.0 - 1e-9)
    for hours in BLOCKS:
        phi = _over_blocks(k, n * p, n * p * (1.0 - p), hours=hours, so_far=phi)
    return np.minimum(phi, MOST)


def _over_blocks(k: Floats, expected: Floats, variance: Floats, *, hours: int, so_far: Floats) -> Floats:
    """What shorter blocks gave `so_far`, and what blocks of so many hours add to it that can't be chance."""
    starts = np.arange(0, k.shape[1] - hours + 1, hours)
    whole = starts.size * hours
    if not starts.size:
        return so_far
    seen, foreseen, spread = (
        np.add.reduceat(values[:, :whole], starts, axis=1) for values in (k, expected, variance)
    )
    used = spread > 0
    blocks = used.sum(axis=1)
    enough = (blocks >= FEWEST_BLOCKS) & (foreseen.sum(axis=1) >= _LEAST_EXPECTED * blocks)
    phi = so_far.copy()
    for count in np.unique(blocks[enough]):
        rows = np.flatnonzero(enough & (blocks == count))
        trimmed = ceil(_TRIMMED * count)
        counted, least = used[rows], spread[rows]
        pearson = _pearson(seen[rows], foreseen[rows], least, counted)
        kept = np.argsort(pearson, axis=1, kind="stable")[:, : count - trimmed]
        # The level of the rest alone: what is left out would pull it away from all of them.
        ours, theirs = (
            np.take_along_axis(values[rows], kept, axis=1).sum(axis=1) for values in (seen, foreseen)
        )
        level = np.divide(ours, theirs, out=np.ones(rows.size), where=theirs > 0)[:, None]
        pearson = _pearson(seen[rows], foreseen[rows] * level, least * np.maximum(level, 1e-9), counted)
        pearson.sort(axis=1)
        mean = pearson[:, : count - trimmed].mean(axis=1) / _trimmed_mean(trimmed / count)
        excess = np.maximum(mean - so_far[rows], 0.0)
        chance = _CHANCE * np.sqrt(2.0 / (count - 1)) * so_far[rows]
        phi[rows] += excess * (1.0 - (chance / np.maximum(excess, chance)) ** 2)
    return phi


def _pearson(seen: Floats, foreseen: Floats, variance: Floats, used: NDArray[np.bool_]) -> Floats:
    """Of each block; infinite, so that they are last, of those without data."""
    value: Floats = np.divide(
        (seen - foreseen) ** 2, variance, out=np.full_like(variance, np.inf), where=used
    )
    return value


def _trimmed_mean(share: float) -> float:
    """The mean of chi-squared with one degree of freedom below its upper `share`: its density times x is that with three."""
    end = _NORMAL.inv_cdf(1.0 - share / 2.0)
    return 1.0 - 2.0 * end * _NORMAL.pdf(end) / (1.0 - share)
