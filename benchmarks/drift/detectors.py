"""What a detector is here: many copies of one, each on a stream of its own, told window by window.

The statistic of a copy goes up as the evidence does, and an alarm is where it reaches the threshold: so one scalar a detector
sets how often it gives false alarms, and the threshold for any of them is read off the highest values without an alarm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from benchmarks.drift.cells import Cell, Floats
from monitor.drift.detector import WEIGHTS, drip, log_m, log_ratios

Kept = NDArray[np.bool_]


class Detector(Protocol):
    """Copies of one detector, one a stream."""

    def take(self, k: Floats) -> Floats:
        """The statistic, [m], after the next window with `k` [m] positives in it."""

    def keep(self, kept: Kept) -> None:
        """Go on with these copies only."""


Made = Callable[[Cell, Floats, np.random.Generator], Detector]
"""Makes copies, of the positives in their references, [m]."""


class Arrays:
    """A detector whose arrays all have the copies first."""

    def keep(self, kept: Kept) -> None:
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray) and value.shape[:1] == kept.shape:
                setattr(self, name, value[kept])


PRIOR: Final = 0.5
"""Jeffreys, where nothing is known."""


class Ours(Arrays):
    """monitor/drift/detector.py with a baseline that learns: the statistic is log M, M in events."""

    def __init__(self, cell: Cell, known: Floats, chance: np.random.Generator) -> None:
        self.window = float(cell.window)
        self.a = known + PRIOR
        self.b = cell.reference - known + PRIOR
        self.log_r = np.full((len(known), len(WEIGHTS)), -np.inf)

    def take(self, k: Floats) -> Floats:
        n = np.full(len(k), self.window)
        ratios = log_ratios(k, n, a=self.a, b=self.b, offset=np.zeros(len(k)), phi=np.ones(len(k)))
        self.log_r = drip(self.log_r, n) + ratios
        self._learn(k)
        return log_m(self.log_r, WEIGHTS)

    def _learn(self, k: Floats) -> None:
        self.a = self.a + k
        self.b = self.b + self.window - k


class Frozen(Ours):
    """The same with the rate of the reference, never learned again: what learning is worth."""

    def _learn(self, k: Floats) -> None:
        pass


class Never(Arrays):
    """A dummy that says nothing."""

    def __init__(self, cell: Cell, known: Floats, chance: np.random.Generator) -> None:
        self.silent = np.full(len(known), -np.inf)

    def take(self, k: Floats) -> Floats:
        return self.silent


class Every(Arrays):
    """A dummy that gives an alarm every so many events, whatever they are: it began to count anywhere."""

    def __init__(self, cell: Cell, known: Floats, chance: np.random.Generator) -> None:
        self.window = cell.window
        # As often as asked for: 1 - 1/e of the copies within the interval.
        self.left = chance.random(len(known)) * cell.interval / (1.0 - np.exp(-1.0))

    def take(self, k: Floats) -> Floats:
        self.left = self.left - self.window
        passed: Floats = -self.left
        return passed


class Cusum(Arrays):
    """CUSUM for given rates before and after, [m] each; both sides at once where there are two of `after`, [m, 2]."""

    def __init__(self, before: Floats, after: Floats, window: int) -> None:
        self.for_yes = np.log(after / before[:, None])
        self.for_no = np.log((1.0 - after) / (1.0 - before[:, None]))
        self.window = window
        self.sums = np.zeros(after.shape)

    def take(self, k: Floats) -> Floats:
        yes = k[:, None]
        self.sums = np.maximum(self.sums + yes * self.for_yes + (self.window - yes) * self.for_no, 0.0)
        highest: Floats = self.sums.max(axis=1)
        return highest

    @classmethod
    def knowing(cls, times: float) -> Made:
        """The oracle: it knows the rate, and what it becomes."""

        def made(cell: Cell, known: Floats, _chance: np.random.Generator) -> Cusum:
            before = np.full(len(known), cell.rate)
            return cls(before, before[:, None] * times, cell.window)

        return made

    @classmethod
    def for_doubling(cls, cell: Cell, known: Floats, chance: np.random.Generator) -> Self:
        """Tuned to x2 and x0.5, the reference's rate taken for the rate."""
        before = (known + PRIOR) / (cell.reference + 2 * PRIOR)
        return cls(before, np.minimum(before[:, None] * np.array([2.0, 0.5]), 0.95), cell.window)
