"""What of a rate's change is within its classes, and what comes of their mix (Kitagawa 1955, JASA 50:1168)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas.evidence import MixSplit

Floats = NDArray[np.float64]


def split(k_before: Floats, n_before: Floats, k_after: Floats, n_after: Floats) -> MixSplit | None:
    """The change of sum k / sum n, split over C classes, [C] each. None where there is nothing before or after.

    within = sum of mean share * change of rate, mix = sum of mean rate * change of share: they add up to the change,
    exactly but for rounding. A class that is missing on one side has there the rate of the other: it is all mix.
    """
    if not (n_before.sum() > 0 and n_after.sum() > 0):
        return None
    seen_before, seen_after = n_before > 0, n_after > 0
    before = np.divide(k_before, n_before, out=np.zeros_like(k_before, dtype=np.float64), where=seen_before)
    after = np.divide(k_after, n_after, out=np.zeros_like(k_after, dtype=np.float64), where=seen_after)
    before = np.where(seen_before, before, after)
    after = np.where(seen_after, after, before)
    share_before, share_after = n_before / n_before.sum(), n_after / n_after.sum()
    within = ((share_before + share_after) / 2.0 * (after - before)).sum()
    mix = ((before + after) / 2.0 * (share_after - share_before)).sum()
    return MixSplit(within=float(within), mix=float(mix))
