"""What the watch has to be given before it can go on: it does no I/O, so it says what it needs and the worker fetches it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Scope:
    """Which cells: None is all. `category` is the guard's."""

    tenant: str | None = None
    model: str | None = None
    category: str | None = None

    def holds(self, other: Scope) -> bool:
        """Whether all of `other` is in it."""
        return (
            self.tenant in (None, other.tenant)
            and self.model in (None, other.model)
            and self.category in (None, other.category)
        )

    def overlaps(self, other: Scope) -> bool:
        """Whether a cell can be in both."""
        pairs = ((self.tenant, other.tenant), (self.model, other.model), (self.category, other.category))
        return all(one is None or two is None or one == two for one, two in pairs)


@dataclass(frozen=True, slots=True)
class HistoryNeed:
    """The windows of `scope` in [since, until), to explain what crossed: windows as they closed over the last hour before
    `until`, a minute wide over the last day, an hour wide before (`monitor/drift/history.py` says exactly)."""

    scope: Scope
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class SeasonNeed:
    """All windows in [since, until), an hour wide, to fit the season."""

    since: datetime
    until: datetime


Need = HistoryNeed | SeasonNeed
