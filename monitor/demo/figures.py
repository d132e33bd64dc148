"""What the demo shows: counts of what was sent and stored, rates by category, and the drifting cell by the hour."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from schemas.taxonomy import CATEGORIES


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate with its interval (Wilson, 95 %); the bounds are NaN where there is nothing to count."""

    numerator: int = 0
    denominator: int = 0
    low: float = math.nan
    high: float = math.nan

    @property
    def value(self) -> float:
        """The rate; NaN of nothing."""
        return self.numerator / self.denominator if self.denominator else math.nan


@dataclass(frozen=True, slots=True)
class CategoryLine:
    """One category as the guard saw it."""

    category: str
    exchanges: int
    refusal: Rate
    response_harm: Rate


@dataclass(frozen=True, slots=True)
class Hour:
    """Refusals of harmless prompts in the drifting cell in one hour of event time."""

    begins_at: datetime
    refusal: Rate


@dataclass(frozen=True, slots=True)
class Figures:
    """One look at the store. `stored` counts exchanges once; `coverage` is those with a verdict among them."""

    stored: int = 0
    lines: tuple[CategoryLine, ...] = ()
    coverage: Rate = field(default_factory=Rate)
    hours: tuple[Hour, ...] = ()

    @property
    def exchanges(self) -> int:
        """Exchanges with a verdict."""
        return sum(line.exchanges for line in self.lines)


def in_order(lines: Iterable[CategoryLine]) -> tuple[CategoryLine, ...]:
    """As the taxonomy has them."""
    return tuple(sorted(lines, key=lambda line: CATEGORIES.index(line.category)))


def every_category(lines: Iterable[CategoryLine]) -> tuple[CategoryLine, ...]:
    """All fourteen, in order: a category that the guard put nothing in is told, not left out."""
    found = {line.category: line for line in lines}
    return tuple(found.get(name, CategoryLine(name, 0, Rate(), Rate())) for name in CATEGORIES)


def sparkline(values: Sequence[float], top: float) -> str:
    """One character a value, from ▁ for 0 to █ for `top` and more; a blank for NaN."""
    levels = "▁▂▃▄▅▆▇█"
    return "".join(
        " " if math.isnan(value) else levels[min(int(value / top * len(levels)), len(levels) - 1)]
        for value in values
    )
