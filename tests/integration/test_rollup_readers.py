"""What reads quarters of an hour, on the real engine: the report's queries and Grafana's panels, also over nothing and over very little."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from monitor.adapters.clickhouse import ClickHouse
from monitor.adapters.rollups import Rollups
from monitor.embedded.clickhouse import ClickHousePart
from monitor.intervals import wilson
from monitor.reporting.facts import MOST_CATEGORIES, MOST_MODELS, MOST_TENANTS
from monitor.settings import variable
from tests.grafana import choice, expand, statements, variables
from tests.integration.commands import watchkeeper
from tests.integration.test_clickhouse_queries import answered, at
from tests.integration.test_rollups import HOSTILE, LONG, QUARTER, emptied, judged, quarter
from tests.stores import NOW, new_store, rows, unanswered, verdict


@pytest.fixture(scope="module")
async def database(clickhouse_part: ClickHousePart) -> AsyncIterator[ClickHouse]:
    async with new_store(clickhouse_part.address) as made:
        yield made


OF_ALL: dict[str, Any] = {
    "week": datetime(2020, 1, 1, tzinfo=UTC),
    "tenants": MOST_TENANTS,
    "models": MOST_MODELS,
    "categories": MOST_CATEGORIES,
}
"""What report_days.sql is asked besides: nobody is added up."""


@pytest.fixture
async def store(database: ClickHouse) -> ClickHouse:
    return await emptied(database)


async def test_one_event_of_one_category_and_one_that_is_yet_to_come_are_counted(store: ClickHouse) -> None:
    """A clock that is an hour ahead puts an exchange into a quarter that is to come; one that is days ahead counts when it arrived."""
    await store.insert(
        [answered("one", 0, harmful=False, refused=True, occurred_at=NOW, **at(0, 1)).to_bytes()]
    )
    await Rollups(store).refresh()
    (row,) = await store.query("report_days", **LONG, **OF_ALL, zone="UTC")
    assert (
        row["category_key"],
        row["events"],
        row["answered"],
        row["over_refusal_n"],
        row["over_refusal_d"],
    ) == (
        "benign",
        1,
        1,
        1.0,
        1.0,
    )
    (pattern,) = await store.query("report_patterns", **LONG)
    assert (pattern["events"], pattern["guard_refused"], pattern["judge_refused"]) == (1, 1, None)

    for number in range(2, 30):
        await store.insert(
            [
                answered(
                    f"e{number}", 0, harmful=False, refused=False, occurred_at=NOW, **at(0, number)
                ).to_bytes()
            ]
        )
    ahead = NOW + timedelta(hours=5)
    await store.insert(
        [answered("ahead", 0, harmful=False, refused=False, occurred_at=ahead, **at(0, 40)).to_bytes()]
    )
    counted = await Rollups(store).refresh()
    assert counted is not None
    found = await rows(
        store, "SELECT begins_at, category, sum(events) FROM quarters GROUP BY 1, 2 ORDER BY 1"
    )
    assert found == [(quarter(NOW), "benign", 29), (quarter(ahead), "benign", 1)]
    again = await Rollups(store).refresh()
    assert again is not None
    assert await rows(store, "SELECT sum(events) FROM quarters") == [(30,)]


async def test_nothing_and_only_unknowns_are_answers_too(store: ClickHouse) -> None:
    asked = {**LONG, **OF_ALL, "zone": "UTC"}
    assert await store.query("report_days", **asked) == []
    assert await store.query("report_guards", **LONG) == []
    assert await store.query("report_refusal_quality", **LONG) == []
    assert await store.query("report_examples", each=3, chars=80, **LONG) == []
    (reach,) = await store.query("report_reach")
    assert {
        key: reach[key] for key in ("computed_until", "waiting", "newest_quarter", "newest_arrived_at")
    } == {
        "computed_until": None,
        "waiting": 0,
        "newest_quarter": None,
        "newest_arrived_at": None,
    }

    await store.insert([unanswered("a", status="unknown").to_bytes()])
    (reach,) = await store.query("report_reach")
    assert (reach["computed_until"], reach["waiting"]) == (None, 1)
    await Rollups(store).refresh()
    (row,) = await store.query("report_days", **asked)
    assert (row["events"], row["unknown"], row["answered"], row["refusal_d"], row["category_key"]) == (
        1,
        1,
        0,
        0.0,
        "",
    )
    (reach,) = await store.query("report_reach")
    assert (reach["waiting"], reach["newest_arrived_at"]) == (0, NOW)


async def test_all_but_the_busiest_are_added_up_under_no_name(store: ClickHouse) -> None:
    """The busiest by the events of the week alone; who is asked for is always among them."""
    tenants = ("busy", "busy", "next", HOSTILE)
    await store.insert(
        [
            answered(
                f"e{number}", 0, harmful=False, refused=True, tenant=tenant, model=f"m{number % 2}"
            ).to_bytes()
            for number, tenant in enumerate(tenants)
        ]
    )
    await Rollups(store).refresh()

    async def events(**given: Any) -> dict[tuple[str | None, str | None], int]:
        rows = await store.query("report_days", **LONG | OF_ALL | {"zone": "UTC"} | given)
        return {(row["tenant_key"], row["model_key"]): row["events"] for row in rows}

    assert await events(models=0) == {("busy", None): 2, ("next", None): 1, (HOSTILE, None): 1}
    assert await events(models=0, tenants=1) == {("busy", None): 2, (None, None): 2}
    assert await events(models=1, tenants=0) == {(None, "m0"): 2, (None, None): 2}
    assert await events(models=0, tenants=1, tenant=HOSTILE) == {(HOSTILE, None): 1}
    assert await events(models=0, tenants=1, week=LONG["until"]) == {(None, None): 4}


async def test_days_are_those_of_the_time_zone_through_a_change_of_clocks(store: ClickHouse) -> None:
    """Berlin set its clocks back on 26 October 2025 at 01:00 UTC; Kathmandu is 5:45 ahead."""
    moments = (
        "2025-10-25T21:59",
        "2025-10-25T22:00",
        "2025-10-26T22:59",
        "2025-10-26T23:00",
        "2025-10-26T18:14",
        "2025-10-26T18:15",
    )
    await store.insert(
        [
            verdict(
                moment, occurred_at=datetime.fromisoformat(f"{moment}:00+00:00"), tenant=HOSTILE
            ).to_bytes()
            for moment in moments
        ]
    )
    await Rollups(store).refresh()

    async def days(zone: str, **given: Any) -> dict[date, int]:
        asked = {
            "since": datetime.fromisoformat("2025-10-20T00:00+00:00"),
            "until": datetime.fromisoformat("2025-10-30T00:00+00:00"),
            "tenant": HOSTILE,
            "model": "",
            "zone": zone,
            **OF_ALL,
        }
        found: Counter[date] = Counter()
        for row in await store.query("report_days", **asked | given):
            found[row["day"]] += row["events"]
        return dict(found)

    assert await days("Europe/Berlin") == {
        date(2025, 10, 25): 1,
        date(2025, 10, 26): 4,
        date(2025, 10, 27): 1,
    }
    assert await days("Asia/Kathmandu") == {date(2025, 10, 26): 3, date(2025, 10, 27): 3}
    assert await days("UTC", tenant="<b>") == {}


async def test_examples_are_those_that_count_and_the_same_ones_whenever_they_are_asked_for(
    store: ClickHouse,
) -> None:
    kept = [
        answered("harmful", 1, harmful=True, refused=False, **at(0, 1)),
        answered("refused", 2, harmful=False, refused=True, tenant=HOSTILE, **at(0, 2)),
        answered("as it should be", 3, harmful=True, refused=True, **at(0, 3)),
        answered("no policy", 4, harmful=False, refused=True, excerpt_policy="none", **at(0, 4)),
        answered("superseded", 6, harmful=True, refused=False, **at(0, 5)),
        answered("superseded", 5, harmful=True, refused=True, **at(0, 6)),
    ]
    await store.insert([one.to_bytes() for one in kept])
    await Rollups(store).refresh()

    found = await store.query("report_examples", each=3, chars=5, **LONG)

    assert [(row["kind"], row["event_id"], row["tenant"], len(row["prompt"]) <= 5) for row in found] == [
        ("harmful_answer", "harmful", "acme", True),
        ("over_refusal", "refused", HOSTILE, True),
    ]
    assert found == await store.query("report_examples", each=3, chars=5, **LONG)
    assert await store.query("report_examples", each=3, chars=5, **{**LONG, "tenant": HOSTILE}) == found[1:]


async def test_guards_are_told_from_when_to_when_also_after_a_rebuild(store: ClickHouse) -> None:
    second = msgspec.structs.replace(verdict("b", 40), guard_version="2")
    await store.insert([verdict("a", 1).to_bytes(), second.to_bytes()])
    await Rollups(store).refresh()

    found = await store.query("report_guards", **LONG)

    assert [(row["version"], row["events"], row["first_at"], row["last_at"]) for row in found] == [
        ("1", 1, NOW, NOW + QUARTER),
        ("2", 1, NOW + 2 * QUARTER, NOW + 3 * QUARTER),
    ]

    address = {
        variable("clickhouse", "url"): store._settings.url,
        variable("clickhouse", "database"): store._settings.database,
    }
    done = await watchkeeper(["rollups", "rebuild", "--since", "2d", "--json"], address)

    assert (done.code, json.loads(done.out)["quarters"]) == (0, 2), done.err
    assert await store.query("report_guards", **LONG) == found


async def test_every_panel_of_grafana_asks_what_the_store_can_answer(store: ClickHouse) -> None:
    """With all tenants, and with one whose name means to end the text it stands in; over no data, and over some, where nothing that
    shows rates is empty."""
    since, until = int((NOW - timedelta(hours=2)).timestamp()), int((NOW + timedelta(hours=2)).timestamp())

    async def answers(**chosen: list[str]) -> dict[str, list[dict[str, Any]]]:
        found = {}
        for place, statement in statements():
            result = await store._client.query(expand(statement, since=since, until=until, chosen=chosen))
            found[place] = list(result.named_results())
        return found

    await answers()
    asked = {"judge_decision": "asked", "judge_probability": 0.5}
    tenant = HOSTILE + " \\' OR 1=1) -- \\"
    await store.insert(
        [
            verdict(
                "a", 1, tenant=tenant, sampling_probability=0.5, prompt_harmful=False, **asked
            ).to_bytes(),
            verdict("b", 20, tenant=tenant, refused=False, **asked).to_bytes(),
            verdict("c", 40, category="benign").to_bytes(),
        ]
    )
    await store.insert_into("judgement_rows", [judged("a", care_domain="self_harm", care_overall=0.5)])
    await Rollups(store).refresh()

    for_all = await answers()
    (of_tenant,) = [one for one in variables("overview") if one["name"] == "tenant"]
    (column,) = for_all["overview: variable tenant"][0]
    offered = dict(choice(row[column], of_tenant) for row in for_all["overview: variable tenant"])
    assert offered["acme"] == "acme"
    assert set(offered) == {tenant, "acme"}

    of_one = await answers(tenant=[offered[tenant]])
    assert of_one["overview: Exchanges A"] == [{"exchanges": 2}]
    assert of_one["overview: Over-refusal A"] == [{"rate": 1.0}]
    assert [row["tenant"] for row in of_one["overview: Tenants and models A"]] == [tenant]
    (row,) = of_one["category: Compliance with harmful prompts by category A"]
    low, high = wilson(1, 1)
    assert (row["rate"], row["low"], row["high"]) == pytest.approx((1.0, low, high), abs=1e-3)
    assert [r["Refusal"] for r in of_one["overview: Refusal, over-refusal, compliance A"]] == [
        pytest.approx(2 / 3)
    ], "two quarters in one step of half an hour, the one that stands for two counted twice"
    (of_domain,) = of_one["category: Refusal quality by domain A"]
    assert (of_domain["domain"], of_domain["judged"], of_domain["mean"]) == ("self_harm", 1, 0.5)
    assert for_all["overview: Exchanges A"] == [{"exchanges": 3}]
    assert {place for place, rows_ in for_all.items() if not rows_} == {
        *("overview: Alerts A", "overview: Alerts of Watchkeeper", "category: Alerts of Watchkeeper"),
        *(
            "pipeline: Alerts of Watchkeeper",
            "pipeline: Dead letters by topic A",
            "pipeline: Windows of the watch A",
        ),
    }
