"""Groups for tests, written as one line a group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from monitor.estimates.groups import Groups


def groups_of(*cells: Sequence[Sequence[float]], beyond: float = 0.0) -> Groups:
    """Each cell a list of groups (weight, probability, guard's numerator, guard's denominator, scored, chosen, outside, no,
    yes)."""
    width = max(len(cell) for cell in cells)
    nothing = (1, 1, 0, 0, 0, 0, 0, 0, 0)
    rows: Any = np.array([[*cell, *[nothing] * (width - len(cell))] for cell in cells], np.float64)
    columns = {
        name: rows[..., place]
        for place, name in enumerate(
            ("weight", "probability", "guard_numerator", "guard_denominator", "scored", "chosen")
        )
    }
    return Groups(**columns, judged=rows[..., 6:], beyond=np.full(len(cells), beyond))
