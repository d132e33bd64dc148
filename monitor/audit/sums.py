"""Exact sufficient statistics of a labelled stream: what CHI, XBI and J need, in O(d) memory, added to, removed from and merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from monitor.audit.anchors import check_finite
from monitor.audit.faults import AuditFault, rejected
from monitor.audit.scatter import Scatter

Floats = NDArray[np.float64]
Matrix = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class ClassSums:
    """n, sum z and sum |z|^2 of one class, float64, z about `shift` [d].

    The shift (a frozen reference's mean) keeps them exact: |sum z|^2 / n is taken from sum |z|^2, which loses all digits where the
    mean is large beside the scatter. Values: operations give new ones.
    """

    shift: Floats
    n: int
    total: Floats
    squares: float

    @classmethod
    def empty(cls, shift: Floats) -> Self:
        """Nothing yet, about `shift` [d]."""
        return cls(shift, 0, np.zeros_like(shift), 0.0)

    def plus(self, rows: Matrix) -> ClassSums:
        """With `rows` [m, d] added. Raises Rejected for another d and for what isn't finite."""
        return self._with(rows, 1)

    def minus(self, rows: Matrix) -> ClassSums:
        """With `rows` [m, d], added before, removed. Raises Rejected as `plus`, and where more go than there are."""
        return self._with(rows, -1)

    def merged(self, other: ClassSums) -> ClassSums:
        """Both together. Raises Rejected where the shifts differ: the sums would not add up."""
        if not np.array_equal(self.shift, other.shift):
            raise rejected(
                AuditFault.CHANGED_SHAPE,
                "the sums are about different references: build them on the same one",
            )
        return ClassSums(self.shift, self.n + other.n, self.total + other.total, self.squares + other.squares)

    def _with(self, rows: Matrix, sign: int) -> ClassSums:
        if rows.ndim != 2 or rows.shape[1] != len(self.shift):
            raise rejected(
                AuditFault.CHANGED_SHAPE,
                f"vectors of shape {rows.shape} for sums of {len(self.shift)} dimensions",
            )
        check_finite(rows)
        n = self.n + sign * len(rows)
        if n < 0:
            raise rejected(AuditFault.SHAPE, f"{len(rows)} rows to remove of {self.n}")
        if n == 0:
            return ClassSums.empty(self.shift)  # no rounding is carried over
        z = rows.astype(np.float64) - self.shift
        return ClassSums(
            self.shift,
            n,
            self.total + sign * z.sum(axis=0),
            self.squares + sign * float(np.einsum("nd,nd->", z, z)),
        )


def scatter_of(safe: ClassSums, unsafe: ClassSums) -> Scatter:
    """Sizes, W and D^2 of two classes about the same shift. Raises Rejected where a class is empty or both hold fewer than three."""
    if not np.array_equal(safe.shift, unsafe.shift):
        raise rejected(
            AuditFault.CHANGED_SHAPE, "the sums are about different references: build them on the same one"
        )
    if not (safe.n and unsafe.n):
        raise rejected(AuditFault.ONE_CLASS, f"{safe.n} safe and {unsafe.n} unsafe: give both classes")
    if safe.n + unsafe.n < 3:
        raise rejected(AuditFault.NOT_ENOUGH, "two rows have no scatter")
    apart = safe.total / safe.n - unsafe.total / unsafe.n
    within = sum(max(0.0, one.squares - float(one.total @ one.total) / one.n) for one in (safe, unsafe))
    return Scatter(
        *(np.asarray(value, np.float64) for value in (safe.n, unsafe.n, within, float(apart @ apart)))
    )
