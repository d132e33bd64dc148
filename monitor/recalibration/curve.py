"""The token-level refusal rate at every threshold, from logs written under any other one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.estimates.horvitz_thompson import Floats
from monitor.intervals import Z_95, wilson
from monitor.recalibration.exceedance import dkw
from monitor.recalibration.weighted import effective_size
from monitor.recalibration.windows import Sample


@dataclass(frozen=True)
class Curve:
    """Rates at thresholds, [m], rising thresholds: at each distinct score, where the rate steps, and at 0 and 1.

    low, high: 95 % at each threshold by itself. band: no rate of the curve is further from the truth, at any threshold, with
    95 % (in the limit, where prompts are weighted unequally).
    """

    threshold: Floats
    rate: Floats
    low: Floats
    high: Floats
    band: float
    n: int
    effective: float

    def rate_at(self, threshold: float) -> float:
        """The share of score >= threshold."""
        place = int(np.searchsorted(self.threshold, threshold, side="left"))
        return float(self.rate[place]) if place < len(self.rate) else 0.0


def curve(sample: Sample) -> Curve:
    """Of the prompts of a group, or of all of a rule with one threshold. Raises ValueError for none.

    Prompts that no threshold decides about count as always or never refused. The rate at T is the weighted share of score >= T
    (Hájek); its interval is Wilson's at the size that its linearised variance is worth (monitor/recalibration/weighted.py).
    """
    if not len(sample):
        raise ValueError("a curve needs at least one prompt")
    order = np.argsort(sample.score, kind="stable")
    scores, weights = sample.score[order], sample.weights[order]
    finite = scores[np.isfinite(scores)]
    thresholds = np.unique(np.concatenate([[0.0], finite, [1.0]]))
    below = np.searchsorted(scores, thresholds, side="left")
    total, squares = float(weights.sum()), float((weights**2).sum())
    rate = 1 - np.concatenate([[0.0], np.cumsum(weights)])[below] / total
    rate = np.clip(rate, 0.0, 1.0)
    squares_above = squares - np.concatenate([[0.0], np.cumsum(weights**2)])[below]
    variance = (squares_above * (1 - 2 * rate) + rate**2 * squares) / total**2
    kish = effective_size(sample.inclusion)
    sizes = np.where(
        (rate > 0) & (rate < 1) & (variance > 1e-15), rate * (1 - rate) / np.maximum(variance, 1e-15), kish
    )
    ends = np.array(
        [
            wilson(float(r * size), float(size), z=Z_95)
            for r, size in zip(rate.tolist(), sizes.tolist(), strict=True)
        ]
    )
    return Curve(thresholds, rate, ends[:, 0], ends[:, 1], dkw(kish, 0.05), len(sample), kish)
