"""What two labelled groups are to each other, from four numbers: their sizes, W and D^2.

W is the total squared scatter within the classes, D^2 the squared distance of the centroids, N = n1 + n2. CHI after Calinski and
Harabasz (1974), XBI after Xie and Beni (1991) with hard labels, as arXiv 2506.13901 section 3 writes them. For two classes they
are one statistic: CHI XBI = (N - 2) n1 n2 / N^2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Scatter:
    """Arrays of one shape, one entry a draw; or numpy scalars. `within` is W, `apart` D^2."""

    safe: Floats
    unsafe: Floats
    within: Floats
    apart: Floats

    @property
    def j(self) -> Floats:
        """The size-free effect J = (D^2 - s^2 (1/n1 + 1/n2)) / s^2, s^2 = W / (N - 2).

        For independent anchors its numerator is unbiased, for any sizes and dimensions. Negative values are part of that: not
        clipped. +inf where nothing is scattered within the classes.
        """
        variance = self.within / (self.safe + self.unsafe - 2)
        with np.errstate(divide="ignore"):
            return self.apart / variance - (1 / self.safe + 1 / self.unsafe)

    @property
    def chi(self) -> Floats:
        """Calinski and Harabasz's index, higher is more separated. scikit-learn says 1 where W is 0; here +inf."""
        return chi_of(self.j, self.safe, self.unsafe)

    @property
    def xbi(self) -> Floats:
        """Xie and Beni's index W / (N D^2), lower is more separated; +inf for coincident centroids."""
        with np.errstate(divide="ignore"):
            xbi: Floats = self.within / ((self.safe + self.unsafe) * self.apart)
        return xbi


def chi_of(j: Floats, safe: Floats | float, unsafe: Floats | float) -> Floats:
    """CHI = 1 + (n1 n2 / N) J, exactly."""
    return 1 + safe * unsafe / (safe + unsafe) * j


def xbi_of(j: Floats, safe: Floats | float, unsafe: Floats | float) -> Floats:
    """XBI from the identity with CHI; +inf where CHI is not above 0."""
    total = safe + unsafe
    with np.errstate(divide="ignore"):
        xbi: Floats = (total - 2) * safe * unsafe / total**2 / np.maximum(chi_of(j, safe, unsafe), 0.0)
    return xbi
