"""Tail probabilities that the certificates rest on. Pure numpy, no table has more than n + 1 numbers."""

from __future__ import annotations

from math import ceil, e, log, log1p

import numpy as np

from monitor.estimates.horvitz_thompson import Floats

_SLACK = 1e-9


def cdf(n: int, p: float) -> Floats:
    """P(Bin(n, p) <= k) for k = 0..n, [n + 1], 0 < p < 1. Relative error about 1e-12 times n."""
    k = np.arange(1, n + 1)
    steps = np.log((n - k + 1) / k) + (log(p) - log1p(-p))
    log_mass = n * log1p(-p) + np.concatenate([[0.0], np.cumsum(steps)])
    found: Floats = np.minimum(np.cumsum(np.exp(log_mass)), 1.0)
    found[-1] = 1.0
    return found


def hoeffding_bentkus(means: Floats, n: int, alpha: float) -> Floats:
    """P-values of "the mean is above alpha" given means of n independent variables in 0..1, [m]; 0 < alpha < 1.

    The lesser of exp(-n h1(min(mean, alpha), alpha)), Hoeffding (1963), and e P(Bin(n, alpha) <= ceil(n mean)), Bentkus (2004);
    together: Bates et al. (2021), arXiv 2101.02703, and Angelopoulos et al. (2021), arXiv 2110.01052.
    """
    if not n:
        return np.ones_like(means)
    a = np.clip(means, 0.0, alpha)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.where(a > 0, a * np.log(a / alpha), 0.0) + (1 - a) * np.log((1 - a) / (1 - alpha))
    counts = np.clip(np.ceil(n * means - _SLACK), 0, n).astype(np.int64)
    bentkus = e * cdf(n, alpha)[counts]
    found: Floats = np.minimum(np.minimum(np.exp(-n * gap), bentkus), 1.0)
    return found


def most_allowed(n: int, alpha: float, delta: float) -> int:
    """The most cases m among n at which "the rate is above alpha" is rejected at delta: P(Bin(n, alpha) <= m) <= delta. -1 if
    not even none are few enough."""
    return int(np.searchsorted(cdf(n, alpha), delta, side="right")) - 1 if n else -1


def least_calls(alpha: float, delta: float) -> int:
    """Prompts without a single case that it takes to certify alpha with probability 1 - delta: 59 for .05 and .05."""
    return ceil(log(delta) / log1p(-alpha) - _SLACK)


def least_exchangeable(alpha: float) -> int:
    """The same where the bound holds on average: (n + 1) alpha >= 1."""
    return ceil(1 / alpha - 1 - _SLACK)
