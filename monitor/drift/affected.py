"""Which of many are told: the e-BH procedure (Wang and Ramdas 2022, J. R. Stat. Soc. B 84:822).

Of m e-values, those at least as large as m / (rate * j) are told, for the largest j for which that many are. The false
discovery rate is at most `rate`, however the e-values depend on each other.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

FALSE_DISCOVERY_RATE: Final = 0.05


def e_bh(log_e: NDArray[np.float64], rate: float = FALSE_DISCOVERY_RATE) -> NDArray[np.bool_]:
    """Which are told, [m], of the natural logarithms of m e-values. -inf is no evidence; raises ValueError for NaN."""
    if np.isnan(log_e).any():
        raise ValueError("an e-value is not a number")
    falling = np.sort(log_e)[::-1]
    needed = np.log(log_e.size / (rate * np.arange(1, log_e.size + 1)))
    enough = np.flatnonzero(falling >= needed)
    if not enough.size:
        return np.zeros(log_e.size, dtype=np.bool_)
    told: NDArray[np.bool_] = log_e >= falling[enough[-1]]
    return told
