"""The share of refusals in the text if the thresholds were others: bounds, as logs don't tell what wasn't written.

Where the other thresholds write the same token, the text would have been the same. In the band between old and new thresholds the
token would have been the other one, and the text after it was never seen: nothing but 0..1 is known of it, unless traffic was
randomised with known probabilities. Valid for first turns: later ones are answers to answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import hypot
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.intervals import Z_95
from monitor.recalibration.obedience import After, obedience
from monitor.recalibration.weighted import share
from monitor.recalibration.windows import Sample
from schemas.evidence import Interval

Flags = NDArray[np.bool_]

LEAST_RARE: Final = 5
"""Prompts of the band that randomisation gave the new token, below which it tells nothing."""
LEAST_FORCED: Final = 20
"""Answers after a forced token from which its obedience says something."""


@dataclass(frozen=True, slots=True)
class TextRate:
    """Bounds of the text's refusal rate, each end with the 95 % limit on its outer side: the true rate is within
    [low, high] at least as often.

    n: answers whose token and text are known. switched: share of prompts that would get the other token. `low`, `high`:
    nothing assumed. `monotone_low`, `monotone_high`: if a refusal token never makes a refusal in words less likely. `forced`:
    taking the band to obey as forced tokens were seen to; None where fewer than 20 were. `randomised`: by inverse
    propensity; None unless every prompt of the band had either token possible.
    """

    n: int
    switched: float
    low: float
    high: float
    monotone_low: float
    monotone_high: float
    forced: float | None
    randomised: Interval | None


def text_rate(sample: Sample, values: Mapping[str, float]) -> TextRate | None:
    """Under the thresholds `values` by group. None where no answer's token and text are both known."""
    known = sample.where(~np.isnan(sample.emitted) & ~np.isnan(sample.text))
    if not len(known):
        return None
    new = known.refused_at(values).astype(np.float64)
    is_same = new == known.emitted
    to_refuse, to_respond = ~is_same & (new == 1), ~is_same & (new == 0)

    def limits(low_band: float, high_band: float, *, is_monotone: bool) -> tuple[float, float]:
        low = np.where(is_same, known.text, low_band)
        high = np.where(is_same, known.text, high_band)
        if is_monotone:
            low = np.where(to_refuse, known.text, low)
            high = np.where(to_respond, known.text, high)
        ends = share(low, known.inclusion), share(high, known.inclusion)
        return (ends[0].low if ends[0] else 0.0), (ends[1].high if ends[1] else 1.0)

    low, high = limits(0.0, 1.0, is_monotone=False)
    monotone_low, monotone_high = limits(0.0, 1.0, is_monotone=True)
    switched = share((~is_same).astype(np.float64), known.inclusion)
    return TextRate(
        n=len(known),
        switched=switched.value if switched else 0.0,
        low=low,
        high=high,
        monotone_low=monotone_low,
        monotone_high=monotone_high,
        forced=_forced(known, to_refuse, to_respond),
        randomised=_randomised(known, is_same),
    )


def _forced(known: Sample, to_refuse: Flags, to_respond: Flags) -> float | None:
    forced = {cell.after: cell for cell in obedience(known, z=Z_95) if cell.manner == "forced"}
    bands: tuple[tuple[Flags, After], ...] = ((to_refuse, "refuse"), (to_respond, "respond"))
    values = known.text.copy()
    for band, after in bands:
        cell = forced[after]
        if not band.any():
            continue
        if cell.refused is None or cell.n < LEAST_FORCED:
            return None
        values[band] = cell.refused.value
    found = share(values, known.inclusion)
    return None if found is None else found.value


def _randomised(known: Sample, is_same: Flags) -> Interval | None:
    """(1 - q) times the text's rate where the likelier token is the one that would be written, plus q times that where it is
    the one that only randomisation writes; each from the prompts that got it, standing for 1 / (inclusion x propensity).

    In two parts, as a few prompts with large weights would make one interval of all too narrow (simulated: 0.88 instead of
    0.95; benchmarks/calibration). The parts' intervals are put together by squares and sums (Zou and Donner 2008, Stat. Med.
    27:1693).
    """
    wanted = np.where(is_same, known.propensity, 1 - known.propensity)
    if (wanted <= 0).any() or not (known.propensity < 1).any():
        return None
    is_rare = wanted < 0.5
    kept = replace(known, inclusion=known.inclusion * known.propensity)
    usual = kept.where(is_same & ~is_rare)
    rare = kept.where(is_same & is_rare)
    if (is_rare.any() and len(rare) < LEAST_RARE) or (not is_rare.all() and not len(usual)):
        return None
    nothing = Interval(0.0, 0.0, 0.0)
    q = share(is_rare.astype(np.float64), known.inclusion) or nothing
    there = share(rare.text, rare.inclusion) or nothing
    here = share(usual.text, usual.inclusion) or nothing
    slope = there.value - here.value
    rate = here.value + q.value * slope
    low_q, high_q = (q.low, q.high) if slope >= 0 else (q.high, q.low)
    below = (
        (1 - q.value) * (here.value - here.low),
        q.value * (there.value - there.low),
        slope * (q.value - low_q),
    )
    above = (
        (1 - q.value) * (here.high - here.value),
        q.value * (there.high - there.value),
        slope * (high_q - q.value),
    )
    return Interval(rate, max(0.0, rate - hypot(*below)), min(1.0, rate + hypot(*above)))
