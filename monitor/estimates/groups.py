"""What the estimates are made of: counts of exchanges that are alike in all that the sample and the guard know of them.

A *group* has one scoring weight, one judging probability and one opinion of the guard. Within it exchanges differ only in
what the judge says, so counts say all. Arrays have shape (cells, groups); a cell with fewer groups than another is filled
up with groups of nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor.estimates.horvitz_thompson import Floats

OUTSIDE: Final = 0
"""Place of the exchanges that the judge holds to be outside the denominator."""
NO: Final = 1
"""Place of those in the denominator and not in the numerator."""
YES: Final = 2
"""Place of those in both."""


@dataclass(frozen=True)
class Groups:
    """Counts by cell and group.

    weight: exchanges that a scored one stands for, 1 / its scoring probability. probability: that of being chosen for the
    judge, in (0, 1]. guard_numerator, guard_denominator: the guard's opinion, 0 or 1. scored: exchanges with the guard's
    answer. chosen: those of them chosen for the judge. judged: (cells, groups, 3), those of them with the judge's answer,
    by OUTSIDE, NO and YES. beyond: (cells,), exchanges, weighted, that no judge could have been asked about.
    """

    weight: Floats
    probability: Floats
    guard_numerator: Floats
    guard_denominator: Floats
    scored: Floats
    chosen: Floats
    judged: Floats
    beyond: Floats

    def __post_init__(self) -> None:
        """Raise ValueError for shapes that don't fit, probabilities outside (0, 1], or more judged than chosen."""
        shape = self.scored.shape
        for name in ("weight", "probability", "guard_numerator", "guard_denominator", "chosen"):
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, scored has {shape}")
        if self.judged.shape != (*shape, 3):
            raise ValueError(f"judged has shape {self.judged.shape}, not {(*shape, 3)}")
        if self.beyond.shape != shape[:1]:
            raise ValueError(f"beyond has shape {self.beyond.shape}, not {shape[:1]}")
        if not ((self.probability > 0) & (self.probability <= 1)).all():
            raise ValueError("a judging probability is not in (0, 1]")
        if (self.answered > self.chosen).any() or (self.chosen > self.scored).any():
            raise ValueError("more are judged than chosen, or more chosen than scored")

    @cached_property
    def answered(self) -> Floats:
        """Judged in each group, (cells, groups)."""
        counts: Floats = self.judged.sum(axis=-1)
        return counts

    @cached_property
    def expansion(self) -> Floats:
        """Scored exchanges that a judged one stands for: 1 / probability, times chosen / judged where the judge left some
        unanswered (taken as missing at random within their group). 1 / probability where none is judged."""
        share = np.where(self.answered > 0, self.chosen / np.maximum(self.answered, 1), 1.0)
        return share / self.probability

    @cached_property
    def in_sight(self) -> npt.NDArray[np.bool_]:
        """Groups of which something is judged."""
        return self.answered > 0

    @cached_property
    def covered(self) -> Floats:
        """By cell, the weighted share of the exchanges that lies in groups of which something is judged; 0 of nothing."""
        weighted = self.weight * self.scored
        everything = weighted.sum(axis=-1) + self.beyond
        seen: Floats = (weighted * self.in_sight).sum(axis=-1) / np.where(everything > 0, everything, 1.0)
        return seen

    def cells(self, places: Sequence[int]) -> Groups:
        """These cells alone."""
        chosen = list(places)
        return Groups(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})

    def guard_errors(self, rate: Floats) -> Floats:
        """The guard's numerator - rate x its denominator, by cell and group."""
        errors: Floats = self.guard_numerator - rate[:, np.newaxis] * self.guard_denominator
        return errors
