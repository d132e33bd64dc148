"""Rates corrected by the judge, cell by cell: Horvitz-Thompson alone, and with the guard as prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.estimates import horvitz_thompson, prediction_powered
from monitor.estimates.groups import NO, YES, Groups
from monitor.estimates.horvitz_thompson import Floats
from monitor.estimates.scores import bounds, estimate_tuning

MIN_JUDGED: Final = 20
"""Judged exchanges in the denominator that an estimate needs, and what the whole sample must be `worth`. At a rate of one
half the interval of 20 spans 0.4: fewer say nothing."""
MIN_COVERED: Final = 0.9
"""Share of the scored exchanges that must lie in groups of which something is judged."""
_TUNING_ROUNDS: Final = 3


@dataclass(frozen=True)
class Estimate:
    """A corrected rate of one cell. Where `reason` isn't empty it says why there is none."""

    rate: float | None
    low: float | None
    high: float | None
    reason: str = ""

    @property
    def width(self) -> float | None:
        """Of the interval."""
        return None if self.low is None or self.high is None else self.high - self.low


@dataclass(frozen=True)
class Corrected:
    """One cell: by the judge alone, and prediction-powered with its lambda. `judged` are the exchanges of the denominator
    that the judge answered, `covered` the share of the scored that they can speak for."""

    horvitz_thompson: Estimate
    prediction_powered: Estimate
    tuning: float | None
    judged: int
    covered: float

    @property
    def narrower(self) -> float | None:
        """Width of the Horvitz-Thompson interval over that of the prediction-powered one; above 1 where the guard helps."""
        without, with_it = self.horvitz_thompson.width, self.prediction_powered.width
        return without / with_it if without and with_it else None


def correct(groups: Groups) -> list[Corrected]:
    """The corrected rate of every cell, with 95 % intervals for the process that the exchanges are draws of."""
    judged = groups.judged[..., NO].sum(axis=-1) + groups.judged[..., YES].sum(axis=-1)
    reasons = [
        _reason(int(count), size=float(size), covered=float(share))
        for count, size, share in zip(judged, worth(groups), groups.covered, strict=True)
    ]
    usable = [place for place, reason in enumerate(reasons) if not reason]
    found = [
        Corrected(Estimate(None, None, None, reason), Estimate(None, None, None, reason), None, int(count), float(share))
        for reason, count, share in zip(reasons, judged, groups.covered, strict=True)
    ]  # fmt: skip
    if not usable:
        return found
    chosen = groups.cells(usable)
    alone, powered, tuning = estimates(chosen)
    low, high = bounds(
        groups.cells([*usable, *usable]),
        np.concatenate([np.zeros_like(alone), tuning]),
        np.concatenate([alone, powered]),
    )
    for at, place in enumerate(usable):
        found[place] = Corrected(
            Estimate(float(alone[at]), float(low[at]), float(high[at])),
            Estimate(float(powered[at]), float(low[len(usable) + at]), float(high[len(usable) + at])),
            float(tuning[at]),
            int(judged[place]),
            float(groups.covered[place]),
        )
    return found


def estimates(groups: Groups) -> tuple[Floats, Floats, Floats]:
    """By cell: the Horvitz-Thompson ratio, the prediction-powered ratio held in 0..1, and its lambda."""
    inclusion = 1 / (groups.weight * groups.expansion)
    yes = groups.judged[..., YES]
    inside = yes + groups.judged[..., NO]
    alone = horvitz_thompson.ratio(yes, inside, inclusion)
    powered = alone
    tuning = np.zeros_like(alone)
    for _ in range(_TUNING_ROUNDS):
        tuning = estimate_tuning(groups, powered)
        above, below = (
            prediction_powered.total(
                of_judge,
                opinion * groups.answered,
                inclusion,
                predicted=(groups.weight * groups.scored * opinion).sum(axis=-1),
                tuning=tuning,
            )
            for of_judge, opinion in (
                (yes, groups.guard_numerator),
                (inside, groups.guard_denominator),
            )
        )
        # An unlucky sample can correct the denominator away; the guard is then no help.
        is_usable = below > 0
        tuning = np.where(is_usable, tuning, 0.0)
        powered = np.where(is_usable, np.clip(above / np.where(is_usable, below, 1.0), 0.0, 1.0), alone)
    return alone, powered, tuning


def worth(groups: Groups) -> Floats:
    """By cell, how many exchanges drawn alike would say as much as the judged: (sum w)^2 / sum w^2 (Kish 1965, section 11.7),
    as expected from the probabilities. Two hundred of which ten stand for a hundred each are worth fourteen.

    Not of the very ones drawn: an estimate that is given when the draw was lucky is biased (simulated: coverage 0.25).
    """
    count = groups.scored * groups.in_sight
    squares = (count * groups.weight**2 * groups.expansion).sum(axis=-1)
    size: Floats = (count * groups.weight).sum(axis=-1) ** 2 / np.where(squares > 0, squares, 1.0)
    return size


def _reason(judged: int, *, size: float, covered: float) -> str:
    if not judged:
        return "not judged"
    if judged < MIN_JUDGED:
        return f"{judged} judged, {MIN_JUDGED} needed"
    if size < MIN_JUDGED - 1e-9:
        return f"{judged} judged are worth {size:.0f} drawn alike, {MIN_JUDGED} needed"
    if covered < MIN_COVERED:
        return f"the judged speak for {covered:.0%} of the exchanges only"
    return ""
