"""A uniform sample of a stream."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.audit.faults import AuditFault
from monitor.audit.reservoir import Reservoir
from monitor.errors import Rejected


def test_all_are_kept_while_there_is_room() -> None:
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    reservoir = Reservoir(5, 3, seed=0)
    reservoir.offer(rows)
    assert np.array_equal(reservoir.rows, rows)
    assert reservoir.seen == 4


def test_each_row_has_the_same_chance() -> None:
    times = np.zeros(40)
    for seed in range(2000):
        reservoir = Reservoir(10, 1, seed=seed)
        reservoir.offer(np.arange(25.0)[:, None])
        reservoir.offer(np.arange(25.0, 40.0)[:, None])
        times[reservoir.rows[:, 0].astype(int)] += 1
    assert times / 2000 == pytest.approx(0.25, abs=0.05)


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(Rejected, match=AuditFault.CHANGED_SHAPE):
        Reservoir(5, 3, seed=0).offer(np.ones((1, 4)))
