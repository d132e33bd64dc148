"""Are the prompts of the calibration window drawn like those of now? What every guarantee of a calibration supposes."""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, exp, log, sqrt
from typing import Final, Literal

import numpy as np

from monitor.estimates.horvitz_thompson import Floats
from monitor.recalibration.weighted import effective_size
from monitor.recalibration.windows import Sample

_TAIL: Final = 0.05
"""How far into the tails the size that a weighted distribution function is worth is looked for."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One test, of the scores of a group or of its share of all prompts. `distance`: greatest difference of the two distribution functions (scores), or of the shares (mix).
    `p`: its p-value. `detectable`: the least distance that would be rejected at the level asked for."""

    of: Literal["scores", "share"]
    group: str
    distance: float
    p: float
    detectable: float

    @property
    def what(self) -> str:
        """In words."""
        return f"{self.of} of {self.group or 'all'}"


def compare(then: Sample, now: Sample, *, level: float) -> tuple[Comparison, ...]:
    """Scores of each group by Kolmogorov and Smirnov's test, and each group's share of all prompts; `p` is to be held against
    level / number of comparisons (Bonferroni), at which `detectable` is computed: a chance of at most `level` that any
    says drift where there is none, whatever the dependence. A group that one window lacks has distance 1 and detectable 1
    where the other has too few to tell.

    With unequal weights both tests use the size that the linearised variance is worth, the least over the distribution's
    inside; they then hold in the limit, and err to the safe side.
    """
    names = sorted({str(name) for name in np.unique(np.concatenate([then.group, now.group]))})
    each = level / max(1, 2 * len(names) if len(names) > 1 else 1)
    found = []
    for name in names:
        a, b = then.where(then.group == name), now.where(now.group == name)
        found.append(_scores(name, a, b, each))
        if len(names) > 1:
            found.append(_mix(name, then, now, each))
    return tuple(found)


def kolmogorov(x: float) -> float:
    """P(K > x), the limit of sqrt(n) times the greatest distance (Kolmogorov 1933): 2 sum (-1)^(j-1) exp(-2 j^2 x^2)."""
    if x < 0.2:
        return 1.0
    total = sum((1.0 if j % 2 else -1.0) * exp(-2 * j * j * x * x) for j in range(1, 101))
    return min(1.0, max(0.0, 2 * total))


def _scores(name: str, a: Sample, b: Sample, level: float) -> Comparison:
    sizes = _size(a), _size(b)
    if min(sizes) < 1:
        return Comparison("scores", name, 1.0, 1.0, 1.0)
    places = np.unique(np.concatenate([a.score, b.score]))
    distance = float(np.abs(_distribution(a, places) - _distribution(b, places)).max())
    size = sizes[0] * sizes[1] / (sizes[0] + sizes[1])
    # Stephens (1970), J. R. Stat. Soc. B 32:115: the limit, made right for small samples.
    factor = sqrt(size) + 0.12 + 0.11 / sqrt(size)
    return Comparison(
        "scores", name, distance, kolmogorov(factor * distance), min(1.0, _quantile(level) / factor)
    )


def _mix(name: str, then: Sample, now: Sample, level: float) -> Comparison:
    shares, variances = [], []
    for sample in (then, now):
        weights = sample.weights
        total = float(weights.sum())
        if not total:
            return Comparison("share", name, 1.0, 1.0, 1.0)
        inside = (sample.group == name).astype(np.float64)
        share = float((weights * inside).sum()) / total
        shares.append(share)
        variances.append(float((weights**2 * (inside - share) ** 2).sum()) / total**2)
    deviation = sqrt(sum(variances))
    distance = abs(shares[0] - shares[1])
    if not deviation:
        return Comparison("share", name, distance, 1.0 if not distance else 0.0, 0.0)
    p = erfc(distance / deviation / sqrt(2))
    return Comparison("share", name, distance, p, min(1.0, _normal(level) * deviation))


def _distribution(sample: Sample, places: Floats) -> Floats:
    order = np.argsort(sample.score, kind="stable")
    sums = np.concatenate([[0.0], np.cumsum(sample.weights[order])])
    found: Floats = sums[np.searchsorted(sample.score[order], places, side="right")] / sums[-1]
    return found


def _size(sample: Sample) -> float:
    """What the sample is worth where it is worth least: F (1 - F) / var(F)."""
    kish = effective_size(sample.inclusion)
    if not len(sample) or np.ptp(sample.inclusion) == 0:
        return kish
    order = np.argsort(sample.score, kind="stable")
    weights = sample.weights[order]
    f = np.cumsum(weights) / weights.sum()
    squares = np.cumsum(weights**2)
    variance = (squares * (1 - 2 * f) + f**2 * squares[-1]) / weights.sum() ** 2
    inside = (f > _TAIL) & (f < 1 - _TAIL)
    if not inside.any():
        return kish
    return min(kish, float((f[inside] * (1 - f[inside]) / variance[inside]).min()))


def _quantile(level: float) -> float:
    return sqrt(-log(level / 2) / 2)  # from the first term, exact to 1e-4 below a level of 0.2


def _normal(level: float) -> float:
    low, high = 0.0, 40.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if erfc(middle / sqrt(2)) > level else (low, middle)
    return high
