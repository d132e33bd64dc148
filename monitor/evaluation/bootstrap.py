"""Percentile bootstrap of whole clusters (Efron 1979; Davison and Hinkley 1997, section 3.8): rows that share a prompt come
and go together, so that a prompt asked of six models isn't taken for six findings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor.evaluation.metrics import Floats

RESAMPLES: Final = 1000
SEED: Final = 20240607
LEAST_DEFINED: Final = 0.95
"""Share of the resamples on which a figure must be defined for its interval: else it would be that of the lucky ones."""

Interval = tuple[float, float]


def cluster_numbers(keys: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Numbers from 0, the same for equal keys."""
    numbers: npt.NDArray[np.intp] = np.unique(np.asarray(keys), return_inverse=True)[1]
    return numbers


def bootstrap(
    figures: Callable[[Floats], tuple[float | None, ...]],
    clusters: npt.NDArray[np.intp],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> tuple[Interval | None, ...]:
    """95 % intervals of what `figures` gives for row weights, one each; the same for the same seed.

    `clusters` are the rows' cluster numbers. None: fewer than two clusters, no resamples, or not defined on `LEAST_DEFINED` of the
    resamples.
    """
    number = int(clusters.max()) + 1 if len(clusters) else 0
    if number < 2 or not resamples:
        return tuple(None for _ in figures(np.ones(len(clusters))))
    chance = np.random.default_rng(seed)
    drawn = []
    for _ in range(resamples):
        times = np.bincount(chance.integers(0, number, number), minlength=number)
        drawn.append(figures(times[clusters].astype(np.float64)))
    return tuple(_interval(column) for column in zip(*drawn, strict=True))


def _interval(values: tuple[float | None, ...]) -> Interval | None:
    defined = [value for value in values if value is not None]
    if len(defined) < LEAST_DEFINED * len(values):
        return None
    low, high = np.percentile(defined, (2.5, 97.5))
    return float(low), float(high)
