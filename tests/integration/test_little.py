"""Every query of the dashboard and the report is answered by a store without a row, and by one with a single exchange of everything."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from monitor.adapters.clickhouse import ClickHouse
from monitor.adapters.rollups import Rollups
from monitor.embedded.clickhouse import ClickHousePart
from monitor.store import sql
from tests.integration.test_rollups import judged
from tests.stores import NOW, new_store, verdict
from tests.unit.store.test_sql import QUERIES

MOMENTS = {
    "since": NOW - timedelta(days=1),
    "week": NOW - timedelta(days=1),
    "before": NOW - timedelta(days=2),
}
TEXTS = {"zone": "Europe/Berlin", "found": "harmful", "id": "a", "fleet": "watchkeeper"}
BY_TYPE: dict[str, Any] = {
    "UInt32": 10,
    "Int64": 900_000_000,
    "Bool": False,
    "Array(String)": [],
    "Array(UInt64)": [1],
}


def given(statement: str) -> dict[str, Any]:
    """A value for each of its parameters."""
    found: dict[str, Any] = {}
    for name, kind in re.findall(r"\{(\w+):([^}]+)\}", statement):
        if kind.startswith("DateTime"):
            found[name] = MOMENTS.get(name, NOW + timedelta(days=1))
        else:
            found[name] = TEXTS.get(name, "") if kind == "String" else BY_TYPE[kind]
    return found


async def answers(store: ClickHouse) -> dict[str, list[dict[str, Any]]]:
    names = [name for name in QUERIES if name.startswith(("dashboard_", "report_"))]
    return {name: await store.query(name, **given(sql.query(name))) for name in names}


async def test_every_query_of_dashboard_and_report_is_answered_over_nothing_and_over_one_row(
    clickhouse_part: ClickHousePart,
) -> None:
    async with new_store(clickhouse_part.address) as store:
        empty = await answers(store)
        always = {"report_reach", "dashboard_news", "dashboard_coverage"}
        assert {name for name, rows in empty.items() if rows} == always

        await store.insert([verdict("a", judge_decision="asked", judge_probability=1.0).to_bytes()])
        await store.insert_into("judgement_rows", [judged("a", care_domain="self_harm", care_overall=0.5)])
        await Rollups(store).refresh()
        one = await answers(store)
        shown = {name for name, rows in one.items() if rows} - always
        assert {"report_days", "report_patterns", "report_refusal_quality", "dashboard_event_ids"} <= shown
