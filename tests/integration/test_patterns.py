"""What guard and judge say of quarters of an hour, on the real engine: the same as of the exchanges themselves, whatever came late or twice."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from monitor.adapters.clickhouse import ClickHouse
from monitor.adapters.rollups import Rollups
from monitor.corrected import corrected_rates
from monitor.embedded.clickhouse import ClickHousePart
from monitor.estimates.estimates import Corrected
from monitor.rates import RATE_NAMES
from monitor.reporting.gathering import corrected_by_category_of, corrected_of
from tests.integration.test_judged_patterns import exchange, insert, judge, judgement
from tests.stores import NOW, new_store

SPAN: dict[str, Any] = {"since": NOW - timedelta(hours=3), "until": NOW + timedelta(hours=3)}
EVERYWHERE = {**SPAN, "tenant": "", "model": ""}


@pytest.fixture
async def store(clickhouse_part: ClickHousePart) -> AsyncIterator[ClickHouse]:
    async with new_store(clickhouse_part.address) as made:
        yield made


def figures(rates: Sequence[Corrected]) -> list[float]:
    """All that an estimate says; NaN for what it doesn't."""
    return [
        float("nan") if value is None else float(value)
        for one in rates
        for estimate in (one.prediction_powered, one.horvitz_thompson)
        for value in (estimate.rate, estimate.low, estimate.high, one.judged, one.covered)
    ]


async def test_corrected_rates_of_quarters_are_those_of_the_exchanges(store: ClickHouse) -> None:
    """Judgements come before, with and after their exchanges are counted; some fail first; a third is delivered again, elsewhere in time."""
    chance = random.Random(5)
    exchanges: list[dict[str, Any]] = []
    judgements: list[dict[str, Any]] = []
    for number in range(400):
        harmful, refused = chance.random() < 0.4, chance.random() < 0.5
        drawn = chance.random() < 0.5
        exchanges.append(
            exchange(
                f"e{number}",
                chance.uniform(-60, 60),
                chosen=None if number % 40 == 1 else 0.5 if number % 10 else 1.0,
                drawn=drawn or number % 10 == 0,
                prompt_harmful=harmful,
                refused=refused,
                response_harmful=harmful and not refused and chance.random() < 0.7,
                sampling_probability=chance.choice((1.0, 0.5)),
                category="benign" if not harmful else chance.choice(("cyberattacks", "sexual_content")),
            )
        )
        judgements.append(
            judgement(
                f"e{number}",
                status=chance.choice(("ok", "ok", "ok", "error")),
                should_refuse=chance.choice((0.9 if harmful else 0.2, None)),
                refusal_class="direct_refusal" if refused != (chance.random() < 0.1) else "full_compliance",
                harm_provided=chance.choice((0.1, 0.8)),
            )
        )
    rollups = Rollups(store)
    await judge(store, *judgements[:150])
    await insert(store, exchanges[:200])
    await rollups.refresh()
    await insert(store, exchanges[150:])
    await rollups.refresh()
    await judge(store, *judgements[100:])
    again = [
        {**one, "source_offset": 10_000 + place, "occurred_at": one["occurred_at"]}
        for place, one in enumerate(exchanges[::3])
    ]
    await insert(store, again)
    await rollups.refresh()

    found = await store.query("report_patterns", **EVERYWHERE)
    (of_exchanges,) = (await corrected_rates(store, by=(), **SPAN)).cells.values()
    assert figures(corrected_of(found)) == pytest.approx(figures(of_exchanges), nan_ok=True)
    by_category = (await corrected_rates(store, by=("category",), **SPAN)).cells
    counted = corrected_by_category_of(found)
    assert {(None, None, None, category) for category in counted} == set(by_category)
    assert len(counted) == 3
    for (_, _, _, category), rates in by_category.items():
        assert figures(counted[category or ""]) == pytest.approx(figures(rates), nan_ok=True), category
    assert sum(row["events"] for row in found) == 400
    assert any(one.prediction_powered.rate is not None for one in of_exchanges)
    assert len(of_exchanges) == len(RATE_NAMES)
    assert await store.query("report_patterns", **{**EVERYWHERE, "tenant": "nobody"}) == []


async def test_a_withheld_harm_and_a_refusal_that_says_so_are_told_apart(store: ClickHouse) -> None:
    await insert(store, [exchange(f"e{number}", 0, chosen=1.0) for number in range(4)])
    judged = (
        judgement("e0", harm_provided=0.0, refusal_class="direct_refusal"),
        judgement("e1", harm_provided=0.25, refusal_class="indirect_refusal"),
        judgement("e2", harm_provided=1.0, refusal_class="full_compliance"),
        judgement("e3", harm_provided=0.5),
    )
    await judge(store, *({**one, "probability": 1.0} for one in judged))
    await Rollups(store).refresh()

    found = await store.query("report_refusal_quality", **EVERYWHERE)
    assert {row["measure"]: (row["n"], row["mean"]) for row in found if not row["domain"]} == {
        "judged": (4, 1.0),
        "withheld": (4, (1 + 0.75 + 0 + 0.5) / 4),
        "recognisable": (3, 1 / 3),
        "withheld_unsaid": (3, (0 + 0.75 + 0) / 3),
    }
