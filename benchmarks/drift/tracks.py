"""Track C: every detector at the threshold that keeps the same interval, and how long it takes. Track S: each as shipped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log
from statistics import NormalDist
from typing import Final

import numpy as np

from benchmarks.drift.adwin import Adwin
from benchmarks.drift.cells import RAMPS, STEPS, Cell, Shift
from benchmarks.drift.detectors import Cusum, Every, Frozen, Made, Never, Ours
from benchmarks.drift.peers import (
    SPAN,
    ChunkZ,
    Ddm,
    Focus,
    FocusLearning,
    HddmA,
    PageHinkley,
    PageHinkleyScaled,
    SlidingZ,
)
from benchmarks.drift.running import Figure, Quiet, delays, mean, quiet, realised, threshold
from monitor.drift.detector import WEIGHTS, log_threshold

OURS: Final = "ours"
FOCUS: Final = "FOCuS, GLR"
FOCUS_LEARNING: Final = "FOCuS, rate unknown"
CHUNK: Final = "chunk z-test 2,000"
ADWIN: Final = "ADWIN"


Threshold = float | Callable[[Cell], float]


def _given(cell: Cell) -> float:
    """As the watch sets it, which knows how much comes in a window."""
    lump = np.array([cell.window * cell.rate * (1.0 - cell.rate)])
    return float(log_threshold(1.0 / cell.interval, WEIGHTS, lump)[0])


def _log_interval(cell: Cell) -> float:
    return float(np.log(cell.interval))


def _z(cell: Cell) -> float:
    """The quantile at which a test of each 2,000 events gives one false alarm an interval."""
    return NormalDist().inv_cdf(1.0 - SPAN / cell.interval / 2.0)


@dataclass(frozen=True, slots=True)
class Entry:
    """A detector in the table. `shipped`: the threshold that it comes with or that its users take for an interval. `share`:
    of the streams that ours gets, as some are slow. `is_peer`: one to be better than."""

    name: str
    made: Made
    shipped: Threshold | None
    share: float = 1.0
    is_peer: bool = True

    def threshold(self, cell: Cell) -> float | None:
        """As shipped, in a cell."""
        return self.shipped(cell) if callable(self.shipped) else self.shipped


ENTRIES: Final = (
    Entry(OURS, Ours, _given, is_peer=False),
    Entry("ours, rate frozen", Frozen, _given, 0.5, is_peer=False),
    Entry(ADWIN, Adwin.knowing, -log(0.002), 0.25),
    Entry("CUSUM for x2", Cusum.for_doubling, _log_interval),
    Entry(FOCUS, Focus, _log_interval, 0.2),
    Entry(FOCUS_LEARNING, FocusLearning, _log_interval, 0.2),
    Entry("sliding z-test 2,000", SlidingZ, _z),
    Entry(CHUNK, ChunkZ, _z),
    Entry("Page-Hinkley", PageHinkley, 50.0),
    Entry("Page-Hinkley, scaled", PageHinkleyScaled, None),
    Entry("HDDM_A", HddmA, -log(0.001), 0.25),
    Entry("DDM", Ddm, 3.0),
    Entry("dummy: never", Never, None, 0.25, is_peer=False),
    Entry("dummy: every n events", Every, 0.0, is_peer=False),
)


@dataclass(frozen=True, slots=True)
class Oracle:
    """Mean delays, by shift, of a CUSUM that knows the rate before and after (a ramp's end)."""

    delays: dict[str, Figure]


@dataclass(frozen=True, slots=True)
class Row:
    """A detector in a cell: false alarms as shipped by those promised; delays by the oracle's, by shift; their geometric
    mean over the steps."""

    name: str
    shipped: Figure | None
    ratios: dict[str, Figure]
    overall: Figure
    is_peer: bool


SHIFTS: Final = (*STEPS, *RAMPS)


def oracle(cell: Cell, times: int, chance: np.random.Generator) -> Oracle:
    """The oracle's delays at the same interval."""
    found: dict[str, Figure] = {}
    for shift in SHIFTS:
        of = quiet(Cusum.knowing(shift.times), cell, times, chance)
        found[shift.name] = mean(delays(of, cell, shift, at=threshold(of.highest), chance=chance))
    return Oracle(found)


def row(entry: Entry, cell: Cell, known: Oracle, *, times: int, chance: np.random.Generator) -> Row:
    """One detector in one cell."""
    times = max(int(times * entry.share), 50)
    of = settled(cell, times, chance) if entry.made is HddmA else quiet(entry.made, cell, times, chance)
    ratios = {shift.name: _ratio(of, cell, shift, known=known, chance=chance) for shift in SHIFTS}
    steps = [ratios[shift.name] for shift in STEPS]
    at = entry.threshold(cell)
    shipped = None if at is None else realised(of.highest, at)
    return Row(entry.name, shipped, ratios, geometric(steps), entry.is_peer)


def _ratio(of: Quiet, cell: Cell, shift: Shift, *, known: Oracle, chance: np.random.Generator) -> Figure:
    """Delay by the oracle's. Where the threshold isn't finite nothing is ever said."""
    at = threshold(of.highest)
    if not np.isfinite(at):
        return Figure(cell.interval / known.delays[shift.name].value, 0.0)
    ours, theirs = mean(delays(of, cell, shift, at=at, chance=chance)), known.delays[shift.name]
    ratio = ours.value / theirs.value
    return Figure(ratio, ratio * float(np.hypot(ours.error / ours.value, theirs.error / theirs.value)))


def geometric(figures: list[Figure]) -> Figure:
    """Geometric mean of independent figures."""
    logs = [np.log(figure.value) for figure in figures]
    error = float(np.sqrt(sum((figure.error / figure.value) ** 2 for figure in figures))) / len(figures)
    value = float(np.exp(np.mean(logs)))
    return Figure(value, value * error)


def settled(cell: Cell, times: int, chance: np.random.Generator) -> Quiet:
    """HDDM_A with its cuts made at the confidence that the threshold comes to."""
    bound = HddmA.bound
    for _ in range(4):
        bound = threshold(quiet(HddmA.of(bound), cell, times, chance).highest)
    return quiet(HddmA.of(bound), cell, times, chance)
