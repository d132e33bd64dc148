"""Looks at the store for the demo: counts, rates by category, and the drifting cell by the hour."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from monitor.demo import figures
from monitor.demo.figures import CategoryLine, Figures, Hour, in_order
from monitor.demo.traffic import DRIFTING, Day
from monitor.demo.view import Drift
from monitor.intervals import wilson
from monitor.rates import Queries, Rate, rates
from schemas.taxonomy import CATEGORIES

_SOON: Final = timedelta(days=1)
"""Windows are by arrival; nothing arrives later than now."""


async def look(store: Queries, day: Day, since: datetime) -> Figures:
    """What the store says of all that arrived since `since`."""
    rows = await rates(store, by=["category"], since=since, until=datetime.now(UTC) + _SOON)
    lines = [
        CategoryLine(
            row.category or "", row.events, _rate(row.rate("refusal")), _rate(row.rate("response_harm"))
        )
        for row in rows
        if row.category in CATEGORIES
    ]
    stored = sum(row.events for row in rows)
    hours: dict[datetime, list[Mapping[str, Any]]] = {}
    for row in await _by_hour(store, day):
        hours.setdefault(row["hour"], []).append(row)
    return Figures(
        stored=stored,
        lines=in_order(lines),
        coverage=_counted(sum(row.answered for row in rows), stored),
        hours=tuple(Hour(hour, _refused(parts)) for hour, parts in sorted(hours.items())),
    )


async def look_at_drift(store: Queries, day: Day) -> Drift:
    """The drifting cell before and after its minute, as the guard saw it and as it was written."""
    rows = await _by_hour(store, day)
    return Drift(
        before=_refused(row for row in rows if not row["is_after"]),
        after=_refused(row for row in rows if row["is_after"]),
        true_before=day.truth.before.rate,
        true_after=day.truth.after.rate,
    )


async def _by_hour(store: Queries, day: Day) -> list[dict[str, Any]]:
    return await store.query(
        "harmless_refusals_by_hour",
        tenant=DRIFTING.tenant,
        model=DRIFTING.model,
        split_at=day.drift_at,
        since=day.begins_at - timedelta(hours=1),
        until=day.ends_at + timedelta(hours=1),
    )


def _refused(rows: Iterable[Mapping[str, Any]]) -> figures.Rate:
    counted = [(row["refused_n"], row["answered"]) for row in rows]
    return _counted(sum(n for n, _ in counted), sum(d for _, d in counted))


def _counted(numerator: int, denominator: int) -> figures.Rate:
    low, high = wilson(numerator, denominator) if denominator else (math.nan, math.nan)
    return figures.Rate(numerator, denominator, low, high)


def _rate(rate: Rate) -> figures.Rate:
    if rate.low is None or rate.high is None:
        return figures.Rate()
    return figures.Rate(int(rate.numerator), int(rate.denominator), rate.low, rate.high)
