"""Detectors on simulated streams: the highest statistic without a change, and after how many events a change is noticed."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.drift.cells import Cell, Floats, Shift
from benchmarks.drift.detectors import Detector, Made

ALARMS: Final = 1.0 - float(np.exp(-1.0))
"""Share of the streams with an alarm within the interval that is asked for, if it is kept."""
CHANGE: Final = 0.5
"""When the change comes: in the middle of the interval, to those streams that had no alarm before."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """`highest`: the highest statistic of each stream within the cell's interval, [m], while nothing changes. `before`:
    the same until the time of the change, and `detector` as it was then."""

    highest: Floats
    before: Floats
    detector: Detector


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its standard error."""

    value: float
    error: float


def quiet(made: Made, cell: Cell, times: int, chance: np.random.Generator) -> Quiet:
    """`times` streams on which nothing changes."""
    detector = made(cell, cell.known(times, chance), chance)
    found = np.full(times, -np.inf)
    steps = cell.interval // cell.window
    kept, before = detector, found
    for step in range(steps):
        if step == int(steps * CHANGE):
            kept, before = deepcopy(detector), found
        k = chance.binomial(cell.window, cell.rate, times).astype(np.float64)
        found = np.maximum(found, detector.take(k))
    return Quiet(found, before, kept)


def threshold(found: Floats) -> float:
    """The one that 1 - 1/e of the streams reach: what a bisection comes to."""
    return float(np.quantile(found, 1.0 - ALARMS, method="lower"))


def realised(found: Floats, at: float) -> Figure:
    """False alarms by those promised where the threshold is `at`."""
    times = len(found)
    share = float((found >= at).mean())
    share = min(max(share, 0.5 / times), 1.0 - 0.5 / times)
    return Figure(float(-np.log1p(-share)), float(np.sqrt(share / (1.0 - share) / times)))


def delays(of: Quiet, cell: Cell, shift: Shift, *, at: float, chance: np.random.Generator) -> Floats:
    """Events from the change to the alarm at a threshold of `at`, of the streams that had none before. Who says nothing
    for an interval is taken to have said it then."""
    kept = of.before < at
    detector = deepcopy(of.detector)
    detector.keep(kept)
    alive = np.arange(int(kept.sum()))
    found = np.full(len(alive), float(cell.interval))
    for step in range(cell.interval // cell.window):
        rate = shift.rate(cell.rate, (step + 0.5) * cell.window)
        k = chance.binomial(cell.window, rate, len(alive)).astype(np.float64)
        fires = detector.take(k) >= at
        if fires.any():
            found[alive[fires]] = (step + 1.0) * cell.window
            alive = alive[~fires]
            detector.keep(~fires)
            if not len(alive):
                break
    return found


def mean(found: Floats) -> Figure:
    """The mean delay."""
    return Figure(float(found.mean()), float(found.std() / np.sqrt(len(found))))
