"""Do the bounds of the text's refusal rate hold it, and does randomised traffic find it? And how often is drift seen?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.calibration.loop import BEGINS, window
from benchmarks.calibration.population import Population, single
from monitor.recalibration.exchangeability import compare
from monitor.recalibration.text_rate import text_rate
from schemas.calibrations import ALL

LEVEL: Final = 0.01


@dataclass(frozen=True, slots=True)
class Held:
    """Moving the threshold from `live` to `new`. truth: the text's rate then. Shares of the repetitions whose bounds (nothing
    assumed; monotone) and randomised interval hold it, with mean widths; `given`: how often enough
    of the band was randomised; `naive`: the mean of reading the token's rate as
    the text's."""

    live: float
    new: float
    truth: float
    naive: float
    bounds: float
    width: float
    monotone: float
    monotone_width: float
    randomised: float
    randomised_width: float
    given: float


def held(
    of: Population, live: float, new: float, *, times: int, prompts: int, explored: float, seed: int
) -> Held:
    """Bounds from deterministic traffic; the interval from traffic of which a share `explored` got the other token."""
    chance = np.random.default_rng(seed)
    truth = of.text_rate(new)
    found, given = [], []
    for _ in range(times):
        plain = text_rate(window(of, prompts, single(live), chance, BEGINS).sample, {ALL: new})
        mixed = text_rate(
            window(of, prompts, single(live), chance, BEGINS, explored=explored).sample, {ALL: new}
        )
        if plain is None or mixed is None:
            raise RuntimeError("the simulation logs tokens and texts")
        interval = mixed.randomised
        if interval is not None:
            given.append((interval.low <= truth <= interval.high, interval.high - interval.low))
        found.append(
            (
                plain.low <= truth <= plain.high,
                plain.high - plain.low,
                plain.monotone_low <= truth <= plain.monotone_high,
                plain.monotone_high - plain.monotone_low,
            )
        )
    means = np.array(found, np.float64).mean(axis=0)
    randomised = np.array(given, np.float64).mean(axis=0)
    return Held(
        live=live,
        new=new,
        truth=truth,
        naive=of.rate(new),
        bounds=float(means[0]),
        width=float(means[1]),
        monotone=float(means[2]),
        monotone_width=float(means[3]),
        randomised=float(randomised[0]),
        randomised_width=float(randomised[1]),
        given=len(given) / times,
    )


def drift_seen(then: Population, now: Population, *, n: int, times: int, seed: int) -> float:
    """Share of the repetitions in which some comparison of `n` prompts each says drift, at a level of 1 %."""
    chance = np.random.default_rng(seed)
    seen = 0
    for _ in range(times):
        comparisons = compare(then.draw(n, chance), now.draw(n, chance), level=LEVEL)
        seen += any(one.p <= LEVEL / len(comparisons) for one in comparisons)
    return seen / times
