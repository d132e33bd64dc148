"""Intervals for rates."""

from __future__ import annotations

from math import sqrt
from typing import Final

Z_95: Final = 1.959963984540054
"""The standard normal's 97.5 % quantile."""


def wilson(positives: float, total: float, *, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927, JASA 22:209), `positives` of `total` > 0.

    Both may be fractions: for a weighted sample pass the effective counts (`effective_counts`).
    """
    if total <= 0:
        raise ValueError("an interval needs at least one observation")
    rate = positives / total
    z2 = z * z
    middle = (rate + z2 / (2 * total)) / (1 + z2 / total)
    half = z / (1 + z2 / total) * sqrt(rate * (1 - rate) / total + z2 / (4 * total * total))
    low = 0.0 if positives <= 0 else max(0.0, middle - half)
    high = 1.0 if positives >= total else min(1.0, middle + half)
    return low, high


def effective_counts(numerator: float, denominator: float, squares: float) -> tuple[float, float]:
    """Counts of the unweighted sample that is worth as much: n = (sum w)^2 / sum w^2 (Kish 1965, section 11.7).

    `numerator` and `denominator` are sums of weights, `squares` the sum of the denominator's squared weights. With
    equal weights, n is the number of rows.
    """
    size = denominator * denominator / squares
    return numerator / denominator * size, size
