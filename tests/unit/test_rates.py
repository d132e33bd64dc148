"""Sums become rates: with interval, coverage, and nothing made up where there is nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitor.intervals import wilson
from monitor.rates import LARGEST_SET, RATE_NAMES, Dimension, Rate, RateRow, is_small, rates

SINCE = datetime(2025, 3, 3, 12, tzinfo=UTC)
UNTIL = SINCE + timedelta(hours=1)


@dataclass
class _Queries:
    """Answers what `rates` asks: first how large the window is, then its sums."""

    rows: list[dict[str, Any]]
    arrived: int = 0
    stored: int = 0
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def query(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        self.asked.append((name, parameters))
        return [{"arrived": self.arrived, "stored": self.stored}] if name == "window_size" else self.rows


def sums(**given: Any) -> dict[str, Any]:
    """A row of rates.sql: all zero but what is given."""
    row: dict[str, Any] = {"window_start": None, "tenant_key": None, "model_key": None, "category_key": None}
    row |= {"events": 0, "answered": 0, "to_be_scored": 0}
    row |= {f"{name}_{part}": 0.0 for name in RATE_NAMES for part in ("n", "d", "w2")}
    return row | given


async def one(**given: Any) -> RateRow:
    (row,) = await rates(_Queries([sums(**given)]), by=(), since=SINCE, until=UNTIL)
    return row


@pytest.mark.parametrize(
    "by", [(), ("window",), ("tenant", "category"), ("window", "tenant", "model", "category")]
)
@pytest.mark.parametrize(("arrived", "name"), [(25, "rates_of_window"), (26, "rates")])
async def test_a_window_that_holds_little_of_the_store_is_looked_up_and_another_read_through(
    by: Sequence[Dimension], arrived: int, name: str
) -> None:
    queries = _Queries([], arrived=arrived, stored=100)

    assert await rates(queries, by=by, since=SINCE, until=UNTIL, window_s=60) == []
    window = {"since": SINCE, "until": UNTIL}
    cells = {f"by_{key}": key in by for key in ("window", "tenant", "model", "category")}
    assert queries.asked == [("window_size", window), (name, {**window, "window_s": 60, **cells})]


@pytest.mark.parametrize(
    ("arrived", "stored", "expected"),
    [
        (0, 0, True),
        (0, 10, True),
        (1, 3, False),
        (LARGEST_SET, 10**12, True),
        (LARGEST_SET + 1, 10**12, False),
    ],
)
def test_a_look_up_is_bounded_in_share_and_in_memory(*, arrived: int, stored: int, expected: bool) -> None:
    assert is_small(arrived=arrived, stored=stored) is expected


async def test_a_row_becomes_a_cell_with_every_rate() -> None:
    cell = sums(window_start=SINCE, tenant_key="acme", model_key="gpt-4o", category_key="benign")
    cell |= {"events": 12, "answered": 9, "to_be_scored": 10}
    cell |= {"refusal_n": 3.0, "refusal_d": 8.0, "refusal_w2": 8.0}
    (row,) = await rates(_Queries([cell]), by=("window",), since=SINCE, until=UNTIL)

    nothing = tuple(Rate(name, 0.0, 0.0, None, None, None) for name in RATE_NAMES[1:])
    refusal = Rate("refusal", 3.0, 8.0, 0.375, *wilson(3, 8))
    assert row == RateRow(SINCE, "acme", "gpt-4o", "benign", 12, 9, 0.9, (refusal, *nothing))
    assert row.rate("refusal") == refusal


async def test_coverage_of_nothing_is_not_a_number() -> None:
    assert (await one(events=4)).coverage is None


async def test_coverage_leaves_out_what_was_never_to_be_scored() -> None:
    assert (await one(events=100, answered=9, to_be_scored=10)).coverage == 0.9


async def test_what_has_no_answer_has_no_category_so_categories_share_one_coverage() -> None:
    cells = [
        sums(tenant_key="a", category_key="", events=2, answered=0, to_be_scored=2),
        sums(tenant_key="a", category_key="benign", events=6, answered=6, to_be_scored=6),
        sums(tenant_key="b", category_key="benign", events=3, answered=3, to_be_scored=3),
    ]
    rows = await rates(_Queries(cells), by=("tenant", "category"), since=SINCE, until=UNTIL)

    assert [row.coverage for row in rows] == [0.75, 0.75, 1.0]


async def test_weights_move_the_rate_and_widen_the_interval() -> None:
    # Ten rows: nine of weight 1, one refusal of weight 91.
    rate = (await one(refusal_n=91.0, refusal_d=100.0, refusal_w2=9.0 + 91.0**2)).rate("refusal")
    size = 100.0**2 / (9.0 + 91.0**2)

    assert rate == Rate("refusal", 91.0, 100.0, 0.91, *wilson(0.91 * size, size))
    assert rate.low is not None
    assert rate.low < wilson(91, 100)[0]
