"""A uniform sample of a stream, for the measures that sums can't give (DBI, Dunn, silhouette). Algorithm R (Vitter 1985)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.audit.faults import AuditFault, rejected


class Reservoir:
    """At most `size` of the rows [d] offered so far, each with the same chance; the same for the same seed. One a class."""

    def __init__(self, size: int, dimensions: int, *, seed: int) -> None:
        self._kept = np.empty((size, dimensions), np.float32)
        self._seen = 0
        self._chance = np.random.default_rng(seed)

    @property
    def seen(self) -> int:
        """How many rows were offered."""
        return self._seen

    @property
    def rows(self) -> NDArray[np.float32]:
        """What is kept, a copy, [min(seen, size), d]."""
        return self._kept[: min(self._seen, len(self._kept))].copy()

    def offer(self, rows: NDArray[np.floating[Any]]) -> None:
        """Offers `rows` [m, d]. Raises Rejected for another d."""
        if rows.ndim != 2 or rows.shape[1] != self._kept.shape[1]:
            raise rejected(
                AuditFault.CHANGED_SHAPE,
                f"vectors of shape {rows.shape} for a reservoir of {self._kept.shape[1]} dimensions",
            )
        for row in rows:
            place = (
                self._seen if self._seen < len(self._kept) else int(self._chance.integers(0, self._seen + 1))
            )
            if place < len(self._kept):
                self._kept[place] = row
            self._seen += 1
