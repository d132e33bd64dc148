"""Totals and ratios from a Poisson sample with known, unequal inclusion probabilities. Pure numpy.

Arrays are of the *sampled* units along the last axis; axes before it are cells, computed at once. `probabilities` are
those with which each unit came into the sample, in (0, 1]. Units come in independently of each other: what a decision
from the event id's hash gives.

Horvitz and Thompson (1952), JASA 47:663. Poisson sampling: Särndal, Swensson and Wretman (1992), Model Assisted Survey
Sampling, section 3.5; ratios by linearisation: section 5.6; a mean over the estimated size: Hájek (1971).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

Target = Literal["window", "process"]
"""What is estimated: the figure of the very exchanges of the window, or of the process that they are independent draws
of. The second's variance is larger by what an exchange differs from the next; it is what an interval around a rate means
that is to be compared with another window's."""


def total(values: Floats, probabilities: Floats) -> Floats:
    """The sum of y / p: unbiased for the total over all units, sampled or not."""
    found: Floats = (values / probabilities).sum(axis=-1)
    return found


def total_variance(values: Floats, probabilities: Floats) -> Floats:
    """The sum of (1 - p) / p^2 y^2: unbiased for the variance of `total` over samples, which is sum over all of (1 - p) / p y^2."""
    found: Floats = ((1 - probabilities) * (values / probabilities) ** 2).sum(axis=-1)
    return found


def ratio(numerators: Floats, denominators: Floats, probabilities: Floats) -> Floats:
    """total(y) / total(x); NaN where total(x) is 0. With x = 1 it is Hájek's mean. Its bias is of the order of
    1 / sample size."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return total(numerators, probabilities) / total(denominators, probabilities)


def ratio_variance(
    numerators: Floats, denominators: Floats, probabilities: Floats, *, of: Target = "window"
) -> Floats:
    """Variance of `ratio` by linearisation: that of the total of (y - R x) / total(x).

    of="window": sum (1 - p) / p^2 e^2. of="process": sum e^2 / p^2. NaN where total(x) is 0.
    """
    rate = ratio(numerators, denominators, probabilities)[..., np.newaxis]
    errors = (numerators - rate * denominators) / probabilities
    kept = 1 - probabilities if of == "window" else np.ones_like(probabilities)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread: Floats = (kept * errors**2).sum(axis=-1) / total(denominators, probabilities) ** 2
    return spread
