"""Every query on the real engine, on whole values; and counts that no re-delivery changes."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from monitor.adapters.clickhouse import ClickHouse
from monitor.embedded.clickhouse import ClickHousePart
from monitor.rates import RATE_NAMES, Dimension, rates
from monitor.store import sql
from schemas.events import Verdict
from tests.fakes.store import FakeStore
from tests.stores import NOW, new_store, rows, unanswered, verdict

ROOT = Path(__file__).resolve().parents[2]
HOUR = timedelta(hours=1)
WINDOW: dict[str, Any] = {"since": NOW, "until": NOW + HOUR}
WHOLE = {"window_s": 3600, "by_window": False, "by_tenant": False, "by_model": False, "by_category": False}


@pytest.fixture
async def store(clickhouse_part: ClickHousePart) -> AsyncIterator[ClickHouse]:
    async with new_store(clickhouse_part.address) as made:
        yield made


@pytest.fixture(scope="module")
async def filled(clickhouse_part: ClickHousePart) -> AsyncIterator[ClickHouse]:
    """A store that holds FIXTURE. Leave it as it is."""
    async with new_store(clickhouse_part.address) as made:
        for one in FIXTURE:
            await made.insert([one.to_bytes()])
        yield made


def answered(event_id: str, minutes: float, *, harmful: bool, refused: bool | None, **given: Any) -> Verdict:
    """An exchange the guard judged: an answer to a harmful prompt is harmful. `refused` None: it has no response."""
    figures: dict[str, Any] = {
        "prompt_harmful": harmful,
        "prompt_harm": 0.9 if harmful else 0.1,
        "refused": refused,
        "refusal": 0.8 if refused else 0.2,
        "response_harmful": harmful and not refused,
        "response_harm": 0.7 if harmful and not refused else 0.05,
        "category": "cyberattacks" if harmful else "benign",
    }
    if refused is None:
        figures |= dict.fromkeys(("refusal", "response_harm", "response_harmful"))
    return verdict(event_id, minutes, has_response=refused is not None, **figures, **given)


def at(partition: int, offset: int, index: int = 0) -> dict[str, int]:
    return {"source_partition": partition, "source_offset": offset, "source_index": index}


FIXTURE = (
    answered("a", 0, harmful=True, refused=True, **at(0, 0)),
    answered("b", 1, harmful=True, refused=False, **at(0, 1)),
    answered("a", 2, harmful=False, refused=False, **at(0, 2)),  # a producer's repeat, with another content
    unanswered("c", 3, status="skipped", sampling_decision="sampled_out", **at(0, 3)),
    answered("d", 4, harmful=False, refused=True, tenant="globex", sampling_probability=0.25, **at(0, 4, 0)),
    unanswered("e", 5, **at(0, 4, 1)),
    unanswered("f", 6, status="unknown", model="gpt-5", **at(0, 5)),
    answered("g", 7, harmful=True, refused=None, **at(1, 0)),
    answered("h", 70, harmful=False, refused=False, **at(1, 1)),  # beyond the window
    answered("b", 8, harmful=True, refused=True, **at(1, 2)),  # a repeat on another partition
)


async def _harmless_refusals(store: ClickHouse) -> object:
    given: dict[str, Any] = {
        "since": NOW - HOUR,
        "until": NOW + 2 * HOUR,
        "split_at": NOW + HOUR,
        "model": "gpt-4o",
    }
    return {
        tenant: await store.query("harmless_refusals_by_hour", tenant=tenant, **given)
        for tenant in ("acme", "globex")
    }


async def _labels(store: ClickHouse) -> object:
    return await store.query("labels", ids=["a", "e", "g", "nobody", "'; DROP TABLE x --"])


async def _recent(store: ClickHouse) -> object:
    found = await store.query("recent_verdicts", since=NOW + timedelta(minutes=4), limit=3)
    whole = {
        key: value for key, value in found[1].items() if key not in ("prompt_excerpt", "response_excerpt")
    }
    return [row["event_id"] for row in found], whole


async def _shift_of_cell(store: ClickHouse) -> object:
    found = await store.query(
        "shift_of_cell", tenant="acme", model="gpt-4o", category="", split_at=NOW + HOUR, until=NOW + HOUR
    )
    return [row for row in found if row["is_after"]] + [
        await store.query("shift_of_cell", tenant="nobody", model="", category="", split_at=NOW, until=NOW)
    ]


async def _window_size(store: ClickHouse) -> object:
    (row,) = await store.query("window_size", **WINDOW)
    return row["arrived"], 8 <= row["stored"] <= 10  # a merge may have dropped the two repeats


def _positions(partition: int, below: int) -> Callable[[ClickHouse], Awaitable[object]]:
    async def ask(store: ClickHouse) -> object:
        return await store.query(
            "account_positions", topic="chat.logs", partition=partition, from_offset=0, below_offset=below
        )

    return ask


def _label(event_id: str, status: str, *values: object) -> dict[str, Any]:
    names = (
        "prompt_harmful",
        "refused",
        "response_harmful",
        "prompt_harm",
        "refusal",
        "response_harm",
        "category",
    )
    return {"event_id": event_id, "status": status, **dict(zip(names, values, strict=True))}


def _sums(**given: float) -> dict[str, Any]:
    """A row of rates.sql over everything: zero but for what is given; `x=(n, d, w2)` sets three."""
    row: dict[str, Any] = dict.fromkeys(("window_start", "tenant_key", "model_key", "category_key"))
    return row | given


# a refused, b complied with, g has no response, d refused and stands for 4 exchanges; e and f have no answer.
RATES_OF_FIXTURE = [
    _sums(
        events=7, answered=4, to_be_scored=6,
        refusal_n=5.0, refusal_d=6.0, refusal_w2=18.0,
        over_refusal_n=4.0, over_refusal_d=4.0, over_refusal_w2=16.0,
        under_refusal_n=1.0, under_refusal_d=2.0, under_refusal_w2=2.0,
        prompt_harm_n=3.0, prompt_harm_d=7.0, prompt_harm_w2=19.0,
        response_harm_n=1.0, response_harm_d=6.0, response_harm_w2=18.0,
    )
]  # fmt: skip

ANSWERS: dict[str, tuple[Callable[[ClickHouse], Awaitable[object]], object]] = {
    "account_positions": (_positions(0, 10), [{"positions": 7, "stored": 5, "sampled_out": 1, "repeats": 1}]),
    "account_positions of a part": (
        _positions(1, 2),
        [{"positions": 2, "stored": 2, "sampled_out": 0, "repeats": 0}],
    ),
    "account_positions with a repeat": (
        _positions(1, 3),
        [{"positions": 3, "stored": 2, "sampled_out": 0, "repeats": 1}],
    ),
    "account_positions of nothing": (
        _positions(7, 10),
        [{"positions": 0, "stored": 0, "sampled_out": 0, "repeats": 0}],
    ),
    "applied_migrations": (
        lambda store: store.query("applied_migrations"),
        [{"version": m.version, "name": m.name, "checksum": m.checksum} for m in sql.migrations()],
    ),
    "harmless_refusals_by_hour": (
        _harmless_refusals,
        {
            "acme": [{"hour": NOW + HOUR, "is_after": True, "refused_n": 0, "answered": 1}],
            "globex": [{"hour": NOW, "is_after": False, "refused_n": 1, "answered": 1}],
        },
    ),
    "labels": (
        _labels,
        [
            _label("a", "ok", True, True, False, 0.9, 0.8, 0.05, "cyberattacks"),
            _label("e", "error", None, None, None, None, None, None, ""),
            _label("g", "ok", True, None, None, 0.9, None, None, "cyberattacks"),
        ],
    ),
    "rates": (lambda store: store.query("rates", **WINDOW, **WHOLE), RATES_OF_FIXTURE),
    "rates_of_window": (lambda store: store.query("rates_of_window", **WINDOW, **WHOLE), RATES_OF_FIXTURE),
    "recent_verdicts": (
        _recent,
        (
            ["h", "g", "f"],
            {
                **_label("g", "ok", True, None, None, 0.9, None, None, "cyberattacks"),
                "tenant": "acme",
                "model": "gpt-4o",
                "arrived_at": NOW + timedelta(minutes=7),
                "occurred_at": NOW + timedelta(minutes=7, seconds=-2),
            },
        ),
    ),
    "shift_of_cell": (
        _shift_of_cell,
        [
            {
                "is_after": True,
                "first_arrived_at": NOW + timedelta(minutes=70),
                "exchanges": 1,
                "exchanges_until": 0,
                "responded": 1,
                "refused_n": 0,
                "harmless": 1,
                "harmless_refused": 0,
            },
            [],
        ],
    ),
    "window_size": (_window_size, (9, True)),
}

APPLIED_ELSEWHERE = {"create_schema_migrations", "record_migration"}
"""Statements that `migrate` runs: tests/integration/test_clickhouse_store.py."""
OF_JUDGEMENTS = {"judged_patterns", "judged_patterns_of_window"}
"""tests/integration/test_judged_patterns.py."""
OF_THE_WATCH = {
    *(
        "watch_cells",
        "watch_messages",
        "watch_windows",
        "watch_sizes",
        "watch_last_window",
        "watch_history",
    ),
    *("watch_states", "watch_state", "watch_event_ids", "watch_dead_places"),
}
"""tests/integration/test_watch_tables.py."""
OF_LIVE_ANCHORS = {"audit_live_candidates"}
"""tests/integration/test_audit_commands.py."""
OF_ROLLUPS = {
    *("copy_occurrences", "note_moved", "note_all_moved", "find_repeated"),
    *("count_quarters", "count_quality", "count_patterns"),
    *("rollup_marks", "rollup_written", "rollup_touched", "rollup_quarters", "rollup_sizes"),
    *("report_days", "report_reach", "report_guards", "report_refusal_quality", "report_examples"),
    "report_patterns",
}
"""tests/integration/test_rollups.py, test_rollup_readers.py, test_patterns.py."""
OF_REPORTS = {
    "report_alerts",
    "report_dead_letters",
    "report_judged",
    "report_deliveries",
    "report_audits",
    "report_calibrations",
}
"""tests/integration/test_report.py, test_report_borders.py."""
OF_BACKTESTS = {"history_range", "watch_cells_by_occurrence"}
"""tests/integration/test_past_windows.py."""

OF_AUDITS = {
    *("audit_list", "audit_record", "audit_history", "audit_last_steps", "audit_step", "audit_steps_of_ids"),
    *("audit_last_of_series", "audit_draws", "audit_references"),
}
"""tests/integration/test_audit_tables.py."""
OF_THE_DASHBOARD = {
    *(
        "dashboard_cells",
        "dashboard_cells_by_event",
        "dashboard_names",
        "dashboard_names_by_event",
        "dashboard_coverage",
    ),
    *(
        "dashboard_event_ids",
        "dashboard_events_of",
        "dashboard_events_found",
        "dashboard_event",
        "dashboard_judgement",
        "dashboard_letters",
    ),
    *("dashboard_news", "dashboard_calibrations"),
}
"""tests/integration/test_dashboard_queries.py."""
OF_CALIBRATIONS = {"calibration_logged", "calibration_newest"}
"""tests/integration/test_logged_prompts.py, test_recalibration.py."""


def test_every_query_has_a_test() -> None:
    files = {path.stem for path in (ROOT / "monitor" / "store" / "queries").glob("*.sql")}

    elsewhere = (
        APPLIED_ELSEWHERE
        | OF_JUDGEMENTS
        | OF_THE_WATCH
        | OF_ROLLUPS
        | OF_REPORTS
        | OF_BACKTESTS
        | OF_LIVE_ANCHORS
        | OF_AUDITS
        | OF_CALIBRATIONS
        | OF_THE_DASHBOARD
    )
    assert {name.split()[0] for name in ANSWERS} | elsewhere == files


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_query_gives_these_rows(filled: ClickHouse, name: str) -> None:
    ask, expected = ANSWERS[name]

    assert await ask(filled) == expected


@pytest.mark.parametrize("name", sql.examples())
async def test_an_example_of_the_document_runs(filled: ClickHouse, name: str) -> None:
    await filled._client.query(sql.examples()[name])


@pytest.mark.parametrize("query", ["rates", "rates_of_window"])
async def test_a_repeat_inside_the_window_does_not_bring_in_an_event_from_before_it(
    store: ClickHouse, query: str
) -> None:
    """And a repeat after the window takes no event out of it."""
    before, within, after = verdict("a", -5), verdict("a", 5), verdict("a", 65)
    await store.insert([within.to_bytes()])
    counts = [row["events"] for row in await store.query(query, **WINDOW, **WHOLE)]
    await store.insert([after.to_bytes()])
    counts += [row["events"] for row in await store.query(query, **WINDOW, **WHOLE)]
    await store.insert([before.to_bytes()])
    counts += [row["events"] for row in await store.query(query, **WINDOW, **WHOLE)]

    assert counts == [1, 1]


BY: tuple[Sequence[Dimension], ...] = ((), ("category",), ("window", "tenant", "model", "category"))


def deliveries(chance: random.Random) -> list[Verdict]:
    """Of 120 events, one to five deliveries each: at any place, arrival, tenant; judged this way or that, or not at all."""
    made = []
    for number in range(120):
        for _ in range(chance.randint(1, 5)):
            place: dict[str, Any] = {
                **at(chance.randrange(4), chance.randrange(1000), chance.randrange(3)),
                "tenant": chance.choice(("acme", "globex")),
                "model": chance.choice(("gpt-4o", "gpt-5")),
                "sampling_probability": chance.choice((1.0, 0.5, 0.25)),
            }
            minutes = chance.choice((chance.randrange(-60, 120), chance.randrange(-60, 120) + 0.5))
            status = chance.choice(("ok", "ok", "ok", "error", "unknown", "skipped"))
            if status != "ok":
                made.append(unanswered(f"e{number}", minutes, status=status, **place))
                continue
            refused = chance.choice((True, True, False, False, None))
            made.append(
                answered(f"e{number}", minutes, harmful=chance.random() < 0.5, refused=refused, **place)
            )
    return made


async def deliver(store: ClickHouse, verdicts: Sequence[Verdict], chance: random.Random) -> None:
    """In any order, in blocks of any size, some of them more than once, with merges in between."""
    order = chance.sample(verdicts, len(verdicts))
    while order:
        size = chance.randint(1, 60)
        block = [one.to_bytes() for one in order[:size]]
        order = order[size:]
        for _ in range(chance.choice((1, 1, 2))):
            await store.insert(block)
        if chance.random() < 0.2:
            await store._client.command(f"OPTIMIZE TABLE {chance.choice(('verdict_rows', 'arrivals'))} FINAL")


def tally(verdicts: Sequence[Verdict], by: Sequence[Dimension]) -> dict[tuple[object, ...], dict[str, float]]:
    """The rates' sums, counted one by one: the definitions of the architecture in Python."""
    cells: dict[tuple[object, ...], dict[str, float]] = {}
    for one in verdicts:
        if not NOW <= one.arrived_at < NOW + HOUR:
            continue
        window = one.arrived_at.replace(minute=one.arrived_at.minute // 15 * 15, second=0, microsecond=0)
        keys = {"window": window, "tenant": one.tenant, "model": one.model, "category": one.category}
        key = tuple(value if name in by else None for name, value in keys.items())
        cell = cells.setdefault(key, dict.fromkeys(("events", "answered", *_parts()), 0.0))
        cell["events"] += 1
        if one.status != "ok":
            continue
        cell["answered"] += 1
        questions: dict[str, bool | None] = {"prompt_harm": one.prompt_harmful}
        if one.has_response:
            questions |= {"refusal": one.refused, "response_harm": one.response_harmful}
            kind = "under_refusal" if one.prompt_harmful else "over_refusal"
            questions[kind] = not one.refused if one.prompt_harmful else one.refused
        for name, is_positive in questions.items():
            cell[f"{name}_d"] += 1 / one.sampling_probability
            cell[f"{name}_n"] += 1 / one.sampling_probability if is_positive else 0
    return cells


def _parts() -> list[str]:
    return [f"{name}_{part}" for name in RATE_NAMES for part in ("n", "d")]


async def counted(store: ClickHouse, by: Sequence[Dimension]) -> dict[tuple[object, ...], dict[str, float]]:
    """The same from the store."""
    return {
        (row.window_start, row.tenant, row.model, row.category): {
            "events": row.events,
            "answered": row.answered,
            **{f"{rate.name}_n": rate.numerator for rate in row.rates},
            **{f"{rate.name}_d": rate.denominator for rate in row.rates},
        }
        for row in await rates(store, by=by, since=NOW, until=NOW + HOUR, window_s=900)
    }


@pytest.mark.parametrize("seed", range(4))
async def test_counts_and_rates_depend_on_what_was_delivered_alone(
    store: ClickHouse, clickhouse_part: ClickHousePart, seed: int
) -> None:
    """Neither on order, nor on blocks, retries or merges; and a window is the same looked up as read through."""
    chance = random.Random(seed)
    verdicts = deliveries(chance)
    oracle = FakeStore()
    await oracle.insert([one.to_bytes() for one in verdicts])
    await deliver(store, verdicts, chance)
    everything = "SELECT * FROM verdicts ORDER BY event_id"

    assert await rows(store, "SELECT count(), uniqExact(event_id) FROM verdicts") == [(120, 120)]
    kept = "SELECT event_id, arrived_at, source_partition, source_offset, source_index FROM verdicts"
    assert {row[0]: row[1:] for row in await rows(store, kept)} == {
        one.event_id: (one.arrived_at, one.source_partition, one.source_offset, one.source_index)
        for one in oracle.kept.values()
    }
    for by in BY:
        assert await counted(store, by) == tally(list(oracle.kept.values()), by)
        cells = {
            **WINDOW,
            "window_s": 900,
            **{f"by_{key}": key in by for key in ("window", "tenant", "model", "category")},
        }
        assert await store.query("rates", **cells) == await store.query("rates_of_window", **cells)

    async with new_store(clickhouse_part.address) as other:
        await deliver(other, verdicts + chance.sample(verdicts, 50), chance)
        assert await rows(other, everything) == await rows(store, everything)
        for by in BY:
            assert await counted(other, by) == await counted(store, by)


async def test_a_retry_fills_in_the_places_that_a_crash_between_the_tables_left_out(
    store: ClickHouse,
) -> None:
    """There is no transaction over both: an insert that stopped between them was never acknowledged."""
    block = [verdict(f"e{n}", n, **at(0, n)).to_bytes() for n in range(20)]
    await store._client.command("DETACH TABLE arrivals_feed SYNC")
    await store.insert(block)
    await store._client.command("ATTACH TABLE arrivals_feed")
    assert await rows(store, "SELECT count() FROM arrivals") == [(0,)]

    await store.insert(block)

    assert await rows(store, "SELECT count(), uniqExact(event_id) FROM verdicts") == [(20, 20)]
    assert await _positions(0, 100)(store) == [
        {"positions": 20, "stored": 20, "sampled_out": 0, "repeats": 0}
    ]
    sums = await store.query("rates_of_window", **WINDOW, **WHOLE)
    assert sums == await store.query("rates", **WINDOW, **WHOLE)
    assert [row["events"] for row in sums] == [20]


async def test_the_account_of_places_is_the_same_however_often_they_are_stored(store: ClickHouse) -> None:
    chance = random.Random(7)
    verdicts = [verdict(f"e{n % 30}", n, **at(n % 2, n // 2)) for n in range(50)]

    async def positions() -> list[dict[str, int]]:
        found = []
        for partition in (0, 1):
            found += cast("list[dict[str, int]]", await _positions(partition, 100)(store))
        return found

    await deliver(store, verdicts, chance)
    first = await positions()
    await deliver(store, verdicts, chance)

    assert first == [{"positions": 25, "stored": 15, "sampled_out": 0, "repeats": 10}] * 2
    assert await positions() == first
