"""What the dashboard asks of the store, on the real engine, on whole values."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from monitor.adapters.clickhouse import LETTERS_TABLE, ClickHouse
from monitor.adapters.rollups import Rollups
from monitor.adapters.windows import WatchTables
from monitor.embedded.clickhouse import ClickHousePart
from monitor.recalibration.rows import calibration_row
from monitor.recalibration.signing import sign
from schemas.calibrations import SignedCalibration
from schemas.windows import Window, WindowCounts
from tests.stores import NOW, new_store, unanswered, verdict
from tests.unit.recalibration.calibrations import a_calibration

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
FLEET = "wk"
DAY: dict[str, Any] = {"since": NOW - HOUR, "until": NOW + 2 * HOUR}
ALL: dict[str, Any] = {"tile_us": 3_600_000_000, "is_one_tenant": False, "tenant": ""}
QUOTED = 'o\'neil \\ "x" <b>'
EVENTS = (
    verdict("a", 0, tenant="acme", model="m", category="benign", prompt_harmful=False, source_offset=0),
    verdict(
        "a", 1, tenant="acme", model="m", category="benign", prompt_harmful=False, source_offset=1
    ),  # a repeat
    verdict("b", 2, tenant=QUOTED, model="m", refused=False, response_harmful=True, source_offset=2),
    unanswered("c", 3, tenant="acme", model="n", source_offset=3),
    verdict("d", 61, tenant="acme", model="m", source_offset=4),
)


def counts(tenant: str, model: str, category: str, events: int, refused: int) -> WindowCounts:
    rest = dict.fromkeys(
        (
            "harmless",
            "harmless_refused",
            "harmful",
            "harmful_refused",
            "harmful_prompts",
            "harmful_responses",
        ),
        0,
    )
    return WindowCounts(
        tenant=tenant,
        model=model,
        category=category,
        guard_name="g",
        guard_version="1",
        guard_prompt_hash="",
        calibration_version=0,
        events=events,
        to_be_scored=events,
        answered=events,
        responded=events,
        refused=refused,
        **rest,
    )


def window(minutes: int, *rows: WindowCounts) -> Window:
    begins_at = NOW + minutes * MINUTE
    return Window(begins_at=begins_at, ends_at=begins_at + MINUTE, rows=rows, messages=10, dead_letters=1)


@pytest.fixture(scope="module")
async def store(clickhouse_part: ClickHousePart) -> AsyncIterator[ClickHouse]:
    async with new_store(clickhouse_part.address) as made:
        await made.insert([one.to_bytes() for one in EVENTS])
        await Rollups(made).refresh()
        tables = WatchTables(made, FLEET, "chat.logs")
        first = window(0, counts("acme", "m", "benign", 5, 1), counts(QUOTED, "m", "benign", 7, 2))
        await tables.close(first)
        await made.insert_into(
            "watch_windows", tables._rows(window(0, counts("acme", "m", "benign", 90, 90)))
        )  # too late
        await tables.close(window(1, counts("acme", "n", "benign", 3, 0)))
        await WatchTables(made, "other", "chat.logs").close(first)
        yield made


def cell(tile: int, model: str, category: str, **given: int) -> dict[str, Any]:
    names = (
        *(
            "events",
            "to_be_scored",
            "answered",
            "responded",
            "refused_n",
            "harmless",
            "harmless_refused",
            "harmful",
        ),
        *("harmful_refused", "harmful_prompts", "harmful_responses"),
    )
    return {"tile": tile, "model_key": model, "category_key": category} | dict.fromkeys(names, 0) | given


TILE = int(NOW.timestamp()) // 3600


async def test_cells_are_of_the_first_write_of_each_window_and_of_one_tenant_where_asked(
    store: ClickHouse,
) -> None:
    everything = await store.query("dashboard_cells", fleet=FLEET, **DAY, **ALL)
    one = await store.query(
        "dashboard_cells", fleet=FLEET, **DAY, **{**ALL, "is_one_tenant": True, "tenant": QUOTED}
    )

    same = {"to_be_scored": 12, "answered": 12, "responded": 12}
    assert everything == [
        cell(TILE, "m", "benign", events=12, refused_n=3, **same),
        cell(TILE, "n", "benign", events=3, to_be_scored=3, answered=3, responded=3),
    ]
    assert one == [cell(TILE, "m", "benign", events=7, to_be_scored=7, answered=7, responded=7, refused_n=2)]


async def test_cells_by_event_count_each_event_once_when_it_happened(store: ClickHouse) -> None:
    found = await store.query("dashboard_cells_by_event", **DAY, **ALL)

    ok = {"events": 1, "to_be_scored": 1, "answered": 1, "responded": 1}
    harmful = {"harmful": 1, "harmful_prompts": 1}
    assert found == [
        cell(TILE - 1, "m", "benign", **ok, refused_n=1, harmless=1, harmless_refused=1),
        cell(TILE, "m", "cyberattacks", **ok, **harmful, harmful_responses=1),
        cell(TILE, "n", "", events=1, to_be_scored=1),
        cell(TILE + 1, "m", "cyberattacks", **ok, **harmful, refused_n=1, harmful_refused=1),
    ]


async def test_names_come_by_traffic(store: ClickHouse) -> None:
    by_arrival = await store.query("dashboard_names", fleet=FLEET, **DAY, limit=1)
    by_event = await store.query("dashboard_names_by_event", **DAY, limit=10)

    assert [(row["kind"], row["name"]) for row in by_arrival] == [("model", "m"), ("tenant", "acme")]
    assert [(row["kind"], row["name"], row["exchanges"]) for row in by_event] == [
        ("model", "m", 3),
        ("model", "n", 1),
        ("tenant", "acme", 3),
        ("tenant", QUOTED, 1),
    ]


async def test_coverage_is_of_whole_windows(store: ClickHouse) -> None:
    found = await store.query("dashboard_coverage", fleet=FLEET, **DAY)
    nothing = await store.query("dashboard_coverage", fleet="nobody", **DAY)

    names = ("windows", "messages", "dead_letters", "events", "to_be_scored", "answered")
    assert [tuple(row[name] for name in names) for row in (*found, *nothing)] == [
        (2, 20, 2, 15, 15, 15),
        (0,) * 6,
    ]


@pytest.mark.parametrize(
    ("found", "more", "ids"),
    [
        ("any", {}, ["d", "c", "b", "a"]),
        ("any", {"tenants": [QUOTED]}, ["b"]),
        ("any", {"models": ["n"]}, ["c"]),
        ("any", {"categories": ["cyberattacks"]}, ["d", "b"]),
        ("any", {"limit": 2}, ["d", "c"]),
        ("any", {"tenants": ["nobody"]}, []),
        ("any", {"until": NOW + HOUR}, ["c", "b", "a"]),
        ("refused", {}, ["d", "a"]),
        ("over_refused", {}, ["a"]),
        ("complied", {}, ["b"]),
        ("harmful", {}, ["d", "b"]),
        ("unanswered", {}, ["c"]),
    ],
)
async def test_events_are_those_that_are_wanted_the_newest_first(
    store: ClickHouse, found: str, more: dict[str, Any], ids: list[str]
) -> None:
    assert await wanted(store, found=found, **more) == ids


async def wanted(store: ClickHouse, **asked: Any) -> list[str]:
    """The ids of the events that are wanted, as the page asks for them."""
    given = {"found": "any", **DAY, "limit": 10, "tenants": [], "models": [], "categories": [], **asked}
    hashes = [row["event_hash"] for row in await store.query("dashboard_event_ids", **given)]
    return [row["event_id"] for row in await store.query("dashboard_events_found", hashes=hashes, **given)]


async def test_a_rare_event_is_found_whenever_it_arrived_also_before_anything_is_counted(
    clickhouse_part: ClickHousePart,
) -> None:
    """Of quarters that are counted the rest is not read, and what came too lately to be counted is; what superseded another tells alone."""
    back = {**DAY, "since": NOW - timedelta(days=80), "limit": 2}
    async with new_store(clickhouse_part.address) as store:
        many = [
            verdict(f"e{number}", -number, tenant="acme", source_offset=number) for number in range(1, 200)
        ]
        rare = [
            verdict("rare 1", -60 * 24 * 70, tenant="rare", source_offset=300),
            verdict(
                "rare 2", -60 * 24 * 3, tenant="rare", occurred_at=NOW - timedelta(days=40), source_offset=301
            ),
            verdict("superseded", -7, tenant="rare", source_offset=303),
            verdict("superseded", -8, tenant="acme", source_offset=302),
        ]
        await store.insert([one.to_bytes() for one in (*many, *rare)])
        assert await wanted(store, tenants=["rare"], **{**back, "limit": 3}) == ["rare 2", "rare 1"]
        await Rollups(store).refresh()
        assert await wanted(store, tenants=["rare"], **{**back, "limit": 3}) == ["rare 2", "rare 1"]
        assert await wanted(store, **back) == ["e1", "e2"]
        await store.insert([verdict("rare 3", 1, tenant="rare", source_offset=304).to_bytes()])
        await Rollups(store).refresh()
        assert await wanted(store, tenants=["rare"], **back) == ["rare 3", "rare 2"]


async def test_an_event_is_found_by_its_id_whatever_is_in_it(store: ClickHouse) -> None:
    rows = await store.query("dashboard_events_of", ids=["b", "a", "'; DROP TABLE x --"])
    (one,) = await store.query("dashboard_event", id="b")

    assert [(row["event_id"], row["tenant_key"]) for row in rows] == [("b", QUOTED), ("a", "acme")]
    assert (one["tenant_key"], one["status"], one["source_offset"]) == (QUOTED, "ok", 2)
    assert await store.query("dashboard_event", id="'; DROP TABLE x --") == []
    assert await store.query("dashboard_judgement", id="b") == []


async def test_dead_letters_are_counted_by_reason_and_news_are_told(store: ClickHouse) -> None:
    before = await store.query("dashboard_news", fleet=FLEET)
    letter = {
        "source_topic": "chat.logs",
        "source_partition": 0,
        "source_offset": 9,
        "source_index": -1,
        "reason": "not_json",
        "arrived_at": NOW.isoformat(),
        "attempts": 1,
        "origin": "",
        "version": "0.1.0",
        "letter": "dlq/0/1",
        "written_at": NOW.isoformat(),
    }
    await store.insert_into(LETTERS_TABLE, [json.dumps(letter).encode()] * 2)
    await store.insert([verdict("z", 99).to_bytes()])

    assert await store.query("dashboard_letters", **DAY) == [
        {"reason_key": "not_json", "letters": 1, "newest_at": NOW}
    ]
    assert before[0]["windows_until"] == NOW + 2 * MINUTE
    assert await store.query("dashboard_news", fleet=FLEET) != before


async def test_calibrations_are_told_with_their_signed_records(store: ClickHouse) -> None:
    secret = b"of thirty-two bytes, for nobody!"
    value = sign(a_calibration(), "k1", secret).to_bytes()
    row = calibration_row(value, {"k1": secret}, partition=0, offset=3, timestamp_ms=0)
    await store.insert_into("calibration_rows", [row])

    (found,) = await store.query("dashboard_calibrations", fleet="watchkeeper", limit=10)
    assert SignedCalibration.from_bytes(found["signed"].encode()).calibration == a_calibration()
    assert await store.query("dashboard_calibrations", fleet="nobody", limit=10) == []
