"""Labelled anchors, checked, in one order: safe before unsafe, then by id. So two audits of the same anchors agree row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from monitor.audit.faults import AuditFault, rejected

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Matrix = NDArray[np.floating[Any]]
"""Rows of float32 or float64."""

LEAST: Final = 64
"""Independent anchors a class, below which nothing is said (papers on AQI use 100 and more)."""
_LABELS: Final = {"safe": True, "unsafe": False}
_BOTH, _SAFE, _UNSAFE = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class Anchors:
    """N anchors in canonical order, the first `safe` of them safe.

    `order` [N]: the row, in what was given, of each. `clusters` [N]: numbers from 0; anchors of one cluster (a matched pair, a
    conversation) are not independent and are drawn together. `strata` [clusters]: 0 has both classes, 1 safe only, 2
    unsafe only.
    """

    ids: tuple[str, ...]
    safe: int
    order: Places
    clusters: Places
    strata: Places

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        labels: Sequence[str],
        clusters: Sequence[str] | None = None,
        *,
        least: int = LEAST,
    ) -> Self:
        """Checks and sorts. Without `clusters` each anchor stands alone. Raises Rejected (faults.AuditFault).

        `least`: clusters that each class must have; each is one independent finding, however many rows it holds.
        """
        groups = ids if clusters is None else clusters
        if not len(ids) == len(labels) == len(groups):
            raise rejected(
                AuditFault.SHAPE,
                f"{len(ids)} ids, {len(labels)} labels and {len(groups)} clusters: give one of each an anchor",
            )
        unknown = [place for place, label in enumerate(labels) if label not in _LABELS]
        if unknown:
            raise rejected(
                AuditFault.WRONG_LABEL,
                f"{len(unknown)} labels, the first at row {unknown[0]}: write `safe` or `unsafe`",
            )
        if len(set(ids)) != len(ids):
            raise rejected(
                AuditFault.DUPLICATE_ANCHORS, f"{len(ids) - len(set(ids))} of {len(ids)} ids: keep each once"
            )
        is_safe = np.array([_LABELS[label] for label in labels], np.bool_)
        safe = int(is_safe.sum())
        if safe in {0, len(ids)}:
            raise rejected(
                AuditFault.ONE_CLASS, f"{safe} safe and {len(ids) - safe} unsafe: give both classes"
            )
        order = np.lexsort((np.asarray(ids), ~is_safe))
        # the numbering of clusters follows the canonical order, so that it doesn't hang on their names
        numbers: dict[str, int] = {}
        places = np.array([numbers.setdefault(groups[place], len(numbers)) for place in order], np.intp)
        of_safe, of_unsafe = (
            np.bincount(part, minlength=len(numbers)) > 0 for part in np.split(places, [safe])
        )
        few = min(int(of_safe.sum()), int(of_unsafe.sum()))
        if few < max(least, 2):
            raise rejected(
                AuditFault.NOT_ENOUGH,
                f"{int(of_safe.sum())} safe and {int(of_unsafe.sum())} unsafe independent anchors: {max(least, 2)} of each are needed",
            )
        strata = np.where(of_safe & of_unsafe, _BOTH, np.where(of_safe, _SAFE, _UNSAFE)).astype(np.intp)
        return cls(tuple(ids[place] for place in order), safe, order, places, strata)

    @property
    def unsafe(self) -> int:
        """How many are unsafe."""
        return len(self.ids) - self.safe

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that name the set: ids, labels and which belong together."""
        parts = ["\x00".join(self.ids), str(self.safe), ",".join(map(str, self.clusters.tolist()))]
        return blake2b("\x01".join(parts).encode(), digest_size=8).hexdigest()

    def same_as(self, other: Anchors) -> bool:
        """Whether these are the same anchors with the same labels and clusters."""
        return (
            self.ids == other.ids
            and self.safe == other.safe
            and np.array_equal(self.clusters, other.clusters)
        )

    def vectors(self, given: Matrix) -> Matrix:
        """The rows of `given` [N, d] in canonical order, a copy. Raises Rejected: shape, not finite, constant, or a row with both labels."""
        if given.ndim != 2 or len(given) != len(self.ids) or not given.shape[1]:
            raise rejected(
                AuditFault.SHAPE,
                f"vectors of shape {given.shape} for {len(self.ids)} anchors: give [anchors, dimensions]",
            )
        rows = given[self.order]
        marks = check_finite(rows)  # equal rows have equal sums; others seldom do, and are compared in full
        if (marks == marks[0]).all() and (rows == rows[0]).all():
            raise rejected(
                AuditFault.CONSTANT, f"{len(rows)} anchors have the same vector: is the layer read at all?"
            )
        contradicting = self._contradicting(rows, marks)
        if contradicting:
            raise rejected(
                AuditFault.BOTH_LABELS,
                f"{contradicting} unsafe anchors have the vector of a safe one: the texts are the same",
            )
        return rows

    def _contradicting(self, rows: Matrix, marks: Floats) -> int:
        """How many unsafe rows equal a safe one. Equal marks are compared in full."""
        safe = np.argsort(marks[: self.safe], kind="stable")
        sorted_marks = marks[safe]
        starts = np.searchsorted(sorted_marks, marks[self.safe :], "left")
        ends = np.searchsorted(sorted_marks, marks[self.safe :], "right")
        return sum(
            bool((rows[safe[start:end]] == rows[self.safe + place]).all(axis=1).any())
            for place, (start, end) in enumerate(zip(starts, ends, strict=True))
            if end > start
        )


def check_finite(rows: Matrix) -> Floats:
    """The sum of each row, [n]. Raises Rejected where a row of [n, d] holds NaN or infinity."""
    with np.errstate(over="ignore", invalid="ignore"):
        sums = rows.sum(axis=1)  # float32 may overflow: then it's looked at
    suspect = np.flatnonzero(~np.isfinite(sums))
    bad = [place for place in suspect if not np.isfinite(rows[place]).all()]
    if bad:
        raise rejected(AuditFault.NOT_FINITE, f"{len(bad)} of {len(rows)} vectors hold NaN or infinity")
    found: Floats = sums.astype(np.float64)
    return found
