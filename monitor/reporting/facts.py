"""What the report's queries brought, as values: the only thing that the document is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from monitor.estimates.estimates import Corrected
from monitor.rates import RATE_NAMES
from monitor.reporting.document import Query
from monitor.reporting.significance import Flags, Floats
from monitor.reporting.weeks import DAYS, WEEKS_BEFORE, Week
from schemas.alerts import Severity

COUNTS: Final = (
    *("places", "events", "answered", "to_be_scored", "unknown", "errors", "truncated", "late"),
    *("judge_asked", "judge_sampled_out", "judge_unscored", "judge_off", "judge_expected"),
)
_FIELDS: Final = (*COUNTS, *(f"{name}_{part}" for name in RATE_NAMES for part in ("n", "d", "w2")))
_PLACE: Final = {name: place for place, name in enumerate(_FIELDS)}
SPAN_DAYS: Final = DAYS * (WEEKS_BEFORE + 1)

MOST_TENANTS, MOST_MODELS, MOST_CATEGORIES = 100, 20, 40
"""The busiest of a week, which are looked at one by one; the others count where they are added up."""

CellKey = tuple[str | None, str | None, str | None]
"""Tenant, model and category; None: all of them. Category "" is what the guard gave no answer to."""
EVERYTHING: Final[CellKey] = (None, None, None)


class Grid:
    """Counts by cell and day: four weeks, then the week itself, 35 days. A row's tenant, model or category is None where it is of several
    that aren't told apart; `is_whole`: there is no such row."""

    def __init__(self, week: Week, rows: Sequence[Mapping[str, Any]] = ()) -> None:
        self.week = week
        first = week.before(WEEKS_BEFORE).monday
        self.days = tuple(first + timedelta(days=number) for number in range(SPAN_DAYS))
        self.is_whole = True
        self._cells: dict[CellKey, Floats] = {EVERYTHING: np.zeros((SPAN_DAYS, len(_FIELDS)))}
        for row in rows:
            number = (row["day"] - first).days
            if not 0 <= number < SPAN_DAYS:
                continue
            values = np.array([float(row[name]) for name in _FIELDS])
            tenant, model, category = row["tenant_key"], row["model_key"], row["category_key"]
            self.is_whole &= None not in (tenant, model, category)
            keys = {EVERYTHING, (tenant, None, None), (None, model, None), (None, None, category)}
            if tenant is not None and model is not None:
                keys |= {(tenant, model, None), (tenant, model, category)}
            for key in keys:
                found = self._cells.get(key)
                if found is None:
                    found = self._cells[key] = np.zeros((SPAN_DAYS, len(_FIELDS)))
                found[number] += values

    def keys(self) -> list[CellKey]:
        """Every cell that anything is counted in."""
        return list(self._cells)

    def categories(self) -> list[CellKey]:
        """The cells of one category each, over all traffic, without what has none."""
        return [key for key in self._cells if key[:2] == (None, None) and key[2]]

    def models(self) -> list[CellKey]:
        """The cells of one tenant's one model each, over all categories."""
        return [key for key in self._cells if key[0] is not None and key[1] is not None and key[2] is None]

    def by_day(self, key: CellKey, name: str) -> Floats:
        """One count of a cell, by day [35]; zeros of a cell that isn't there."""
        cell = self._cells.get(key)
        return np.zeros(SPAN_DAYS) if cell is None else cell[:, _PLACE[name]]

    def total(self, key: CellKey, name: str, days: Flags) -> float:
        """The same, added up over some days."""
        return float(self.by_day(key, name)[days].sum())

    @property
    def this_week(self) -> Flags:
        """Which of the days are the week's."""
        return self.weeks_ago(0)

    def weeks_ago(self, number: int) -> Flags:
        """Which of the days are of the week so many before."""
        days = np.zeros(SPAN_DAYS, dtype=np.bool_)
        begin = DAYS * (WEEKS_BEFORE - number)
        days[begin : begin + DAYS] = True
        return days


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the counts reach. `counted_until`: what was stored until then is counted; None: nothing ever was. `waiting`: rows stored
    since. `newest_arrival`: of all exchanges that are stored."""

    counted_until: datetime | None = None
    waiting: int = 0
    newest_arrival: datetime | None = None


@dataclass(frozen=True, slots=True)
class Guard:
    """Who labelled, with which calibration, from when to when within the week."""

    name: str
    version: str
    calibration: int
    events: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """An alert that fired in the week, as it stands. `evidence`: of a shift, as on the record (schemas/evidence.py), else None."""

    id: str
    kind: str
    severity: Severity
    state: str
    started_at: datetime
    ended_at: datetime | None
    title: str
    place: Mapping[str, str]
    remedy: str
    evidence: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Letters:
    """Bad messages of one reason, in the week and in the one before."""

    reason: str
    now: int
    before: int


@dataclass(frozen=True, slots=True)
class JudgedWhy:
    """A week's judging by one judge for one reason. `stands_for`: the exchanges that the answered stand for."""

    judge: str
    version: str
    why: str
    judged: int
    answered: int
    unknown: int
    errors: int
    shortened: int
    stands_for: float
    policies: int
    least_probability: float


@dataclass(frozen=True, slots=True)
class Quality:
    """A weighted mean over `n` judged refusals of one domain; `domain` "" is all of them."""

    domain: str
    measure: str
    n: int
    mean: float
    variance: float


@dataclass(frozen=True, slots=True)
class Example:
    """An exchange to look at. The texts are excerpts as the policy left them, and hostile."""

    kind: str
    event_id: str
    at: datetime
    tenant: str
    model: str
    category: str
    sureness: float
    policy: str
    prompt: str
    response: str


@dataclass(frozen=True, slots=True)
class AuditValue:
    """One value of an audit: of a layer by one measure (monitor/audit/measures.py); of a refused audit the one row, without a layer.

    `before` .. `has_changed`: against the audit before, of the measure j alone.
    """

    audit_id: str
    series: str
    at: datetime
    model: str
    model_version: str
    anchor_set: str
    state: str
    reason: str
    layer: str
    measure: str
    value: float | None
    low: float | None
    high: float | None
    before: float | None = None
    change_low: float | None = None
    change_high: float | None = None
    change_p: float | None = None
    has_changed: bool | None = None

    @property
    def change(self) -> float | None:
        """Since the audit before."""
        return None if self.value is None or self.before is None else self.value - self.before


@dataclass(frozen=True, slots=True)
class CalibrationNow:
    """A calibration that was in force in the week, or came into a state in it. `thresholds` by group. `guarantees`: what its evidence says."""

    model: str
    version: int
    state: str
    at: datetime
    by: str
    reason: str
    rule: str
    thresholds: Mapping[str, float]
    published_at: datetime | None
    guarantees: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it. `fleet`: whose alerts they are. `corrected`: the judge's rates of all of the week, in the order of
    RATE_NAMES; empty where the guard answered nothing; `corrected_by_category` the same of each category."""

    week: Week
    asked_at: datetime
    tenant: str | None
    model: str | None
    fleet: str
    grid: Grid
    reach: Reach
    guards: tuple[Guard, ...] = ()
    alerts: tuple[Told, ...] = ()
    letters: tuple[Letters, ...] = ()
    judged: tuple[JudgedWhy, ...] = ()
    corrected: tuple[Corrected, ...] = ()
    corrected_by_category: Mapping[str, tuple[Corrected, ...]] = field(default_factory=dict)
    quality: tuple[Quality, ...] = ()
    examples: tuple[Example, ...] = ()
    audits: tuple[AuditValue, ...] = ()
    calibrations: tuple[CalibrationNow, ...] = ()
    queries: tuple[Query, ...] = field(default=())
