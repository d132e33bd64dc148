"""Several risks at once: which thresholds of a grid can be certified for all of them (Learn-then-Test).

Angelopoulos, Bates, Candès, Jordan and Lei (2021), arXiv 2110.01052. For each threshold T of a grid that was fixed before the data,
"some risk is above its bound at T" is tested; those rejected, with the chance that any is rejected wrongly held at delta,
can all be used, whichever of them is then chosen and how.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from monitor.estimates.horvitz_thompson import Floats
from monitor.recalibration.exceedance import Exceedance, lost_above, p_values

Family = Literal["fixed_sequence", "bonferroni"]

_LOGITS: Final = np.linspace(-12.0, 12.0, 481)
GRID: Final[Floats] = np.concatenate([[0.0], 1 / (1 + np.exp(-_LOGITS)), [1.0]])
"""Thresholds that are tried, even in logits, 0.05 apart: where scores are crowded near 0 or 1, so are these."""
COARSE: Final[Floats] = np.concatenate([GRID[:1], GRID[1:-1:12], GRID[-1:]])
"""The same, 0.6 apart, for Bonferroni, which pays for every threshold that it tries."""


@dataclass(frozen=True)
class Risk:
    """P-values of "the risk is above its bound" at each threshold of the grid, [m], and which way the risk goes as T rises."""

    p: Floats
    direction: Literal["falling", "rising"]


def over_refusal(of: Exceedance, alpha: float, grid: Floats) -> Risk:
    """The risk of refusing, score >= T, of a sample of harmless prompts."""
    return Risk(p_values(lost_above(of, np.nextafter(grid, -np.inf)), of, alpha), "falling")


def miss(of: Exceedance, beta: float, grid: Floats) -> Risk:
    """The risk of not refusing, score < T; `of` holds the harmful prompts' scores negated."""
    return Risk(p_values(lost_above(of, -grid), of, beta), "rising")


def certify(risks: tuple[Risk, ...], delta: float, family: Family) -> NDArray[np.bool_]:
    """Whether each threshold of the grid, [m], is certified for all risks; with probability 1 - delta all that are, rightly.

    bonferroni: the greatest p-value over the risks is at most delta / m. fixed_sequence: for each risk one chain that begins
    where it is least, goes on while p <= delta / risks, and stops at the first that isn't; certified is what all chains
    reached. A chain pays nothing for its length (Maurer, Hothorn and Lehmacher 1995; Bauer 1991).
    """
    if family == "bonferroni":
        worst = np.max([risk.p for risk in risks], axis=0)
        found: NDArray[np.bool_] = worst <= delta / len(worst)
        return found
    level = delta / len(risks)
    reached = np.ones(len(risks[0].p), dtype=np.bool_)
    for risk in risks:
        if risk.direction == "rising":
            reached &= np.logical_and.accumulate(risk.p <= level)
        else:
            reached &= np.logical_and.accumulate((risk.p <= level)[::-1])[::-1]
    return reached
