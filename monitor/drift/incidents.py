"""A shift that was told: how far it went, when it is over, and when it went further. Pure.

While it lasts, its streams are held against the level to which they went. After the dwell that level is estimated once
more, from all that came since the change, and then kept: what is held against a level that follows the data can't come back.
From then on two detectors run, as for any stream (monitor/drift/detector.py): one from that level back to the baseline, one
from that level further the same way.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.drift.detector import ODDS
from schemas.alerts import Alert

Floats = NDArray[np.float64]

BACK_PER_MONTH: Final = 1.0
"""How often a shift that lasts would be called over, at most, in a month of it."""
NOTHING: Final = float(np.log(1.1))
"""A shift that turns out to be smaller than this, in log-odds, is none."""
_SHIFT_SD: Final = 1.0
"""Prior of a log-odds shift: normal, with this deviation. A shift by e is usual, one by e^3 is not."""


class Incident(msgspec.Struct, kw_only=True):
    """One cause that fires. `number` above 0. Times are microseconds since 1970; `alert` is as last told.

    `shift`: the log-odds by which the held streams of its measure left the baseline; `shift_sd` its deviation. `is_settled`:
    after the dwell, both are kept. `log_back`: log R of the way back; `log_further` log R of each further shift. `also`: the
    streams that said the same.
    """

    number: int
    alert: Alert
    family: str
    shift: float
    shift_sd: float = 0.0
    is_settled: bool = False
    log_back: float = -np.inf
    log_further: list[float] = msgspec.field(default_factory=lambda: [-np.inf] * ODDS.size)
    further_dripped: float = 0.0
    opened_at: int
    data_at: int
    told_at: int

    @property
    def is_rise(self) -> bool:
        """Which way it went."""
        return self.shift > 0


def estimate(k: Floats, n: Floats, p: Floats, start: float) -> tuple[float, float]:
    """The log-odds shift of streams that counted `k` of `n` where `p` was to be expected, [m] each, and its deviation.

    The posterior's mode under a normal prior, by Newton's method from `start`, which converges: it is concave.
    """
    shift = start
    information = 1.0
    for _ in range(20):
        odds = p / (1.0 - p) * np.exp(shift)
        q = odds / (1.0 + odds)
        slope = float((k - n * q).sum()) - shift / _SHIFT_SD**2
        information = float((n * q * (1.0 - q)).sum()) + 1.0 / _SHIFT_SD**2
        step = float(np.clip(slope / information, -1.0, 1.0))
        shift += step
        if abs(step) < 1e-9:
            break
    return shift, information**-0.5


def log_back_ratio(k: Floats, n: Floats, p: Floats, shift: float) -> float:
    """Log likelihood ratio of "all at the baseline `p`" against "all shifted", of a window."""
    return float((n * np.log1p(p * np.expm1(shift)) - k * shift).sum())
