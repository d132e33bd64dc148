"""Rates by window, tenant, model and category, with interval and coverage: what `verdicts` says, counted once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, Protocol

from monitor.intervals import effective_counts, wilson

Dimension = Literal["window", "tenant", "model", "category"]
RateName = Literal["refusal", "over_refusal", "under_refusal", "prompt_harm", "response_harm"]
RATE_NAMES: Final[tuple[RateName, ...]] = (
    "refusal",
    "over_refusal",
    "under_refusal",
    "prompt_harm",
    "response_harm",
)


class Queries(Protocol):
    """Runs queries by name (monitor/adapters/clickhouse.py)."""

    async def query(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        """The rows of the query."""
        ...


@dataclass(frozen=True, slots=True)
class Rate:
    """`numerator` of `denominator`, both weighted by 1 / sampling probability; None of nothing.

    `low` and `high` are Wilson's 95 % interval, on the effective sample size where weights differ.
    """

    name: RateName
    numerator: float
    denominator: float
    rate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class RateRow:
    """One cell. A key that the cells aren't by is None. `coverage` is answered / to be scored; None of nothing."""

    window_start: datetime | None
    tenant: str | None
    model: str | None
    category: str | None
    events: int
    answered: int
    coverage: float | None
    rates: tuple[Rate, ...]

    def rate(self, name: RateName) -> Rate:
        """The rate of that name."""
        return self.rates[RATE_NAMES.index(name)]


async def rates(
    store: Queries, *, by: Sequence[Dimension], since: datetime, until: datetime, window_s: int = 3600
) -> list[RateRow]:
    """The rates of exchanges that arrived in [since, until), ordered by cell. `category` is the guard's; "" where it
    gave no answer. Windows begin at multiples of `window_s` seconds since 1970."""
    rows = await store.query(
        "rates",
        since=since,
        until=until,
        window_s=window_s,
        by_window="window" in by,
        by_tenant="tenant" in by,
        by_model="model" in by,
        by_category="category" in by,
    )
    return [_row(row) for row in rows]


def _row(row: Mapping[str, Any]) -> RateRow:
    return RateRow(
        window_start=row["window_start"],
        tenant=row["tenant_key"],
        model=row["model_key"],
        category=row["category_key"],
        events=row["events"],
        answered=row["answered"],
        coverage=row["answered"] / row["to_be_scored"] if row["to_be_scored"] else None,
        rates=tuple(_rate(name, row) for name in RATE_NAMES),
    )


def _rate(name: RateName, row: Mapping[str, Any]) -> Rate:
    numerator, denominator, squares = row[f"{name}_n"], row[f"{name}_d"], row[f"{name}_w2"]
    if not denominator:
        return Rate(name, 0.0, 0.0, None, None, None)
    low, high = wilson(*effective_counts(numerator, denominator, squares))
    return Rate(name, numerator, denominator, numerator / denominator, low, high)
