"""Whether rates changed between two times, where days differ more than chance would have it, over many rates at once. Pure, vectorised.

Counts are weighted sums by day: numerator, denominator, and the denominator's sum of squared weights, shape [cells, days]. Days are the units:
the exchanges of one day are alike (a campaign, a broken caller), so the variance of a rate is a binomial one times phi, which is how
much more the days scatter about their period's rate than chance alone explains (Pearson's X^2 over its degrees of freedom; quasi-binomial,
McCullagh and Nelder 1989, section 4.5). phi below 1 counts as 1, and the test is Student's with phi's degrees of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import lgamma
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.intervals import Z_95

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MIN_FREEDOM: Final = 6
"""Degrees of freedom that phi needs: fewer days say nothing about how days differ."""
MIN_CASES: Final = 5.0
"""Cases, and non-cases, to be expected at either time under no change: below, the test's normal approximation fails."""
LEVEL: Final = 0.05
FREE: Final = 1_000_000
"""Degrees of freedom that make Student's distribution the normal one."""


@dataclass(frozen=True)
class Comparison:
    """By cell [cells]: the rates, the change with its 95 % interval, and the p-value of no change (NaN where it can't be told).

    `phi` and `freedom`: how much days scatter (NaN where that can't be told), and how surely that is known.
    """

    now: Floats
    before: Floats
    change: Floats
    low: Floats
    high: Floats
    p: Floats
    phi: Floats
    freedom: Floats
    error: Floats
    """Standard error of the change under no change, scatter included."""


def compare(n: Floats, d: Floats, w2: Floats, *, now: Flags, before: Flags, scatter: Flags) -> Comparison:
    """`now`, `before`, `scatter`: which days [days] are held against each other, and which of the past tell how days differ."""
    k1, t1, q1 = (part[:, now].sum(axis=1) for part in (n, d, w2))
    k0, t0, q0 = (part[:, before].sum(axis=1) for part in (n, d, w2))
    with np.errstate(divide="ignore", invalid="ignore"):
        r1, r0 = k1 / t1, k0 / t0
        size1, size0 = t1 * t1 / q1, t0 * t0 / q0
        pooled = (size1 * r1 + size0 * r0) / (size1 + size0)
        phi, freedom = dispersion(n, d, w2, [now, scatter])
        widened = np.where(np.isnan(phi), 1.0, np.maximum(phi, 1.0))
        error = np.sqrt(widened * pooled * (1 - pooled) * (1 / size1 + 1 / size0))
        t = (r1 - r0) / error
        fewest = np.minimum(size1, size0) * np.minimum(pooled, 1 - pooled)
        is_told = (freedom >= MIN_FREEDOM) & (fewest >= MIN_CASES) & np.isfinite(t)
        p = np.where(is_told, student_two_sided(np.where(is_told, t, 0.0), np.maximum(freedom, 1.0)), np.nan)
        quantile = student_quantile_975(np.maximum(freedom, 1.0))
        quantile = np.where(
            freedom >= MIN_FREEDOM, quantile, student_quantile_975(np.full_like(freedom, FREE))
        )
        low1, high1 = wilson_of(r1, size1 / widened, quantile)
        low0, high0 = wilson_of(r0, size0 / widened, quantile)
        change = r1 - r0
        # Newcombe 1998, method 10: the two intervals, squared and added.
        low = change - np.sqrt((r1 - low1) ** 2 + (high0 - r0) ** 2)
        high = change + np.sqrt((high1 - r1) ** 2 + (r0 - low0) ** 2)
    return Comparison(r1, r0, change, low, high, p, phi, freedom, error)


def dispersion(n: Floats, d: Floats, w2: Floats, periods: list[Flags]) -> tuple[Floats, Floats]:
    """By cell, phi (NaN without any freedom) and its degrees of freedom: days with traffic, less one a period with any.

    Each period has a rate of its own, so that a change between them is no scatter.
    """
    total = np.zeros(len(n))
    freedom = np.zeros(len(n))
    for days in periods:
        k, t, q = n[:, days], d[:, days], w2[:, days]
        has_any = t > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = k.sum(axis=1) / t.sum(axis=1)
            spread = rate * (1 - rate)
            parts = (k - rate[:, None] * t) ** 2 / (spread[:, None] * q)
        is_usable = (spread > 0)[:, None] & has_any
        total += np.where(is_usable, parts, 0.0).sum(axis=1)
        freedom += np.where(spread > 0, np.maximum(has_any.sum(axis=1) - 1, 0), 0)
    return np.where(freedom > 0, total / np.maximum(freedom, 1), np.nan), freedom.astype(np.float64)


def wilson_of(rate: Floats, size: Floats, z: Floats | float) -> tuple[Floats, Floats]:
    """Wilson's interval [cells] of rates of `size` > 0 exchanges alike."""
    with np.errstate(divide="ignore", invalid="ignore"):
        bottom = 1 + z * z / size
        middle = (rate + z * z / (2 * size)) / bottom
        half = z / bottom * np.sqrt(rate * (1 - rate) / size + z * z / (4 * size * size))
    return np.clip(middle - half, 0.0, 1.0), np.clip(middle + half, 0.0, 1.0)


def adjusted(p: Floats) -> Floats:
    """p-values corrected for their number so that of what is below a level at most that share is false, on average (Benjamini and
    Hochberg 1995). NaN stay, and count as no test."""
    out = np.full(p.shape, np.nan)
    told = np.flatnonzero(~np.isnan(p))
    if len(told):
        order = told[np.argsort(p[told], kind="stable")]
        steps = p[order] * len(order) / np.arange(1, len(order) + 1)
        out[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return out


def student_two_sided(t: Floats, freedom: Floats) -> Floats:
    """P(|T| >= |t|) of Student's distribution: I_x(freedom / 2, 1 / 2) at x = freedom / (freedom + t^2)."""
    return _incomplete_beta(freedom / 2, np.full_like(freedom, 0.5), freedom / (freedom + t * t))


def student_quantile_975(freedom: Floats) -> Floats:
    """The 97.5 % quantile, of whole degrees of freedom; from FREE on it is the normal's."""
    return np.array([_quantile_975(min(int(one), FREE)) for one in freedom])


@cache
def _quantile_975(freedom: int) -> float:
    """By halving."""
    if freedom >= FREE:
        return Z_95
    low, high, of = 0.0, 700.0, np.array([float(max(freedom, 1))])
    for _ in range(60):
        middle = (low + high) / 2
        if student_two_sided(np.array([middle]), of)[0] > LEVEL:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _incomplete_beta(a: Floats, b: Floats, x: Floats) -> Floats:
    """The regularised incomplete beta function, by its continued fraction (DLMF 8.17.22), Lentz's way."""
    is_turned = x > (a + 1) / (a + b + 2)
    a1, b1, x1 = np.where(is_turned, b, a), np.where(is_turned, a, b), np.where(is_turned, 1 - x, x)
    tiny = 1e-300
    c = np.ones_like(x1)
    d = 1 - (a1 + b1) * x1 / (a1 + 1)
    d = 1 / np.where(np.abs(d) < tiny, tiny, d)
    fraction = d.copy()
    for m in range(1, 200):
        for factor in (
            m * (b1 - m) * x1 / ((a1 + 2 * m - 1) * (a1 + 2 * m)),
            -(a1 + m) * (a1 + b1 + m) * x1 / ((a1 + 2 * m) * (a1 + 2 * m + 1)),
        ):
            d = 1 + factor * d
            d = 1 / np.where(np.abs(d) < tiny, tiny, d)
            c = 1 + factor / c
            c = np.where(np.abs(c) < tiny, tiny, c)
            fraction = fraction * d * c
        if np.all(np.abs(d * c - 1) < 1e-13):
            break
    with np.errstate(divide="ignore"):
        front = np.exp(_log_beta_front(a1, b1, x1)) / a1
    value = np.clip(front * fraction, 0.0, 1.0)
    return np.where(is_turned, 1 - value, value)


def _log_beta_front(a: Floats, b: Floats, x: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        powers = np.where(x > 0, a * np.log(x), -np.inf) + np.where(x < 1, b * np.log1p(-x), -np.inf)
    front: Floats = powers + _log_gamma(a + b) - _log_gamma(a) - _log_gamma(b)
    return front


def _log_gamma(x: Floats) -> Floats:
    return np.array([lgamma(float(one)) for one in np.ravel(x)]).reshape(np.shape(x))
