"""What the judge makes of the rates, on the real engine: the counts, and that estimates are those of the same exchanges counted
one by one."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from monitor.adapters.clickhouse import ClickHouse
from monitor.cli.rates_shapes import RatesDocument
from monitor.corrected import correct_patterns, corrected_rates
from monitor.embedded.clickhouse import ClickHousePart
from monitor.rates import RATE_NAMES
from monitor.settings import variable
from tests.integration.commands import watchkeeper
from tests.stores import NOW, new_store, rows, unanswered, verdict

HOUR = timedelta(hours=1)
WHOLE = {"window_s": 3600, "by_window": False, "by_tenant": False, "by_model": False, "by_category": False}
QUERIES = ("judged_patterns", "judged_patterns_of_window")


@pytest.fixture
async def store(clickhouse_part: ClickHousePart) -> AsyncIterator[ClickHouse]:
    async with new_store(clickhouse_part.address) as made:
        yield made


Exchange = dict[str, Any]


def exchange(
    event_id: str, minutes: float, *, chosen: float | None, drawn: bool = True, **given: Any
) -> Exchange:
    """A verdict as it lies on Kafka, with the judging policy's probability (None: judging is off)."""
    made = json.loads(verdict(event_id, minutes, **given).to_bytes())
    decision = "off" if chosen is None else "asked" if drawn else "sampled_out"
    return {**made, "judge_decision": decision, "judge_probability": chosen or 0.0}


def judgement(event_id: str, *, status: str = "ok", **answers: Any) -> dict[str, Any]:
    """A row of judgement_rows; what isn't given isn't judged."""
    return {
        "event_id": event_id,
        "arrived_at": NOW.timestamp(),
        "judged_at": NOW.timestamp(),
        "status": status,
        "judge_name": "judge",
        **{name: answers.get(name) for name in ("should_refuse", "refusal_class", "harm_provided")},
    }


async def judge(store: ClickHouse, *judgements: dict[str, Any]) -> None:
    lines = "\n".join(json.dumps(one) for one in judgements)
    await store._client.command(
        f"INSERT INTO judgement_rows ({', '.join(judgements[0])}) FORMAT JSONEachRow {lines}"
    )


async def insert(store: ClickHouse, exchanges: Sequence[Exchange]) -> None:
    await store.insert([json.dumps(one).encode() for one in exchanges])


@pytest.mark.parametrize("query", QUERIES)
async def test_patterns_count_the_chosen_and_what_the_judge_says_of_them(
    store: ClickHouse, query: str
) -> None:
    refused: dict[str, Any] = {"prompt_harmful": True, "refused": True, "response_harmful": False}
    await insert(
        store,
        [
            exchange("sure", 0, chosen=1.0, **refused),
            exchange("sampled", 1, chosen=0.1, **refused),
            exchange("left", 2, chosen=0.1, drawn=False, **refused),
            exchange("failed", 3, chosen=0.1, **refused),
            exchange("later", 61, chosen=1.0, **refused),
            json.loads(unanswered("no-verdict", 4).to_bytes()),
        ],
    )
    await judge(
        store,
        judgement("sure", should_refuse=0.5, refusal_class="partial", harm_provided=0.49),
        judgement("sampled", refusal_class="full_compliance", harm_provided=0.5),
        judgement("left", refusal_class="partial"),  # not drawn, so in no estimate
        judgement("failed", status="error", refusal_class="partial"),
        judgement("later", refusal_class="partial"),
    )
    found = await store.query(query, since=NOW, until=NOW + HOUR, **WHOLE)

    names = (
        "judging_probability",
        "is_chosen",
        "judge_prompt_harmful",
        "judge_refused",
        "judge_response_harmful",
        "events",
        "judges",
    )
    assert [tuple(row[name] for name in names) for row in found] == [
        (0.1, False, None, None, None, 1, []),
        (0.1, True, None, False, True, 1, ["judge"]),
        (0.1, True, None, None, None, 1, []),
        (1.0, True, True, True, False, 1, ["judge"]),
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(2))
async def test_the_store_gives_the_estimates_of_its_exchanges(store: ClickHouse, seed: int) -> None:
    """Once per event, however often verdict and judgement were delivered; looked up as read through."""
    chance = random.Random(seed)
    exchanges, patterns, judgements = [], [], []
    for number in range(1500):
        event_id = f"e{number}"
        truth, guard = chance.random() < 0.2, chance.random() < 0.2
        probability = chance.choice((1.0, 0.2))
        drawn = chance.random() < probability
        made = exchange(
            event_id,
            number / 30,
            chosen=probability,
            drawn=drawn,
            tenant=chance.choice(("acme", "globex")),
            prompt_harmful=chance.random() < 0.3,
            refused=guard,
            response_harmful=False,
            sampling_probability=0.5,
        )
        exchanges.append(made)
        is_harmful = chance.random() < 0.3
        if drawn:
            judgements.append(
                judgement(
                    event_id,
                    refusal_class="direct_refusal" if truth else "full_compliance",
                    should_refuse=0.9 if is_harmful else 0.1,
                    harm_provided=None,
                )
            )
        patterns.append(
            {
                "window_start": None,
                "tenant_key": made["tenant"],
                "model_key": None,
                "category_key": None,
                "scoring_probability": 0.5,
                "judging_probability": probability,
                "is_answered": True,
                "guard_prompt_harmful": made["prompt_harmful"],
                "guard_refused": guard,
                "guard_response_harmful": False,
                "is_chosen": drawn,
                "judge_prompt_harmful": is_harmful if drawn else None,
                "judge_refused": truth if drawn else None,
                "judge_response_harmful": None,
                "events": 1,
                "judges": ["judge"] if drawn else [],
            }
        )
    await judge(store, *judgements)
    await judge(store, *chance.sample(judgements, 100))
    await insert(store, exchanges)
    await insert(store, chance.sample(exchanges, 400))
    window: dict[str, Any] = {"since": NOW, "until": NOW + HOUR}
    cells = {**window, **WHOLE, "by_tenant": True}

    assert await store.query(QUERIES[0], **cells) == await store.query(QUERIES[1], **cells)
    assert await rows(store, "SELECT count() FROM verdict_rows FINAL") == [(1500,)]
    found = await corrected_rates(store, by=("tenant",), **window)
    expected = correct_patterns(patterns)
    assert found.judges == ("judge",)
    assert found.cells.keys() == expected.keys()
    for key, corrected in found.cells.items():
        for name, one, other in zip(RATE_NAMES, corrected, expected[key], strict=True):
            assert one.judged == other.judged, name
            assert one.horvitz_thompson.reason == other.horvitz_thompson.reason
            assert one.prediction_powered.rate == pytest.approx(other.prediction_powered.rate)
            assert one.prediction_powered.low == pytest.approx(other.prediction_powered.low, abs=1e-6)


async def test_the_command_shows_both_beside_the_guards_own(store: ClickHouse) -> None:
    refusals: dict[str, Any] = {"prompt_harmful": False, "response_harmful": False, "refusal": 0.1}
    await insert(
        store,
        [
            exchange(f"e{number}", number / 2, chosen=1.0, refused=number < 10, **refusals)
            for number in range(40)
        ],
    )
    kinds = ("partial", "full_compliance")
    await judge(
        store,
        *(judgement(f"e{number}", refusal_class=kinds[number >= 20]) for number in range(40)),
    )
    environment = {
        variable("clickhouse", "url"): store._settings.url,
        variable("clickhouse", "database"): store._settings.database,
    }
    as_json = await watchkeeper(["rates", "--corrected", "--by", "none", "--json"], environment)
    as_table = await watchkeeper(["rates", "--corrected", "--by", "tenant"], environment)

    assert as_json.code == as_table.code == 0, as_json.err + as_table.err
    document = RatesDocument.model_validate_json(as_json.out)
    refusal = document.total.rates[0]
    assert refusal.rate == 0.25
    assert refusal.corrected is not None
    assert refusal.corrected.judged == 40
    assert refusal.corrected.horvitz_thompson.rate == refusal.corrected.prediction_powered.rate == 0.5
    assert document.judges == ["judge"]
    assert "Judged by judge." in as_table.out


async def test_a_window_in_which_nothing_is_judged_has_no_estimate(store: ClickHouse) -> None:
    await insert(store, [exchange(f"e{number}", number, chosen=None) for number in range(30)])
    found = await corrected_rates(store, by=(), since=NOW, until=NOW + HOUR)

    assert found.judges == ()
    (cell,) = found.cells.values()
    assert {one.horvitz_thompson.reason for one in cell} == {"not judged"}
