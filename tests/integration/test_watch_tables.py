"""Closed windows and states of the watch on the real engine: counts are each event's once, and the first write counts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from monitor.adapters.clickhouse import ALERTS_TABLE, LETTERS_TABLE, ClickHouse, RowTable, connect
from monitor.adapters.windows import WatchTables
from monitor.dead_lettering import Origin, dead_letter
from monitor.drift.needs import HistoryNeed, Scope, SeasonNeed
from monitor.embedded.clickhouse import ClickHousePart
from monitor.recording import alert_row, dead_letter_row
from monitor.settings import ClickHouseSettings
from schemas.alerts import Alert, Source
from schemas.evidence import DriftEvidence, Interval, Stratum, WatchedBy
from schemas.windows import Window, WindowCounts
from tests.integration.test_clickhouse_queries import answered, at
from tests.stores import NOW, new_store, rows, unanswered

MINUTE = timedelta(minutes=1)
ALWAYS = (NOW - timedelta(days=400), NOW + timedelta(days=400))
LIVE = {"source_topic": "chat.logs"}


@pytest.fixture
async def store(clickhouse_part: ClickHousePart) -> AsyncIterator[ClickHouse]:
    async with new_store(clickhouse_part.address) as made:
        yield made


@pytest.fixture
def tables(store: ClickHouse) -> WatchTables:
    return WatchTables(store, "wk", "chat.logs")


def counts(**given: Any) -> WindowCounts:
    """A cell of acme's cyberattacks, as guard_lite sees it: zero but for what is given."""
    zero: dict[str, Any] = dict.fromkeys(WindowCounts.__struct_fields__, 0)
    cell = {"tenant": "acme", "model": "gpt-4o", "category": "cyberattacks"}
    guard = {"guard_name": "guard_lite", "guard_version": "1", "guard_prompt_hash": "0123456789abcdef"}
    return WindowCounts(**{**zero, **cell, **guard, **given})


def window(minute: int, *cells: WindowCounts, messages: int = 0, minutes: int = 1) -> Window:
    begins_at = NOW + minute * MINUTE
    return Window(
        begins_at=begins_at,
        ends_at=begins_at + minutes * MINUTE,
        rows=cells,
        messages=messages,
        dead_letters=0,
    )


async def all_of(tables: WatchTables) -> list[Window]:
    return [one async for one in tables.windows(*ALWAYS)]


async def letter(store: ClickHouse, partition: int, offset: int, minutes: float, index: int = -1) -> None:
    """A dead letter of this place becomes a row."""
    origin = Origin("chat.logs", partition, offset, None, b"what somebody typed", (), NOW + minutes * MINUTE)
    headers = dead_letter(origin, reason="not_json", detail="", version="1", index=index).headers
    row = dead_letter_row(
        headers,
        topic="chat.logs.dlq",
        partition=partition,
        offset=offset,
        timestamp_ms=int(NOW.timestamp() * 1000),
    )
    await RowTable(store, LETTERS_TABLE).insert([row])


async def test_a_window_counts_each_event_once_by_its_arrival_and_live_traffic_alone(
    store: ClickHouse, tables: WatchTables
) -> None:
    for one in (
        answered("a", 0.1, harmful=True, refused=True, **LIVE, **at(0, 0)),
        answered("b", 0.2, harmful=True, refused=False, **LIVE, **at(0, 1)),
        answered("a", 0.3, harmful=False, refused=False, **LIVE, **at(0, 2)),  # a producer's repeat
        answered("c", 0.4, harmful=False, refused=True, **LIVE, **at(0, 3, 0)),
        answered("d", 0.4, harmful=False, refused=None, **LIVE, **at(0, 3, 1)),
        unanswered("e", 0.5, **LIVE, **at(0, 4)),
        unanswered("f", 0.6, status="skipped", sampling_decision="sampled_out", **LIVE, **at(0, 5)),
        answered("g", 0.7, harmful=True, refused=True, source_topic="chat.logs.backfill", **at(0, 0)),
        answered("h", 1.0, harmful=True, refused=True, **LIVE, **at(0, 6)),
        answered(
            "a", 1.5, harmful=True, refused=True, **LIVE, **at(0, 7)
        ),  # another repeat, in the next window
        answered("i", 2.5, harmful=True, refused=True, guard_version="2", **LIVE, **at(0, 8)),
        answered("j", 2.6, harmful=True, refused=True, calibration_version=3, **LIVE, **at(0, 9)),
    ):
        await store.insert([one.to_bytes()])
    await letter(store, 1, 0, 0.1)
    await letter(store, 1, 0, 0.1)  # written twice
    await letter(store, 0, 3, 0.4, index=2)  # an exchange of a message that is read but for that
    await letter(store, 1, 1, 2.0)

    found = await tables.count(NOW, NOW + 4 * MINUTE, MINUTE)

    asked = {"events": 1, "to_be_scored": 1, "answered": 1}
    refused = counts(
        **asked, responded=1, refused=1, harmful=1, harmful_refused=1, harmful_prompts=1
    )  # fmt: skip
    first = (
        counts(category="", events=2, to_be_scored=1),
        counts(
            category="benign", events=2, to_be_scored=2, answered=2, responded=1, refused=1, harmless=1, harmless_refused=1
        ),
        counts(
            events=2, to_be_scored=2, answered=2, responded=2, refused=1, harmful=2, harmful_refused=1, harmful_prompts=2,
            harmful_responses=1,
        ),
    )  # fmt: skip
    replace = msgspec.structs.replace
    assert found == [
        Window(begins_at=NOW, ends_at=NOW + MINUTE, rows=first, messages=7, dead_letters=1),
        window(1, refused, messages=2),
        replace(
            window(
                2, replace(refused, calibration_version=3), replace(refused, guard_version="2"), messages=3
            ),
            dead_letters=1,
        ),
        window(3),
    ]


async def test_windows_that_do_not_begin_on_the_grid_are_cut_at_it(tables: WatchTables) -> None:
    found = await tables.count(NOW + 0.5 * MINUTE, NOW + 2.5 * MINUTE, MINUTE)
    assert [(one.begins_at - NOW) / MINUTE for one in found] == [0.5, 1, 2]
    assert [(one.ends_at - NOW) / MINUTE for one in found] == [1, 2, 2.5]


async def test_the_first_write_of_a_window_counts_and_another_changes_nothing(
    store: ClickHouse, tables: WatchTables
) -> None:
    first = window(0, counts(events=5), counts(category="", events=1), messages=6)
    await tables.close(first)
    await tables.close(first)
    await tables.close(window(0, counts(events=6), counts(tenant="globex", events=9), messages=15))
    await tables.close(window(0, minutes=60))
    await tables.close(window(1))

    assert await all_of(tables) == [msgspec.structs.replace(first, rows=first.rows[::-1]), window(1)]
    assert await rows(store, "SELECT count() FROM watch_windows") == [(4,)]
    assert await tables.last_end() == NOW + 2 * MINUTE


async def test_of_many_that_write_at_once_one_wins_whole(store: ClickHouse, tables: WatchTables) -> None:
    for minute in range(15):
        await asyncio.gather(
            *(
                tables.close(
                    window(
                        minute,
                        *(counts(category=f"{n}", events=writer) for n in range(20)),
                        messages=20 * writer,
                    )
                )
                for writer in range(1, 7)
            )
        )
    standing = await all_of(tables)
    assert len(standing) == 15
    for one in standing:
        assert {20 * row.events for row in one.rows} == {one.messages}
        assert len(one.rows) == 20


async def test_a_write_that_comes_after_the_engine_was_killed_changes_nothing_either(
    new_clickhouse: Callable[[], ClickHousePart],
) -> None:
    part = new_clickhouse()
    await part.start()
    settings = ClickHouseSettings(url=part.address, database="watchkeeper_killed")
    async with await connect(settings) as store:
        await store.migrate()
        await WatchTables(store, "wk", "chat.logs").close(window(0, counts(events=5)))
    await part.kill()
    await part.start()
    async with await connect(settings) as store:
        tables = WatchTables(store, "wk", "chat.logs")
        await tables.close(window(0, counts(events=6)))
        assert await all_of(tables) == [window(0, counts(events=5))]


async def test_where_two_writes_stand_all_the_same_readers_take_the_first_whole(
    store: ClickHouse, tables: WatchTables
) -> None:
    """A server that has forgotten the token, or a table that was put together from two."""
    await tables.close(window(0, counts(events=5), messages=5))
    await store._client.command(
        "INSERT INTO watch_windows SELECT * REPLACE ('another' AS write_id, written_at + INTERVAL 1 HOUR AS written_at, "
        "events * 2 AS events, messages * 2 AS messages) FROM watch_windows"
    )
    assert await rows(store, "SELECT count() FROM watch_windows") == [(4,)]
    assert await all_of(tables) == [window(0, counts(events=5), messages=5)]
    need = HistoryNeed(Scope(), NOW, NOW + MINUTE)
    assert await tables.history(need) == (window(0, counts(events=5), messages=5),)


async def test_windows_of_another_fleet_are_its_own(store: ClickHouse, tables: WatchTables) -> None:
    other = WatchTables(store, "other", "chat.logs")
    await tables.close(window(0, messages=1))
    await other.close(window(0, messages=2))
    await other.keep(NOW, b"theirs", slot=0)

    assert await all_of(tables) == [window(0, messages=1)]
    assert await all_of(other) == [window(0, messages=2)]
    assert await tables.checkpoints() == []


async def test_windows_come_in_order_however_far_apart_and_none_overlaps(tables: WatchTables) -> None:
    chance = random.Random(3)
    minutes = sorted(chance.sample(range(-100_000, 0), 40))
    for minute in chance.sample(minutes, len(minutes)):
        await tables.close(window(minute, counts(events=abs(minute))))
    assert await all_of(tables) == [window(minute, counts(events=abs(minute))) for minute in minutes]
    assert [one async for one in tables.windows(NOW + minutes[3] * MINUTE, NOW + minutes[5] * MINUTE)] == [
        window(minute, counts(events=abs(minute))) for minute in minutes[3:5]
    ]

    await tables.close(window(0, minutes=10, messages=1))
    await tables.close(window(5, messages=2))  # by somebody with another width
    assert [one.messages for one in await all_of(tables) if one.begins_at >= NOW] == [1]


async def test_history_is_by_hours_then_by_minutes_then_as_it_was_closed(tables: WatchTables) -> None:
    globex = counts(tenant="globex", events=7)
    for minute in (-3000, -2999, -2998, -600, -90):
        await tables.close(window(minute, counts(events=1), globex, messages=8))
    half = timedelta(seconds=30)
    for number in range(4):
        begins_at = NOW - 4 * half + number * half
        await tables.close(
            Window(
                begins_at=begins_at,
                ends_at=begins_at + half,
                rows=(counts(events=1), globex),
                messages=8,
                dead_letters=1,
            )
        )
    need = HistoryNeed(Scope("acme", None, "cyberattacks"), NOW - timedelta(days=30), NOW)
    found = await tables.history(need)

    assert [((one.begins_at - NOW) / MINUTE, (one.ends_at - NOW) / MINUTE) for one in found] == [
        *((-3000, -2997), (-600, -599), (-90, -89)),
        *((-2, -1.5), (-1.5, -1), (-1, -0.5), (-0.5, 0)),
    ]
    assert found[0] == window(-3000, counts(events=3), messages=24, minutes=3)
    assert all(row.tenant == "acme" for one in found for row in one.rows)
    everything = await tables.history(SeasonNeed(NOW - timedelta(days=30), NOW))
    assert [sum(row.events for row in one.rows) for one in everything] == [24, 8, 8, 32]
    assert [one.dead_letters for one in everything] == [0, 0, 0, 4]
    nobody = await tables.history(HistoryNeed(Scope("nobody"), NOW - timedelta(days=30), NOW))
    assert [(len(one.rows), one.messages) for one in nobody] == [(0, one.messages) for one in found]
    assert await tables.history(HistoryNeed(Scope(), NOW, NOW)) == ()


def evidence(measure: str, **given: Any) -> DriftEvidence:
    one = Interval(1.0, 0.5, 2.0)
    fields: dict[str, Any] = {
        "measure": measure, "direction": "up", "window_begins_at": NOW + 59 * MINUTE, "window_ends_at": NOW + 60 * MINUTE,
        "k": 1, "n": 2, "expected": 0.5, "crossing": 1.1, "changed_at": NOW, "changed_from": NOW, "changed_until": NOW,
        "odds_ratio": one, "rate_before": one, "rate_after": one, "rate_change": one, "strata": [], "mix": None, "also": [],
        "event_ids": [], "query": "", "series": [], "planning": None, "watched_by": WatchedBy("guard_lite", "1", "", 0),
        "budget_per_month": 2.0, **given,
    }  # fmt: skip
    return DriftEvidence(**fields)


def alert(drift: DriftEvidence | None, **place: str) -> Alert:
    return Alert(
        id="a1", fleet="wk", kind="rate_shift", severity="warning", state="firing", started_at=NOW, at=NOW, ended_at=None,
        title="refusals rose", place=place, facts={"k": 3.0, "why": "x"}, remedy="look", source=Source("w", "1"), drift=drift,
    )  # fmt: skip


async def ids(tables: WatchTables, drift: DriftEvidence | None, **place: str) -> set[str]:
    return set(await tables.event_ids(alert(drift, **place)))


async def test_an_alert_names_events_that_it_is_about(store: ClickHouse, tables: WatchTables) -> None:
    for one in (
        answered("a", 1, harmful=True, refused=True, **LIVE, **at(0, 0)),
        answered("b", 2, harmful=True, refused=False, **LIVE, **at(0, 1)),
        answered("c", 3, harmful=False, refused=True, **LIVE, **at(0, 2)),
        answered("d", 4, harmful=False, refused=True, tenant="globex", **LIVE, **at(0, 3)),
        unanswered("e", 5, **LIVE, **at(0, 4)),
        answered("f", 70, harmful=True, refused=True, **LIVE, **at(0, 5)),  # after it crossed
        answered("g", 6, harmful=True, refused=True, source_topic="chat.logs.backfill", **at(0, 0)),
    ):
        await store.insert([one.to_bytes()])
    await letter(store, 1, 5, 3)

    assert await ids(tables, evidence("refusal")) == {"a", "c", "d"}
    assert await ids(tables, evidence("refusal"), tenant="acme") == {"a", "c"}
    assert await ids(tables, evidence("refusal", direction="down"), tenant="acme") == {"b"}
    assert await ids(tables, evidence("over_refusal"), tenant="acme", category="benign") == {"c"}
    assert await ids(tables, evidence("under_refusal")) == {"b"}
    assert await ids(tables, evidence("prompt_harm")) == {"a", "b"}
    assert await ids(tables, evidence("response_harm")) == {"b"}
    assert await ids(tables, evidence("coverage")) == {"e"}
    assert await ids(tables, evidence("mix", direction="down"), category="benign") == {"c", "d"}
    assert await ids(tables, evidence("volume"), tenant="globex") == {"d"}
    assert await ids(tables, evidence("dead_letters")) == {"chat.logs/1/5"}
    assert await ids(tables, None) == set()
    stratum = Stratum(
        tenant="globex",
        model="gpt-4o",
        category="benign",
        k=1,
        n=1,
        expected=0.1,
        evidence=3,
        is_affected=True,
    )
    other = msgspec.structs.replace(stratum, tenant="acme", is_affected=False)
    assert await ids(tables, evidence("refusal", strata=[stratum, other])) == {"d"}


async def test_few_events_are_named_and_always_the_same(store: ClickHouse, tables: WatchTables) -> None:
    many = [answered(f"e{n}", n / 10, harmful=True, refused=True, **LIVE, **at(0, n)) for n in range(100)]
    await store.insert([one.to_bytes() for one in many])
    named = await tables.event_ids(alert(evidence("refusal")))
    assert len(named) == 10
    assert named == await tables.event_ids(alert(evidence("refusal")))


async def test_states_are_kept_by_slot_and_the_one_that_goes_furthest_comes_first(
    store: ClickHouse, tables: WatchTables
) -> None:
    for number in range(20):
        await tables.keep(NOW + number * MINUTE, bytes([number, 0, 255]), slot=number % 8)
    await tables.keep(NOW, b"rebuilt", slot=3)

    checkpoints = await tables.checkpoints()
    assert [(one.position - NOW) / MINUTE for one in checkpoints] == [18, 17, 16, 15, 14, 13, 12, 0]
    assert [await tables.state(one) for one in (checkpoints[0], checkpoints[-1])] == [
        b"\x12\x00\xff",
        b"rebuilt",
    ]
    gone = checkpoints[1]
    await tables.keep(NOW + 99 * MINUTE, b"newer", slot=gone.slot)
    assert await tables.state(gone) is None
    await store._client.command(
        "INSERT INTO watch_states (fleet, slot, position, state) VALUES ('wk', 1, now64(), '*')"
    )
    damaged = next(one for one in await tables.checkpoints() if one.slot == 1)
    assert await tables.state(damaged) is None


async def test_an_alert_stands_as_its_newest_record_with_its_evidence_whole(store: ClickHouse) -> None:
    drift = evidence("refusal", strata=[], event_ids=["a", "b"])
    began = alert(drift, tenant="acme", measure="refusal")
    over = msgspec.structs.replace(began, state="resolved", ended_at=NOW + MINUTE, at=NOW + MINUTE)
    health = msgspec.structs.replace(began, id="h1", drift=None, kind="worker_silent")
    table = RowTable(store, ALERTS_TABLE)
    for offset, one in ((5, over), (4, began), (6, health), (4, began)):
        row = alert_row(one.to_bytes(), partition=0, offset=offset, timestamp_ms=_ms(NOW) + offset)
        await table.insert([row])

    assert await rows(store, "SELECT count() FROM alert_rows FINAL") == [(3,)]
    found = {row["id"]: row for row in (await store._client.query("SELECT * FROM alerts")).named_results()}
    assert {id_: row["state"] for id_, row in found.items()} == {"a1": "resolved", "h1": "firing"}
    assert msgspec.json.decode(found["a1"]["evidence"], type=DriftEvidence) == drift
    assert found["a1"]["place"] == {"tenant": "acme", "measure": "refusal"}
    assert msgspec.json.decode(found["a1"]["facts"]) == {"k": 3.0, "why": "x"}
    assert (found["a1"]["ended_at"], found["h1"]["ended_at"]) == (NOW + MINUTE, None)
    assert (found["h1"]["evidence"], found["h1"]["worker"], found["h1"]["log_offset"]) == ("", "w", 6)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


async def test_a_bad_place_is_a_row_once_and_holds_nothing_that_somebody_typed(store: ClickHouse) -> None:
    for _ in range(3):
        await letter(store, 1, 5, 3)
    await letter(store, 1, 5, 3, index=2)

    assert await rows(
        store,
        "SELECT source_topic, source_partition, source_offset, source_index, reason FROM dead_letters ORDER BY source_index",
    ) == [
        ("chat.logs", 1, 5, -1, "not_json"),
        ("chat.logs", 1, 5, 2, "not_json"),
    ]
    assert "typed" not in str(await rows(store, "SELECT * FROM dead_letter_rows"))


async def test_windows_of_very_many_cells_are_whole_and_read_one_by_one(tables: WatchTables) -> None:
    many = tuple(counts(tenant=f"t{n:06d}", events=n) for n in range(100_000))
    few = counts(events=1)
    await tables.close(window(0, few))
    await tables.close(window(1, *many, messages=5))
    await tables.close(window(1, few))
    await tables.close(window(2, few))

    found = [one async for one in tables.windows(*ALWAYS)]
    assert [len(one.rows) for one in found] == [1, 100_000, 1]
    assert found[1] == window(1, *many, messages=5)
