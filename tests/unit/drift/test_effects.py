"""How often an alert is right about the size and the time of a shift, and how wrong the best segment is: seeded simulation."""

from __future__ import annotations

import numpy as np

from benchmarks.drift.effects import coverage, table


def test_intervals_hold_at_the_moment_of_the_alarm() -> None:
    rows = coverage(short=True, seed=2026, runs=40, rates=(0.05,))
    alarms = np.array([row.alarms for row in rows])

    def share(name: str) -> float:
        return float(np.average([getattr(row, name) for row in rows], weights=alarms))

    assert alarms.sum() > 200
    # The gates of docs/drift.md: 0.97 is expected, and the simulation's error is 0.012.
    assert share("odds_ratio") >= 0.93
    assert share("rate_change") >= 0.93
    assert share("change_time") >= 0.92
    doubled = [row for row in rows if row.odds == 2.0]
    assert np.mean([row.best_segment for row in doubled]) > np.mean([row.estimate for row in doubled]) > 0.9
    assert len(table(rows).splitlines()) == len(rows) + 2
