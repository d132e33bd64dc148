"""Reliability: how often what is said with some probability is so (Murphy and Winkler 1977), over the bins of the calibration
error, so that the picture shows what the figure adds up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.evaluation.metrics import BINS, Bools, Floats, bins_of
from monitor.intervals import wilson


@dataclass(frozen=True, slots=True)
class Bin:
    """The rows with a probability in [begin, end), the last bin with its end. `low` and `high`: Wilson's 95 % interval of
    the observed share."""

    begin: float
    end: float
    rows: int
    mean_probability: float
    observed: float
    low: float
    high: float


def filled_bins(chance: Floats, truth: Bools) -> list[Bin]:
    """The bins that hold a row, rising."""
    place = bins_of(chance)
    rows = np.bincount(place, minlength=BINS)
    said = np.bincount(place, chance, minlength=BINS)
    so = np.bincount(place, truth.astype(np.float64), minlength=BINS)
    return [
        Bin(
            number / BINS,
            (number + 1) / BINS,
            int(rows[number]),
            float(said[number] / rows[number]),
            float(so[number] / rows[number]),
            *wilson(float(so[number]), float(rows[number])),
        )
        for number in np.flatnonzero(rows).tolist()
    ]
