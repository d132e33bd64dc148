"""Sparsemax: the Euclidean projection onto the probability simplex (Martins and Astudillo 2016, algorithm 1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def sparsemax(scores: Floats) -> Floats:
    """Of `scores` [..., L]: the nearest weights that are >= 0 and sum to 1; many are exactly 0."""
    falling = -np.sort(-scores, axis=-1)
    places = np.arange(1, scores.shape[-1] + 1)
    sums = np.cumsum(falling, axis=-1)
    support = (1 + places * falling > sums).sum(axis=-1, keepdims=True)
    threshold = (np.take_along_axis(sums, support - 1, axis=-1) - 1) / support
    weights: Floats = np.maximum(scores - threshold, 0.0)
    return weights
