"""Shares of the judge's answers in each group that are likeliest if the rate had a given value: the judged counts'
maximum likelihood under one constraint, as in Miettinen and Nurminen (1985), Statistics in Medicine 4:213, for two groups
and in Owen (2001), Empirical Likelihood, for any. Answers that no judged exchange of a group gave may get a share, which
is what keeps intervals honest where few were judged.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from monitor.estimates.horvitz_thompson import Floats

_INNER_STEPS: Final = 40
_OUTER_STEPS: Final = 60
_CLOSE: Final = 1e-9
_SCALE: Final = 8.0  # of the multiplier, where a bracket is halved: 0..infinity becomes 0..1, this one half
_ANSWERS: Final = np.arange(3)


def tilted_shares(shares: Floats, weights: Floats, sizes: Floats, errors: Floats) -> Floats:
    """Shares (cells, groups, 3) of maximal likelihood with sum over groups of weights x shares . errors = 0.

    shares: observed, (cells, groups, 3), each group's sum 1, or 0 where nothing was observed. weights: of the groups in
    the constraint, (cells, groups), 0 where nothing was observed. sizes: observations of each group. errors: (cells, 3),
    what an answer adds to the constraint; of both signs. The maximum has share_k = observed_k / (m + c error_k) with one
    multiplier c a cell, times weight / size, and m such that the shares of a group add up to 1.
    """
    per_observation = np.divide(weights, sizes, out=np.zeros_like(weights), where=sizes > 0)
    # The multiplier is free, so weights count only relative to each other.
    per_observation /= np.maximum(per_observation.max(axis=-1, keepdims=True), np.finfo(float).tiny)
    weights = weights / np.maximum(weights.sum(axis=-1, keepdims=True), np.finfo(float).tiny)

    def excess(multiplier: Floats) -> tuple[Floats, Floats, Floats]:
        scaled = multiplier[:, np.newaxis] * per_observation
        found, slopes = _shares(shares, scaled, errors)
        means = (found * errors[:, np.newaxis, :]).sum(axis=-1)
        return (weights * means).sum(axis=-1), (weights * per_observation * slopes).sum(axis=-1), found

    near, far = np.zeros(len(shares)), np.full(len(shares), np.inf)
    at = near
    value, slope, found = excess(at)
    sign = np.sign(value)
    for _ in range(_OUTER_STEPS):
        if (np.abs(value) <= _CLOSE).all():
            break
        is_short = value * sign > 0
        near, far = np.where(is_short, at, near), np.where(is_short, far, at)
        step = np.divide(value * sign, -slope, out=np.full_like(value, np.inf), where=slope < 0)
        newton = at + step
        is_within = (newton > near) & (newton < far)
        at = np.where(np.abs(value) <= _CLOSE, at, np.where(is_within, newton, _half_way(near, far)))
        value, slope, found = excess(sign * at)
    return found


def _half_way(near: Floats, far: Floats) -> Floats:
    """Between the two, on a scale that infinity is the end of."""
    middle = (near / (near + _SCALE) + np.where(np.isinf(far), 1.0, 1 - _SCALE / (far + _SCALE))) / 2
    middle = np.minimum(middle, 1 - np.finfo(float).eps)
    found: Floats = _SCALE * middle / (1 - middle)
    return found


def _shares(observed: Floats, multiplier: Floats, errors: Floats) -> tuple[Floats, Floats]:
    """observed_k / (m + multiplier error_k), with m so that they add up to 1; where even the least m that keeps all
    shares positive leaves less than 1, the rest goes to the answer that this m makes free. And the slope of the mean
    error in the multiplier."""
    error = errors[:, np.newaxis, :]
    shift = multiplier[:, :, np.newaxis] * error
    is_seen = observed > 0
    least = (-shift).max(axis=-1)
    # From the left of the root Newton's steps on 1 / sum, which is concave, never pass it.
    m = np.maximum(np.where(is_seen, observed - shift, -np.inf).max(axis=-1), least)
    for _ in range(_INNER_STEPS):
        found = _parts(observed, m, shift)
        total, slope = found.sum(axis=-1), _parts(found, m, shift).sum(axis=-1)
        step = np.where(total > 1, (total - 1) * total / np.where(slope > 0, slope, 1.0), 0.0)
        m = m + step
        if (step <= _CLOSE * (1 + np.abs(m))).all():
            break
    found = _parts(observed, m, shift)
    rest = np.clip(1 - found.sum(axis=-1), 0.0, 1.0) * is_seen.any(axis=-1)
    is_free = (rest > _CLOSE) & (multiplier != 0)
    weights = _parts(found, m, shift)
    sums = np.maximum(weights.sum(axis=-1), np.finfo(float).tiny)
    spread = (weights * error**2).sum(axis=-1) - (weights * error).sum(axis=-1) ** 2 / sums
    # With a free answer the mean error is that answer's plus 1 / multiplier.
    slopes = np.where(is_free, -1 / np.where(multiplier == 0, 1.0, multiplier) ** 2, -spread)
    found = found + np.where(
        (-shift).argmax(axis=-1)[..., np.newaxis] == _ANSWERS, rest[..., np.newaxis], 0.0
    )
    return found, slopes


def _parts(observed: Floats, m: Floats, shift: Floats) -> Floats:
    below = m[:, :, np.newaxis] + shift
    return np.divide(observed, below, out=np.zeros_like(observed), where=(observed > 0) & (below > 0))
