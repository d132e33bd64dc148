"""Figures of merit of probabilities and of labels. Pure numpy, no scikit-learn: the tests hold them to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

THRESHOLD: Final = 0.5
BINS: Final = 15


@dataclass(frozen=True, slots=True)
class Binary:
    """One yes-or-no question on n rows. None where it isn't defined: no row on one side, nothing called yes."""

    rows: int
    positives: int
    precision: float | None
    recall: float | None
    f1: float | None
    auroc: float | None
    ece: float | None


def binary(labels: Sequence[int], probabilities: npt.ArrayLike) -> Binary:
    """What probabilities, shape (n,), are worth against labels 0 and 1. Yes is a probability of at least 0.5."""
    truth = np.asarray(labels, np.bool_)
    chance = np.asarray(probabilities, np.float64)
    called = chance >= THRESHOLD
    hits = int((called & truth).sum())
    return Binary(
        rows=len(truth),
        positives=int(truth.sum()),
        precision=_ratio(hits, int(called.sum())),
        recall=_ratio(hits, int(truth.sum())),
        f1=_ratio(2 * hits, int(called.sum() + truth.sum())) if truth.any() else None,
        auroc=auroc(truth, chance),
        ece=ece(truth, chance),
    )


def auroc(truth: npt.NDArray[np.bool_], chance: npt.NDArray[np.float64]) -> float | None:
    """Chance that a yes outranks a no, ties counting half (Mann and Whitney 1947). None without both."""
    yes, no = int(truth.sum()), int((~truth).sum())
    if not yes or not no:
        return None
    _, place, count = np.unique(chance, return_inverse=True, return_counts=True)
    middle_rank = np.cumsum(count) - (count - 1) / 2
    return float((middle_rank[place][truth].sum() - yes * (yes + 1) / 2) / (yes * no))


def ece(truth: npt.NDArray[np.bool_], chance: npt.NDArray[np.float64]) -> float | None:
    """Expected calibration error over 15 bins of equal width (Guo et al. 2017, there of the called class; here of yes)."""
    if not len(truth):
        return None
    place = np.minimum((chance * BINS).astype(np.int64), BINS - 1)
    gap = np.bincount(place, chance - truth, minlength=BINS)
    return float(np.abs(gap).sum() / len(truth))


@dataclass(frozen=True, slots=True)
class Choice:
    """One label out of several. Macro-F1 is the mean over the labels that occur in the truth."""

    rows: int
    labels: int
    accuracy: float | None
    macro_f1: float | None


def choice(truth: Sequence[str], chosen: Sequence[str]) -> Choice:
    """What chosen labels are worth against the true ones, row by row."""
    pairs: Any = list(zip(truth, chosen, strict=True))
    names = sorted(set(truth))
    scores = []
    for name in names:
        hits = sum(true == name == said for true, said in pairs)
        scores.append(2 * hits / (truth.count(name) + chosen.count(name)))
    right = sum(true == said for true, said in pairs)
    macro = sum(scores) / len(scores) if scores else None
    return Choice(len(pairs), len(names), _ratio(right, len(pairs)), macro)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
