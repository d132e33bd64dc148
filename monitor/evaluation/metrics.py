"""Figures of merit of probabilities and of labels, also of weighted rows. Pure numpy, no scikit-learn: the tests hold them to
it. A figure that isn't defined (no row on one side, nothing called yes) is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]

THRESHOLD: Final = 0.5
BINS: Final = 15


@dataclass(frozen=True, slots=True)
class Binary:
    """One yes-or-no question on n rows. Rows and positives are sums of weights, where rows have some."""

    rows: float
    positives: float
    precision: float | None
    recall: float | None
    f1: float | None
    auroc: float | None
    auprc: float | None
    ece: float | None


class BinaryTask:
    """Probabilities, shape (n,), against labels 0 and 1. Yes is a probability of at least `threshold`.

    Rows are sorted once; figures for other weights then cost two passes over them, which a bootstrap is glad of.
    """

    def __init__(
        self, labels: npt.ArrayLike, probabilities: npt.ArrayLike, *, threshold: float = THRESHOLD
    ) -> None:
        self.truth: Bools = np.asarray(labels, np.bool_)
        self.chance: Floats = np.asarray(probabilities, np.float64)
        self._levels, self._level = np.unique(self.chance, return_inverse=True)
        self._is_called = self._levels >= threshold
        self._bin = bins_of(self._levels)

    def figures(self, weights: Floats | None = None) -> Binary:
        """All figures; `weights`, shape (n,), are how often each row counts."""
        every = np.ones(len(self.truth)) if weights is None else weights
        count, yes = self._by_level(every), self._by_level(every * self.truth)
        rows, positives = float(count.sum()), float(yes.sum())
        hits, called = float(yes[self._is_called].sum()), float(count[self._is_called].sum())
        return Binary(
            rows=rows,
            positives=positives,
            precision=_ratio(hits, called),
            recall=_ratio(hits, positives),
            f1=_ratio(2 * hits, called + positives) if positives else None,
            auroc=_auroc(yes, count - yes),
            auprc=_auprc(yes, count),
            ece=_ece(self._bin, count * self._levels - yes, rows),
        )

    def _by_level(self, weights: Floats) -> Floats:
        return np.bincount(self._level, weights, minlength=len(self._levels)).astype(np.float64)


def binary(labels: Sequence[int], probabilities: npt.ArrayLike) -> Binary:
    """The figures of probabilities, shape (n,), against labels 0 and 1."""
    return BinaryTask(labels, probabilities).figures()


def bins_of(probabilities: Floats) -> Places:
    """The bin of each: 15 of equal width over 0..1, the last one with its upper end."""
    return np.minimum((probabilities * BINS).astype(np.intp), BINS - 1)


def _auroc(yes: Floats, no: Floats) -> float | None:
    """Chance that a yes outranks a no, ties counting half (Mann and Whitney 1947), from their weights by level, rising."""
    pairs = yes.sum() * no.sum()
    below = np.cumsum(no) - no
    return float((yes * (below + no / 2)).sum() / pairs) if pairs else None


def _auprc(yes: Floats, count: Floats) -> float | None:
    """Average precision: the sum over levels, falling, of precision times the recall that the level adds. No interpolation,
    which would flatter (Davis and Goadrich 2006)."""
    if not yes.sum():
        return None
    found, called = np.cumsum(yes[::-1]), np.cumsum(count[::-1])
    precision = np.divide(found, called, out=np.zeros_like(found), where=called > 0)
    return float((precision * yes[::-1]).sum() / yes.sum())


def _ece(bins: Places, gap: Floats, rows: float) -> float | None:
    """Expected calibration error over 15 bins of equal width (Guo et al. 2017, there of the called class; here of yes)."""
    return float(np.abs(np.bincount(bins, gap, minlength=BINS)).sum() / rows) if rows else None


@dataclass(frozen=True, slots=True)
class Choice:
    """One label out of several. Macro-F1 is the mean over the labels that occur in the truth. `ece` is that of the chosen
    label's probability (Guo et al. 2017), None where none was given."""

    rows: float
    labels: int
    accuracy: float | None
    macro_f1: float | None
    ece: float | None = None


class ChoiceTask:
    """Chosen labels, each with its probability if known, against the true ones, row by row."""

    def __init__(
        self, truth: Sequence[str], chosen: Sequence[str], probabilities: npt.ArrayLike | None = None
    ) -> None:
        if len(truth) != len(chosen):
            raise ValueError(f"{len(truth)} true labels and {len(chosen)} chosen")
        names = sorted({*truth, *chosen})
        number = {name: place for place, name in enumerate(names)}
        self._names = len(names)
        self._truth = np.array([number[name] for name in truth], np.intp)
        self._chosen = np.array([number[name] for name in chosen], np.intp)
        self.is_right: Bools = self._truth == self._chosen
        self.chance: Floats | None = None if probabilities is None else np.asarray(probabilities, np.float64)

    def figures(self, weights: Floats | None = None) -> Choice:
        """All figures; `weights`, shape (n,), are how often each row counts."""
        every = np.ones(len(self.is_right)) if weights is None else weights
        truth = np.bincount(self._truth, every, minlength=self._names)
        chosen = np.bincount(self._chosen, every, minlength=self._names)
        hits = np.bincount(self._truth, every * self.is_right, minlength=self._names)
        occurs = truth > 0
        scores = 2 * hits[occurs] / (truth[occurs] + chosen[occurs])
        rows = float(every.sum())
        ece = None
        if self.chance is not None:
            ece = _ece(bins_of(self.chance), every * (self.chance - self.is_right), rows)
        return Choice(
            rows=rows,
            labels=int(occurs.sum()),
            accuracy=_ratio(float(hits.sum()), rows),
            macro_f1=float(scores.mean()) if len(scores) else None,
            ece=ece,
        )


def choice(truth: Sequence[str], chosen: Sequence[str]) -> Choice:
    """What chosen labels are worth against the true ones, row by row."""
    return ChoiceTask(truth, chosen).figures()


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
