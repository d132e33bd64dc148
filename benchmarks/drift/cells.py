"""The cells of the grid: a stream's rate, what is known of it before, and how it shifts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shift:
    """The rate becomes `times` what it was: at once, or evenly within `ramp` expected positives (of the old rate)."""

    name: str
    times: float
    ramp: float = 0.0

    def rate(self, rate: float, events: float) -> float:
        """The rate `events` after the change began."""
        if not self.ramp:
            return rate * self.times
        return rate * (1.0 + (self.times - 1.0) * min(1.0, events * rate / self.ramp))


STEPS: Final = (Shift("x1.5", 1.5), Shift("x2", 2.0), Shift("x3", 3.0), Shift("x0.5", 0.5))
RAMPS: Final = (Shift("ramp to x2 in 50", 2.0, 50.0), Shift("ramp to x3 in 400", 3.0, 400.0))


@dataclass(frozen=True, slots=True)
class Cell:
    """A stream of rate `rate`, of which `reference` events are known before it is watched, in windows of `window` events.

    `interval`: events between false alarms that are asked for.
    """

    rate: float
    reference: int
    window: int
    interval: int

    @property
    def name(self) -> str:
        return f"{self.rate:g}/{self.reference // 1000}k"

    def known(self, times: int, chance: np.random.Generator) -> Floats:
        """Positives of the reference, [times]."""
        return chance.binomial(self.reference, self.rate, times).astype(np.float64)


INTERVAL: Final = 100_000
"""One and the same for all rates, as a team would ask for it."""
# Fewer than one expected positive a window: as good as event by event.
_WINDOWS: Final = {0.2: 4, 0.05: 8, 0.01: 20, 0.001: 200}
CELLS: Final = tuple(
    Cell(rate, reference, window, INTERVAL)
    for (rate, window), reference in product(_WINDOWS.items(), (2_000, 20_000))
)
