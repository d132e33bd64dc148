"""What the user sets: how many false alarms a month, and how they are shared out among what is watched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from monitor.drift.measures import Measure

MONTH_S: Final = 30.4375 * 24 * 3600
"""A month, in seconds: a twelfth of 365.25 days."""

Level = Literal["cell", "tenant_model", "tenant", "model", "category", "all"]
"""Cells, and the groups of them that are watched as a whole: everything of a tenant's model, of a tenant, of a model or
a category wherever it is, and all."""

DEFAULT_SHARES: Final[Mapping[Measure, float]] = MappingProxyType(
    {
        Measure.REFUSAL: 5.0,
        Measure.OVER_REFUSAL: 4.0,
        Measure.UNDER_REFUSAL: 3.0,
        Measure.RESPONSE_HARM: 3.0,
        Measure.PROMPT_HARM: 2.0,
        Measure.MIX: 1.0,
        Measure.COVERAGE: 1.0,
        Measure.VOLUME: 0.5,
        Measure.DEAD_LETTERS: 0.5,
    }
)
LEVEL_SHARES: Final[Mapping[Level, float]] = MappingProxyType(
    {"cell": 0.5, "tenant_model": 0.2, "tenant": 0.1, "model": 0.05, "category": 0.1, "all": 0.05}
)


@dataclass(frozen=True, slots=True)
class DriftPolicy:
    """`budget_per_month`: at most so many false alarms a month, over everything watched. `shares`: parts of it by measure,
    in any unit; a measure that isn't there isn't watched. The rest is for who knows why.

    `learn_events`: so many events of its own until a stream is armed. `reference_half_life_days`: how fast the baseline
    forgets. `dwell_s`: a shift fires at least so long. `stale_after_s`: so long without data while it fires, and it is stale.
    """

    budget_per_month: float = 2.0
    shares: Mapping[Measure, float] = field(default_factory=lambda: DEFAULT_SHARES)
    learn_events: float = 200.0
    reference_half_life_days: float = 28.0
    dwell_s: float = 600.0
    stale_after_s: float = 3600.0

    def share(self, measure: Measure) -> float:
        """Its part of the budget, 0..1; 0 where it isn't watched."""
        total = sum(self.shares.values())
        return self.shares.get(measure, 0.0) / total if total else 0.0
