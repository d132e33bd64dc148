"""The weekly report of weeks of which little is known, of a store that is away, and who has it, on the real engine."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.adapters.clickhouse import ClickHouse
from monitor.adapters.report_store import ReportStore
from monitor.adapters.rollups import Rollups
from monitor.embedded.clickhouse import ClickHousePart
from monitor.reporting.gathering import gather
from monitor.reporting.said_queries import said_parameters
from monitor.settings import variable
from tests.integration.commands import begin, watchkeeper
from tests.integration.test_clickhouse_queries import answered
from tests.integration.test_report import NOW, WEEK, emptied, report_of, table
from tests.stores import new_store, unanswered


@pytest.fixture(scope="module")
async def database(clickhouse_part: ClickHousePart) -> AsyncIterator[ClickHouse]:
    async with new_store(clickhouse_part.address) as made:
        yield made


@pytest.fixture
async def store(database: ClickHouse) -> ClickHouse:
    return await emptied(database)


async def test_weeks_of_which_little_is_known_say_what_they_lack(store: ClickHouse) -> None:
    empty = await report_of(store)
    assert empty["summary"].startswith("No exchange of this week is counted")
    assert "Nothing has been counted yet" in empty["notes"][0]["text"]

    future = await report_of(store, WEEK.before(-9))
    assert future["summary"].startswith("This week has not begun: it begins on Mon")

    at = WEEK.since + timedelta(days=3)
    await store.insert(
        [unanswered(f"u{n}", status="unknown", occurred_at=at, arrived_at=at).to_bytes() for n in range(3)]
    )
    await Rollups(store).refresh()
    unknown = await report_of(store)
    assert unknown["summary"].startswith("The guard labelled none of this week's 3 exchanges")
    assert "The guard answered none" in json.dumps(unknown["sections"][1])
    assert table(unknown, "data-quality")["The guard's answer could not be read (unknown)"][0] == 3

    await store.insert(
        [answered("one", 0, harmful=False, refused=True, occurred_at=at, arrived_at=at).to_bytes()]
    )
    await Rollups(store).refresh()
    one = await report_of(store)
    assert one["summary"].startswith("Nothing that matters changed. There is no earlier week")
    value, _, denominator, *_ = table(one, "rates-over-refusal")["benign"]
    assert (value, denominator) == (1.0, 1.0)
    assert list(table(one, "rates-over-refusal")) == ["All", "benign", "acme / gpt-4o"]
    await every_query_runs_as_it_is_printed(store, one)


async def every_query_runs_as_it_is_printed(store: ClickHouse, report: dict[str, Any]) -> None:
    """Its text, and its parameters as a shell hands them to clickhouse-client: as texts."""
    facts = await gather(store, WEEK, fleet="wk", now=NOW)
    assert [query.name for query in facts.queries] == [query["name"] for query in report["queries"]]
    for query in facts.queries:
        given = dict(
            one.removeprefix("--param_").split("=", 1)
            for one in shlex.split(said_parameters(query.parameters))
        )
        found = await store._client.query(query.text, parameters=given)
        assert len(found.result_rows) == query.rows, query.name
        if query.name == "report_days":
            events = sum(row["events"] for row in found.named_results())
            assert events == table(report, "volume-by-model")["all traffic"][0] == 4


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_store_that_is_away_is_said_and_leaves_no_file(tmp_path: Path, unused_tcp_port: int) -> None:
    out = tmp_path / "report.html"
    away = {variable("clickhouse", "url"): f"http://127.0.0.1:{unused_tcp_port}"}
    done = await watchkeeper(["report", "--out", str(out)], away)
    assert done.code == 3
    assert "ClickHouse doesn't answer" in done.err
    assert "watchkeeper check" in done.err
    assert not files_in(tmp_path)


async def test_a_reader_that_went_away_ends_the_report_quietly(database: ClickHouse) -> None:
    there = {
        variable("clickhouse", "url"): database._settings.url,
        variable("clickhouse", "database"): database._settings.database,
    }
    reader, writer = os.pipe()
    os.close(reader)
    process = await begin(["report"], there, stdout=writer)
    os.close(writer)
    _, err = await process.communicate()
    assert (process.returncode, err) == (141, b"")


async def test_who_has_a_report_is_remembered(store: ClickHouse) -> None:
    kept = ReportStore(store, "wk")
    assert await kept.delivered(WEEK) == frozenset()
    for outcome in ("refused", "delivered"):
        await kept.keep(WEEK, "team", outcome, NOW, "host-1")
    await ReportStore(store, "another").keep(WEEK, "ops", "delivered", NOW, "host-1")
    assert await kept.delivered(WEEK) == frozenset({"team"})
    assert await kept.delivered(WEEK.before()) == frozenset()
    assert (await kept.reach()).counted_until is None
