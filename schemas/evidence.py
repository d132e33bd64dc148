"""What an alert about a shift rests on: part of schemas/alerts.py. Figures and ids, no user text, ever."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Direction = Literal["up", "down"]


class Interval(msgspec.Struct, frozen=True):
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


class Stratum(msgspec.Struct, frozen=True, kw_only=True):
    """A cell's part in a shift, from the change on: `k` of `n`, where `expected` of them were to be expected.

    `evidence`: natural logarithm of its likelihood ratio, change against none. `is_affected`: it is among the cells that
    are told with a false discovery rate of 5 % (e-BH).
    """

    tenant: str
    model: str
    category: str
    k: float
    n: float
    expected: float
    evidence: float
    is_affected: bool


class MixSplit(msgspec.Struct, frozen=True):
    """A change of a rate, split (Kitagawa): `within` the classes, and by their `mix`. They add up to the change."""

    within: float
    mix: float


class Point(msgspec.Struct, frozen=True):
    """Counts of a stretch of time that ends at `at`, for a plot: `k` of `n`, `expected` by the baseline."""

    at: datetime
    k: float
    n: float
    expected: float


class WatchedBy(msgspec.Struct, frozen=True):
    """The guard and the calibration whose labels are counted: part of a stream's key."""

    guard_name: str
    guard_version: str
    guard_prompt_hash: str
    calibration_version: int


class Planning(msgspec.Struct, frozen=True):
    """At the traffic of the last day: events a day, and after how many hours which odds ratio is noticed, on average."""

    events_per_day: float
    noticed_after_h: dict[str, float]


class DriftEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Why a stream is said to have shifted. Rates are 0..1; for the measure "volume" they are events an hour.

    `measure`: a value of monitor/drift/measures.py. The window is the one that crossed; `k` of `n` and `expected` are from
    `changed_at` to its end. `crossing`: M / A, at least 1. `changed_from` .. `changed_until` holds the true start with 95 %.
    `also`: other streams that said the same (measure and place) and are told here instead of by alerts of their own.
    `query`: SQL that brings the rows. `budget_per_month`: false alarms a month over everything watched.
    """

    measure: str
    direction: Direction
    window_begins_at: datetime
    window_ends_at: datetime
    k: float
    n: float
    expected: float
    crossing: float
    changed_at: datetime
    changed_from: datetime
    changed_until: datetime
    odds_ratio: Interval
    rate_before: Interval
    rate_after: Interval
    rate_change: Interval
    strata: list[Stratum]
    mix: MixSplit | None
    also: list[dict[str, str]]
    event_ids: list[str]
    query: str
    series: list[Point]
    planning: Planning | None
    watched_by: WatchedBy
    budget_per_month: float
    level: int = 1
    """1 when it began; one more each time that it fired again at a stronger level."""
