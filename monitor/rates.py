"""Rates by window, tenant, model and category, with interval and coverage: what `verdicts` says, counted once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, Protocol

from monitor.intervals import effective_counts, wilson

LARGEST_SET: Final = 2_000_000
"""Most events that are looked up by id instead of reading the store through."""

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
    """One cell. A key that the cells aren't by is None.

    `events` are exchanges, `answered` those of them that the guard answered (status ok). `coverage` is answered / to be
    scored; None of nothing. What has no answer has no category, so the cells of a window, tenant and model share one
    coverage whatever their category: that of all of it.
    """

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
    gave no answer. Windows begin at multiples of `window_s` seconds since 1970.

    Exact however the rows are found: a window that holds little of the store is looked up by event, else the store is
    read through (docs/adr/0003).
    """
    (size,) = await store.query("window_size", since=since, until=until)
    rows = await store.query(
        "rates_of_window" if is_small(arrived=size["arrived"], stored=size["stored"]) else "rates",
        since=since,
        until=until,
        window_s=window_s,
        by_window="window" in by,
        by_tenant="tenant" in by,
        by_model="model" in by,
        by_category="category" in by,
    )
    coverage = _coverage(rows)
    return [_row(row, coverage[_uncategorised(row)]) for row in rows]


def is_small(*, arrived: int, stored: int) -> bool:
    """Whether a window of `arrived` deliveries, of `stored` rows, is better looked up by event than read through.

    Measured (benchmarks/store, 2,000,000 rows): looking up breaks even at a third of the store. The set of events is
    held in memory, 32 bytes each, so there is a limit whatever the store holds.
    """
    return arrived <= LARGEST_SET and arrived * 4 <= stored


def _uncategorised(row: Mapping[str, Any]) -> tuple[object, ...]:
    return row["window_start"], row["tenant_key"], row["model_key"]


def _coverage(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[object, ...], float | None]:
    """The coverage of each window, tenant and model."""
    answered: Counter[tuple[object, ...]] = Counter()
    wanted: Counter[tuple[object, ...]] = Counter()
    for row in rows:
        answered[_uncategorised(row)] += row["answered"]
        wanted[_uncategorised(row)] += row["to_be_scored"]
    return {key: answered[key] / count if count else None for key, count in wanted.items()}


def _row(row: Mapping[str, Any], coverage: float | None) -> RateRow:
    return RateRow(
        window_start=row["window_start"],
        tenant=row["tenant_key"],
        model=row["model_key"],
        category=row["category_key"],
        events=row["events"],
        answered=row["answered"],
        coverage=coverage,
        rates=tuple(_rate(name, row) for name in RATE_NAMES),
    )


def _rate(name: RateName, row: Mapping[str, Any]) -> Rate:
    numerator, denominator, squares = row[f"{name}_n"], row[f"{name}_d"], row[f"{name}_w2"]
    if not denominator:
        return Rate(name, 0.0, 0.0, None, None, None)
    low, high = wilson(*effective_counts(numerator, denominator, squares))
    return Rate(name, numerator, denominator, numerator / denominator, low, high)
