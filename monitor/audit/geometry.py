"""The inner products of one layer's rows: all that any measure needs, and all that a later audit needs to compare with this one.

Resampling never touches the rows again. A draw is a vector of weights w, and its sums are |sum w z|^2 = w' G w with G = Z Z', or,
where there are more rows than dimensions, a product of all draws' weights with Z at once. Rows are about their common mean
(every measure is free of translations), so that nothing cancels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Protocol, Self

import numpy as np

from monitor.audit.anchors import Floats, Matrix, Places
from monitor.audit.faults import AuditFault, rejected

LARGEST_GRAM: Final = 8192
"""Rows up to which all inner products are held (512 MB in float64)."""
_BLOCK: Final = 1024
"""Rows that are taken into a product at once."""


class Geometry(Protocol):
    """N rows of `dimensions`, the first `safe` of them safe. Weights [R, N] are float64; results float64."""

    @property
    def dimensions(self) -> int:
        """Of the rows that the products are of."""

    @property
    def safe(self) -> int:
        """How many rows are safe."""

    @property
    def norms(self) -> Floats:
        """|z_i|^2 about the mean of all, [N]."""

    def square(self, weights: Floats) -> Floats:
        """|sum_i w_i z_i|^2, [R]."""

    def squares(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        """|S1|^2, S1 S2 and |S2|^2, [R] each, with S1 summed over the safe rows and S2 over the unsafe ones."""

    def products(self, weights: Floats) -> Floats:
        """z_j (sum_i w_i z_i), [R, N]."""

    def group_squares(self, factors: Floats, groups: Places) -> Floats:
        """|sum of f_i (z_i - its class's mean)|^2 of each group, [groups], for `factors` [N] and group numbers [N]."""


@dataclass(frozen=True, slots=True, eq=False)
class Gram:
    """By all inner products, `gram` [N, N] about the mean: for fewer rows than dimensions, and for measures of pairs."""

    gram: Floats
    safe: int
    dimensions: int

    @classmethod
    def of(cls, rows: Matrix, safe: int) -> Self:
        """Of `rows` [N, d]. Raises Rejected for more than LARGEST_GRAM of them."""
        if len(rows) > LARGEST_GRAM:
            raise rejected(
                AuditFault.TOO_MANY_ROWS,
                f"{len(rows)} rows, of at most {LARGEST_GRAM}: take a sample (monitor/audit/reservoir.py)",
            )
        z = rows.astype(np.float64)
        z -= z.mean(axis=0)
        gram: Floats = z @ z.T
        return cls(gram, safe, rows.shape[1])

    @property
    def norms(self) -> Floats:
        return np.diagonal(self.gram)

    @property
    def distances(self) -> Floats:
        """Euclidean distances of all pairs, [N, N]."""
        norms = self.norms
        squared = norms[:, None] + norms[None, :] - 2 * self.gram
        np.fill_diagonal(squared, 0.0)
        distances: Floats = np.sqrt(np.maximum(squared, 0.0))
        return distances

    def square(self, weights: Floats) -> Floats:
        square: Floats = np.einsum("rn,rn->r", weights @ self.gram, weights)
        return square

    def squares(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        first, second = weights[:, : self.safe], weights[:, self.safe :]
        of_first = first @ self.gram[: self.safe]
        return (
            np.einsum("rn,rn->r", of_first[:, : self.safe], first),
            np.einsum("rn,rn->r", of_first[:, self.safe :], second),
            np.einsum("rn,rn->r", second @ self.gram[self.safe :, self.safe :], second),
        )

    def products(self, weights: Floats) -> Floats:
        product: Floats = weights @ self.gram
        return product

    def group_squares(self, factors: Floats, groups: Places) -> Floats:
        centred = self.gram.copy()
        for part in (slice(0, self.safe), slice(self.safe, None)):
            centred[part] -= centred[part].mean(axis=0)
        for part in (slice(0, self.safe), slice(self.safe, None)):
            centred[:, part] -= centred[:, part].mean(axis=1, keepdims=True)
        centred *= factors[:, None] * factors[None, :]
        order = np.argsort(groups, kind="stable")
        bounds = [*np.flatnonzero(np.diff(groups[order], prepend=-1)), len(groups)]
        return np.array(
            [centred[np.ix_(order[a:b], order[a:b])].sum() for a, b in pairwise(bounds)], np.float64
        )


class Rows:
    """By the rows themselves: for many rows. They are held, and blocks of them multiplied, in their own precision; sums over
    blocks are float64. Float32 rows cost about seven digits of their own scatter, none to their mean.
    """

    def __init__(self, rows: Matrix, safe: int) -> None:
        self._rows = rows
        self._safe = safe
        sums = np.zeros((2, rows.shape[1]))
        for block, is_first in self._blocks():
            sums[0 if is_first else 1] += rows[block].sum(axis=0, dtype=np.float64)
        self._mean: Floats = sums.sum(axis=0) / len(rows)
        # class means about the mean of all
        self._class_means: Floats = sums / np.array([[safe], [len(rows) - safe]]) - self._mean
        self._norms = np.empty(len(rows))
        for block, _, z in self._centred():
            self._norms[block] = np.einsum("nd,nd->n", z, z)

    @property
    def dimensions(self) -> int:
        return self._rows.shape[1]

    @property
    def safe(self) -> int:
        return self._safe

    @property
    def norms(self) -> Floats:
        return self._norms

    def square(self, weights: Floats) -> Floats:
        first, second = self._sums(weights)
        total = first + second
        square: Floats = np.einsum("rd,rd->r", total, total)
        return square

    def squares(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        first, second = self._sums(weights)
        return (
            np.einsum("rd,rd->r", first, first),
            np.einsum("rd,rd->r", first, second),
            np.einsum("rd,rd->r", second, second),
        )

    def products(self, weights: Floats) -> Floats:
        first, second = self._sums(weights)
        sums = (first + second).astype(self._rows.dtype)
        products = np.empty((len(weights), len(self._rows)))
        for block, _, z in self._centred():
            products[:, block] = sums @ z.T
        return products

    def group_squares(self, factors: Floats, groups: Places) -> Floats:
        order = np.argsort(groups, kind="stable")
        starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
        means = self._class_means[(order >= self._safe).astype(np.intp)]
        squares = np.zeros(len(starts))
        width = max(1, 2**24 // len(order))
        for start in range(0, self.dimensions, width):
            part = slice(start, start + width)
            z = self._rows[order, part] - self._mean[part] - means[:, part]
            sums = np.add.reduceat(z * factors[order, None], starts, axis=0)
            squares += np.einsum("gd,gd->g", sums, sums)
        return squares

    def _blocks(self) -> list[tuple[slice, bool]]:
        """Slices of at most _BLOCK rows of one class, and whether they are safe."""
        bounds = sorted({*range(0, len(self._rows), _BLOCK), self._safe, len(self._rows)})
        return [(slice(a, b), b <= self._safe) for a, b in pairwise(bounds)]

    def _centred(self) -> Iterator[tuple[slice, bool, Matrix]]:
        """The blocks with their rows about the mean, which are good until the next one is asked for."""
        mean = self._mean.astype(self._rows.dtype)
        scratch = np.empty((min(_BLOCK, len(self._rows)), self.dimensions), self._rows.dtype)
        for block, is_first in self._blocks():
            yield (
                block,
                is_first,
                np.subtract(self._rows[block], mean, out=scratch[: block.stop - block.start]),
            )

    def _sums(self, weights: Floats) -> tuple[Floats, Floats]:
        """Weighted sums of the safe and the unsafe rows, [R, d] each."""
        sums = np.zeros((2, len(weights), self.dimensions))
        single = weights.astype(self._rows.dtype)
        for block, is_first, z in self._centred():
            sums[0 if is_first else 1] += single[:, block] @ z
        return sums[0], sums[1]


def geometry_of(rows: Matrix, safe: int, draws: int) -> Geometry:
    """Whichever is cheaper for so many draws: `rows` [N, d], the first `safe` of them safe."""
    n, d = rows.shape
    if n <= LARGEST_GRAM and n * d + draws * n < draws * d:
        return Gram.of(rows, safe)
    return Rows(rows, safe)
