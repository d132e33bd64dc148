"""What the user sets: how many false alarms a month, and how they are shared out among what is watched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from types import MappingProxyType
from typing import Final, Literal

from monitor.drift.measures import MEASURE_OF, Measure
from monitor.drift_settings import DriftSettings
from monitor.errors import Misconfigured

_DAY_S: Final = 24 * 3600
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

    `learn_events`: so many events of its own until a stream is armed, and not before it is `learn_days` old, when the rhythm of
    its day is known. `reference_half_life_days`: how fast the baseline forgets. `dwell_s`: a shift fires at least so long. `stale_after_s`: so long without data while it fires, and it is stale.
    """

    budget_per_month: float = 2.0
    shares: Mapping[Measure, float] = field(default_factory=lambda: DEFAULT_SHARES)
    learn_events: float = 200.0
    learn_days: float = 0.0
    reference_half_life_days: float = 28.0
    dwell_s: float = 600.0
    stale_after_s: float = 3600.0

    def share(self, measure: Measure) -> float:
        """Its part of the budget, 0..1; 0 where it isn't watched."""
        total = sum(self.shares.values())
        return self.shares.get(measure, 0.0) / total if total else 0.0


def policy_of(settings: DriftSettings) -> DriftPolicy:
    """The policy that these settings say. Raises Misconfigured with all that is wrong in them."""
    shares, faults = _shares_of(settings.shares)
    numbers = {
        "BUDGET_PER_MONTH": settings.budget_per_month,
        "LEARN_EVENTS": settings.learn_events,
        "REFERENCE_HALF_LIFE_DAYS": settings.reference_half_life_days,
        "STALE_AFTER_S": settings.stale_after_s,
    }
    faults += [
        f"{name} is {value:g}, and must be a number above 0"
        for name, value in numbers.items()
        if not (isfinite(value) and value > 0)
    ]
    faults += [
        f"{name} is {value:g}, and must be a number of at least 0"
        for name, value in {"LEARN_DAYS": settings.learn_days, "DWELL_S": settings.dwell_s}.items()
        if not (isfinite(value) and value >= 0)
    ]
    window_s = settings.window_s
    if not (isfinite(window_s) and window_s >= 1 and _DAY_S % window_s == 0 and window_s == int(window_s)):
        faults.append(f"WINDOW_S is {window_s:g}, and must be whole seconds that divide a day")
    if faults:
        raise Misconfigured(
            "the watch for drift can't be set up: " + "; ".join(faults),
            "set WATCHKEEPER_DRIFT__* (docs/settings.md)",
        )
    return DriftPolicy(
        budget_per_month=settings.budget_per_month,
        shares=MappingProxyType(shares),
        learn_events=settings.learn_events,
        learn_days=settings.learn_days,
        reference_half_life_days=settings.reference_half_life_days,
        dwell_s=settings.dwell_s,
        stale_after_s=settings.stale_after_s,
    )


def _shares_of(text: str) -> tuple[dict[Measure, float], list[str]]:
    """`measure=parts, …` and what is wrong in it. A measure with 0 parts isn't watched."""
    shares: dict[Measure, float] = {}
    faults = []
    known = ", ".join(Measure)
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, separator, parts = (word.strip() for word in item.partition("="))
        if name not in MEASURE_OF:
            faults.append(f"SHARES names {name!r}, which is none of {known}")
            continue
        measure = MEASURE_OF[name]
        if measure in shares:
            faults.append(f"SHARES names {name} twice")
        try:
            shares[measure] = float(parts) if separator else float("nan")
        except ValueError:
            shares[measure] = float("nan")
        if not (isfinite(shares[measure]) and shares[measure] >= 0):
            faults.append(f"SHARES gives {name} {parts!r} parts, which is no number of at least 0")
    if not faults and not sum(shares.values()) > 0:
        faults.append("SHARES gives nothing a part of the budget")
    return {measure: parts for measure, parts in shares.items() if parts}, faults
