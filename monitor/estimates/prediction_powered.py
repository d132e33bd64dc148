"""Totals and ratios from a cheap prediction of every unit and the truth of a sampled few. Pure numpy.

Prediction-powered inference: Angelopoulos, Bates, Fannjiang, Jordan and Zrnic (2023), Science 382:669; its power tuning
(PPI++): Angelopoulos, Duchi and Zrnic (2023), arXiv 2311.01453; with unequal inclusion probabilities: Zrnic and Candès
(2024), Active statistical inference, arXiv 2403.03208. In survey words it is the difference estimator (Särndal, Swensson
and Wretman 1992, section 6.3) with one fitted coefficient.

Arrays as in monitor/estimates/horvitz_thompson.py; `predictions` f are of the sampled units, `predicted` is the total of
f over all units. `tuning` is lambda: 0 leaves the predictions out (Horvitz-Thompson), 1 trusts them whole.
"""

from __future__ import annotations

import numpy as np

from monitor.estimates import horvitz_thompson
from monitor.estimates.horvitz_thompson import Floats


def total(
    values: Floats, predictions: Floats, probabilities: Floats, *, predicted: Floats, tuning: Floats
) -> Floats:
    """The sum of (y - lambda f) / p + lambda sum over all of f. Unbiased for every lambda that doesn't depend on the sample."""
    corrections = values - tuning[..., np.newaxis] * predictions
    return horvitz_thompson.total(corrections, probabilities) + tuning * predicted


def total_variance(values: Floats, predictions: Floats, probabilities: Floats, *, tuning: Floats) -> Floats:
    """The sum of (1 - p) / p^2 (y - lambda f)^2: unbiased for the variance of `total` over samples, for a given lambda."""
    return horvitz_thompson.total_variance(values - tuning[..., np.newaxis] * predictions, probabilities)


def best_tuning(values: Floats, predictions: Floats, probabilities: Floats) -> Floats:
    """The lambda with the least `total_variance`, sum (1-p)/p^2 y f / sum (1-p)/p^2 f^2, held in 0..1; 0 where no
    prediction differs from 0."""
    weights = (1 - probabilities) / probabilities**2
    shared = (weights * values * predictions).sum(axis=-1)
    own = (weights * predictions**2).sum(axis=-1)
    found: Floats = np.clip(np.where(own > 0, shared / np.where(own > 0, own, 1.0), 0.0), 0.0, 1.0)
    return found


def ratio(
    numerators: tuple[Floats, Floats, Floats],
    denominators: tuple[Floats, Floats, Floats],
    probabilities: Floats,
    *,
    tuning: Floats,
) -> Floats:
    """`total` of numerators over `total` of denominators with one lambda; NaN where the second is 0.

    Each triple is (values, predictions, predicted).
    """
    above, below = (
        total(values, predictions, probabilities, predicted=predicted, tuning=tuning)
        for values, predictions, predicted in (numerators, denominators)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        return above / below
