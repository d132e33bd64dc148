"""The season of a rate over the hours of the week, as log-odds that are added to its level.

A harmonic regression of the log-odds: six harmonics of the day, two of the week, whether it is the weekend, and three
harmonics of the day that the weekend adds. Fitted by penalised iteratively reweighted least squares (McCullagh and Nelder
1989, section 2.5) to counts that are folded onto the 168 hours of the week. Each block of columns is kept only where its Wald
statistic is beyond the 99 % quantile of what no season gives, and is shrunk then (James and Stein 1961).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]

HOURS: Final = 168
HISTORY_WEEKS: Final = 4
"""Of hourly counts, which a fit should have."""
DAY_AFTER_H: Final = 72
WEEK_AFTER_H: Final = 336
"""A stream that spans fewer hours has no season of the day, or of the week: a day's chance would be taken for one."""

_MONDAY: Final = datetime(1970, 1, 5, tzinfo=UTC)
_BLOCKS: Final = (slice(1, 7), slice(7, 12), slice(12, 18), slice(18, 24))
"""The day, the week and its end, the day's finer course, and how the weekend's days differ. Column 0 is the constant
that lets the level be the mean rate."""
_CRITICAL: Final = {5: 15.086, 6: 16.812}
"""The 99 % quantiles of chi-squared with 5 and 6 degrees of freedom."""
_PRIOR_PRECISION: Final = 4.0
_STEPS: Final = 8
_LONGEST_STEP: Final = 2.0
_SMALL_STEP: Final = 1e-3


def _columns() -> Floats:
    """[168, 24]."""
    hours = np.arange(HOURS)
    weekend = np.where(hours >= 120, 1.0, 0.0) - 48.0 / 168.0
    day = [wave(2.0 * np.pi * i * hours / 24.0) for i in range(1, 7) for wave in (np.cos, np.sin)]
    week = [wave(2.0 * np.pi * i * hours / HOURS) for i in (1, 2) for wave in (np.cos, np.sin)]
    return np.stack(
        [np.ones(HOURS), *day[:6], *week, weekend, *day[6:], *(weekend * column for column in day[:6])],
        axis=1,
    )


_BASIS: Final = _columns()
COLUMNS: Final = _BASIS.shape[1]


def hour_of_week(at: datetime) -> int:
    """Whole hours since Monday, 00:00 UTC."""
    return int((at - _MONDAY).total_seconds() // 3600) % HOURS


def offsets(coefficients: Floats32, hour: int | Ints) -> Floats:
    """The season's log-odds, [m], of m streams with `coefficients` [m, COLUMNS], in one hour of the week or one each."""
    basis = _BASIS[hour]
    season: Floats = (coefficients * basis).sum(axis=1, dtype=np.float64)
    return season


def fit_season(k: Floats, n: Floats, hour: Ints, *, phi: Floats, group: Ints | None = None) -> Floats32:
    """Coefficients, [S, COLUMNS], of S streams with `k` of `n` in W hours [S, W], which are `hour` [W] of the week.

    `phi` >= 1, [S]: how many times more than binomial the counts vary. `group` [S], numbers from 0: streams of one number
    are taken to share a season until they show their own, so that a season that no cell can show for itself is found in
    all of them. Without it each stream is alone. All 0: no season.
    """
    folded_k, folded_n = _fold(k, hour), _fold(n, hour)
    beta, information = _fit(folded_k, folded_n, phi)
    precision = information + _PRIOR_PRECISION * np.eye(COLUMNS - 1)
    shared = np.zeros_like(beta)
    if group is not None:
        shared = _kept(*_pooled(beta, precision, information, group))[group]
    kept = (shared + _kept(beta - shared, np.linalg.inv(precision))) * _seen_enough(n)
    constant = _constant(kept @ _BASIS[:, 1:].T, folded_k, folded_n)
    coefficients: Floats32 = np.concatenate((constant[:, None], kept), axis=1).astype(np.float32)
    return coefficients


def _fold(values: Floats, hour: Ints) -> Floats:
    folded = np.zeros((HOURS, values.shape[0]))
    np.add.at(folded, hour, values.T)
    return folded.T


def _fit(k: Floats, n: Floats, phi: Floats) -> tuple[Floats, Floats]:
    """The coefficients without the constant, [S, 23], and their information with the constant profiled out, [S, 23, 23]."""
    k, n = k / phi[:, None], n / phi[:, None]
    penalty = np.diag([1e-6, *np.full(COLUMNS - 1, _PRIOR_PRECISION)])
    beta = np.zeros((len(k), COLUMNS))
    rate = (k.sum(axis=1) + 0.5) / (n.sum(axis=1) + 1.0)
    beta[:, 0] = np.log(rate) - np.log1p(-rate)
    pairs = (_BASIS[:, :, None] * _BASIS[:, None, :]).reshape(HOURS, -1)
    information = np.zeros((len(k), COLUMNS, COLUMNS))
    for _ in range(_STEPS):
        mean = 1.0 / (1.0 + np.exp(-np.clip(beta @ _BASIS.T, -40.0, 40.0)))
        information = ((n * mean * (1.0 - mean)) @ pairs).reshape(information.shape)
        score = (k - n * mean) @ _BASIS - beta @ penalty
        step = np.linalg.solve(information + penalty, score[:, :, None])[:, :, 0]
        beta += np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        if np.abs(step).max(initial=0.0) < _SMALL_STEP:
            break
    cross = information[:, 1:, :1]
    constant = np.maximum(information[:, :1, :1], 1e-9)
    return beta[:, 1:], information[:, 1:, 1:] - cross * cross.transpose(0, 2, 1) / constant


def _seen_enough(n: Floats) -> Floats:
    """1 where a stream has been seen for long enough for a column, else 0, [S, 23]."""
    seen = n > 0
    span = np.where(seen.any(axis=1), n.shape[1] - seen[:, ::-1].argmax(axis=1) - seen.argmax(axis=1), 0)
    enough = np.zeros((len(n), COLUMNS - 1))
    for block, hours in zip(_BLOCKS, (DAY_AFTER_H, WEEK_AFTER_H, DAY_AFTER_H, WEEK_AFTER_H), strict=True):
        enough[:, block.start - 1 : block.stop - 1] = (span >= hours)[:, None]
    return enough


def _constant(season: Floats, k: Floats, n: Floats) -> Floats:
    """What is added to `season` [S, 168] so that at a level of the mean rate the season's mean rate, weighted by traffic, is that
    rate, [S]: a baseline's counts stay what they are when a season is put under them. (The mean of the log-odds isn't it: with
    a season that moves them by 0.4 the level would be off by 8 %, which the detector notices.)"""
    level = np.log(k.sum(axis=1) + 0.5) - np.log((n - k).sum(axis=1) + 0.5)
    target = n.sum(axis=1) / (1.0 + np.exp(-level))
    constant = np.zeros(len(k))
    for _ in range(_STEPS):
        mean = 1.0 / (1.0 + np.exp(-(season + (level + constant)[:, None])))
        slope = (n * mean * (1.0 - mean)).sum(axis=1)
        missing = target - (n * mean).sum(axis=1)
        constant += np.clip(np.divide(missing, slope, out=np.zeros_like(slope), where=slope > 0), -1.0, 1.0)
    return constant


def _pooled(beta: Floats, precision: Floats, information: Floats, group: Ints) -> tuple[Floats, Floats]:
    """Of each group the coefficients of all its streams together, [G, 23], and their covariance."""
    groups = int(group.max()) + 1 if group.size else 0
    total = np.zeros((groups, *information.shape[1:]))
    np.add.at(total, group, information)
    weighted = np.zeros((groups, beta.shape[1]))
    np.add.at(weighted, group, np.einsum("sij,sj->si", precision, beta))
    covariance = np.linalg.inv(total + _PRIOR_PRECISION * np.eye(beta.shape[1]))
    return np.einsum("gij,gj->gi", covariance, weighted), covariance


def _kept(beta: Floats, covariance: Floats) -> Floats:
    """`beta`, with each block that chance can have made set to 0, and the others shrunk by as much as chance adds to them."""
    kept = np.zeros_like(beta)
    for block in _BLOCKS:
        here = slice(block.start - 1, block.stop - 1)
        size = here.stop - here.start
        part = beta[:, here]
        wald = np.einsum(
            "si,si->s", part, np.linalg.solve(covariance[:, here, here], part[:, :, None])[:, :, 0]
        )
        factor = np.where(wald > _CRITICAL[size], 1.0 - size / np.maximum(wald, size), 0.0)
        kept[:, here] = factor[:, None] * part
    return kept
