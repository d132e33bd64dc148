"""Tests of "the rate is r" on judged groups, and the intervals that they invert to.

T(r) is the estimated total of y - r x, as Horvitz-Thompson or prediction-powered; under r it has mean 0. Its variance and
skewness are taken *under r* (monitor/estimates/tilt.py), not at the estimate: for one group this is Wilson's interval,
and where a group showed no error of the guard, or no case at all, the interval still allows for what a sample of that
size overlooks. The skewness correction is that of Laud (2017), Pharmaceutical Statistics 16:334 (SCAS):

    T / sqrt(V) - (z^2 - 1) M / (6 V^1.5) = -z or +z,   M the third central moment.

Every exchange is a draw of the process, scored, chosen and judged independently of the others. With w the scoring weight,
b the expansion, z = y - r x, f the same of the guard, N the scored of a group, E over the tilted shares:

    V = sum N w^2 [(b - 1) E(z - lambda f)^2 + E z^2]
    M = sum N w^3 [E(b (z - lambda f) + lambda f)^3 / b + (1 - 1/b) (lambda f)^3]

lambda = 0 is Horvitz-Thompson.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from monitor.estimates.groups import NO, YES, Groups
from monitor.estimates.horvitz_thompson import Floats
from monitor.estimates.tilt import tilted_shares
from monitor.intervals import Z_95

_HALVINGS: Final = 8
_FALSE_POSITIONS: Final = 12
_LEAST_RATE: Final = 1e-12
_CLOSE: Final = 1e-7
_TINY: Final = 1e-300


def score(groups: Groups, tuning: Floats, rates: Floats, *, z: float = Z_95) -> Floats:
    """The corrected standard score of each cell's hypothesis that its rate is `rates`, each in (0, 1): positive where the
    sample says more. `tuning` is the cells' lambda."""
    rate = rates[:, np.newaxis]
    errors = np.stack([np.zeros_like(rates), -rates, 1 - rates], axis=-1)
    guard = groups.guard_errors(rates) * tuning[:, np.newaxis]
    observed = (groups.judged * errors[:, np.newaxis, :]).sum(axis=-1)
    unjudged = groups.scored - groups.expansion * groups.answered
    total = (groups.weight * (groups.expansion * observed + unjudged * guard)).sum(axis=-1)

    # The counts in each group are known, so V needn't go by how many of each were drawn: V would be small just when a lucky
    # draw has made T large (simulated: coverage 0.918 instead of 0.95).
    sizes = groups.scored * groups.in_sight
    shares = np.divide(
        groups.judged,
        groups.answered[..., np.newaxis],
        out=np.zeros_like(groups.judged),
        where=groups.in_sight[..., np.newaxis],
    )
    likely = tilted_shares(shares, groups.weight * sizes, groups.answered, errors)
    b = groups.expansion
    variance, third = np.zeros_like(rate), np.zeros_like(rate)
    for answer in range(3):
        own = errors[:, answer, np.newaxis]
        count = sizes * likely[..., answer]
        variance = variance + count * groups.weight**2 * ((b - 1) * (own - guard) ** 2 + own**2)
        cubes = (b * (own - guard) + guard) ** 3 / b + (1 - 1 / b) * guard**3
        third = third + count * groups.weight**3 * cubes
    spread, skew = variance.sum(axis=-1), third.sum(axis=-1)
    deviation = np.sqrt(np.maximum(spread, np.finfo(float).tiny))
    plain = total / deviation
    correction = -(z * z - 1) / 6 * skew / deviation**3
    # As expected counts go to 0 skewness has no bound. A correction that pushes the score away from 0 would in the end turn it
    # back, and stops growing there (for one stratum, at a skewness of sqrt(6 / (z^2 - 1))); one that pulls the score through
    # 0 goes no further than that.
    most = np.sqrt(max(z * z - 1, 0.0) / 6)
    corrected: Floats = np.clip(
        plain + correction, np.minimum(plain, 0.0) - most, np.maximum(plain, 0.0) + most
    )
    return corrected


def bounds(groups: Groups, tuning: Floats, rates: Floats, *, z: float = Z_95) -> tuple[Floats, Floats]:
    """The least and the greatest rate that `score` doesn't reject, around each cell's estimate `rates` in 0..1."""
    count = len(rates)
    # Both ends of all cells at once: a single cell costs as much as dozens.
    ends = _bounds(
        groups.cells([*range(count), *range(count)]),
        np.tile(tuning, 2),
        np.tile(rates, 2),
        signs=np.repeat([1.0, -1.0], count),
        z=z,
    )
    return np.where(rates <= 0, 0.0, ends[:count]), np.where(rates >= 1, 1.0, ends[count:])


def _bounds(groups: Groups, tuning: Floats, rates: Floats, *, signs: Floats, z: float) -> Floats:
    """Where the score is z, below the estimate where the sign is 1, or -z above it: by halving, and from half way on by the
    Illinois variant of false position, which is faster once the score is nearly straight."""
    inside = np.clip(rates, _LEAST_RATE, 1 - _LEAST_RATE)
    outside = np.where(signs > 0, _LEAST_RATE, 1 - _LEAST_RATE)
    of_inside, of_outside = np.full_like(inside, -1.0), np.full_like(inside, 1.0)
    for step in range(_HALVINGS + _FALSE_POSITIONS):
        slide = of_inside / (of_inside - of_outside) if step >= _HALVINGS else 0.5
        middle = inside + np.clip(slide, 0.0, 1.0) * (outside - inside)
        beyond = signs * score(groups, tuning, middle, z=z) - z
        is_inside = beyond <= _CLOSE
        # The end that stays loses half its value, or it would stay for ever.
        of_outside = np.where(is_inside, of_outside / 2, np.maximum(beyond, _TINY))
        of_inside = np.where(is_inside, np.minimum(beyond, -_TINY), of_inside / 2)
        inside, outside = np.where(is_inside, middle, inside), np.where(is_inside, outside, middle)
        if ((np.abs(outside - inside) <= _CLOSE) | (np.abs(beyond) <= _CLOSE)).all():
            break
    return inside


def estimate_tuning(groups: Groups, rates: Floats) -> Floats:
    """The power tuning lambda at these rates, in 0..1: the least V, from moments of the judged groups.

    Each group counts one exchange more than it has, half numerator and half not: with a handful judged, an agreement that
    is luck would be taken for the guard's skill, and intervals would be too narrow (simulated: coverage 0.29 at 0.2 %
    and 200 judged, 0.97 with it; benchmarks/estimates).
    """
    rate = rates[:, np.newaxis]
    guard = groups.guard_errors(rates)
    judged = groups.judged[..., YES] * (1 - rate) - groups.judged[..., NO] * rate
    mean = (judged + (1 - rate) / 2 - rate / 2) / (groups.answered + 1)
    weights = groups.answered * groups.weight**2 * groups.expansion * (groups.expansion - 1)
    shared, own = (weights * mean * guard).sum(axis=-1), (weights * guard**2).sum(axis=-1)
    found: Floats = np.clip(np.where(own > 0, shared / np.where(own > 0, own, 1.0), 0.0), 0.0, 1.0)
    return found
