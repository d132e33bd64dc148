"""How often the 95 % intervals hold the true rate, over many samples of one population."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.estimates.population import Case, Guard, exchanges, kinds, samples
from monitor.estimates.estimates import MIN_COVERED, MIN_JUDGED, estimates, worth
from monitor.estimates.groups import NO, OUTSIDE, YES, Groups
from monitor.estimates.horvitz_thompson import Floats
from monitor.estimates.scores import bounds, score
from monitor.intervals import Z_95

NOMINAL: Final = 0.95
TOLERANCE: Final = 0.01
LEAST_GIVEN: Final = 0.5
"""Share of the windows that must have an estimate: else what is left says little."""


@dataclass(frozen=True, slots=True)
class Held:
    """Share of the samples whose interval holds the rate, and of those too high and too low, and the mean width."""

    coverage: float
    too_high: float
    too_low: float
    width: float

    @property
    def verdict(self) -> str:
        """`held` within the tolerance, `wide` above, `MISSED` below."""
        if self.coverage < NOMINAL - TOLERANCE:
            return "MISSED"
        return "held" if self.coverage <= NOMINAL + TOLERANCE else "wide"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the grid: `given` is the share of samples with an estimate. Of what was drawn from the rest, a sample:
    `cases`, the judged that count or don't, whichever are fewer; `errors`, those on which the judge differs from the guard.
    """

    exchanges: int
    given: float
    cases: float
    errors: float
    horvitz_thompson: Held | None
    prediction_powered: Held | None
    tuning: float

    @property
    def narrower(self) -> float | None:
        """Mean width for the judge alone over that for guard and judge."""
        if self.horvitz_thompson is None or self.prediction_powered is None:
            return None
        return self.horvitz_thompson.width / self.prediction_powered.width


def cell(
    case: Case,
    rate: float,
    guard: Guard,
    *,
    sampled: float,
    judged: int,
    times: int,
    widths: int,
    chance: np.random.Generator,
) -> Cell:
    """Coverage over `times` samples, widths over the first `widths` of them.

    That an interval holds the rate is read off the score that it inverts: one evaluation instead of forty
    (tests/unit/estimates holds the two together).
    """
    of = kinds(case, rate, guard, sampled)
    count = exchanges(of, judged)
    groups = samples(of, count, times, chance)
    inside = groups.judged[..., YES] + groups.judged[..., NO]
    usable = np.flatnonzero(
        (inside.sum(axis=-1) >= MIN_JUDGED) & (worth(groups) >= MIN_JUDGED) & (groups.covered >= MIN_COVERED)
    )
    cases, errors = _drawn(groups)
    given = len(usable) / times
    if given < LEAST_GIVEN:
        return Cell(count, given, cases, errors, None, None, 0.0)
    chosen = groups.cells(usable.tolist())
    alone, powered, tuning = estimates(chosen)
    shown = min(widths, len(usable))
    few = chosen.cells(range(shown))

    def held(rates: Floats, factor: Floats) -> Held:
        scores = score(chosen, factor, np.full(len(usable), rate))
        low, high = bounds(few, factor[:shown], rates[:shown])
        return Held(
            float((np.abs(scores) <= Z_95).mean()),
            float((scores > Z_95).mean()),
            float((scores < -Z_95).mean()),
            float((high - low).mean()),
        )

    return Cell(
        count,
        given,
        cases,
        errors,
        held(alone, np.zeros_like(tuning)),
        held(powered, tuning),
        float(tuning.mean()),
    )


def _drawn(groups: Groups) -> tuple[float, float]:
    drawn = groups.judged * (groups.probability < 1)[..., np.newaxis]
    told = np.where(groups.guard_denominator == 0, OUTSIDE, np.where(groups.guard_numerator == 1, YES, NO))
    differs = told[..., np.newaxis] != np.arange(3)
    either = drawn.sum(axis=(0, 1)) / len(drawn)
    return float(min(either[YES], either[NO])), float((drawn * differs).sum() / len(drawn))
