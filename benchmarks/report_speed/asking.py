"""What is asked, how long it takes and what it reads."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any, Final

from monitor.adapters.clickhouse import ClickHouse
from monitor.store import sql
from tests.grafana import expand, statements

RUNS: Final = 3
WEEK: Final = timedelta(days=7)
TWO_CORES: Final = {"max_threads": 2}
NOT_OF_STORES: Final = {"report_deliveries"}
"""Whether a report was sent: no query over verdicts."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One query: the first time, the median of RUNS, rows and bytes that the engine read, rows of the answer."""

    name: str
    first_s: float
    median_s: float
    rows: int
    bytes: int
    answer: int

    def line(self) -> str:
        """For the table."""
        return (
            f"{self.name:<52}{1000 * self.first_s:>9,.0f} ms{1000 * self.median_s:>9,.0f} ms"
            f"{self.rows:>14,}{self.bytes / 1e6:>10,.1f} MB{self.answer:>9,}"
        )


HEADING: Final = f"{'query':<52}{'first':>12}{'median':>12}{'rows read':>14}{'read':>13}{'answer':>9}"


async def ask(
    store: ClickHouse, name: str, statement: str, given: Mapping[str, Any], *, runs: int = RUNS
) -> Asked:
    """Ask `runs` times, with two threads."""
    times = []
    result = None
    for _ in range(runs):
        began_s = time.perf_counter()
        result = await store._client.query(statement, parameters=dict(given), settings=TWO_CORES)
        times.append(time.perf_counter() - began_s)
    if result is None:
        raise ValueError("at least one run")
    read = result.summary
    return Asked(
        name,
        times[0],
        statistics.median(times),
        int(read.get("read_rows", 0)),
        int(read.get("read_bytes", 0)),
        len(result.result_rows),
    )


def report_parameters(until: datetime) -> dict[str, Any]:
    """Of the queries of the week before `until`; report_days is asked once for it and the four before."""
    return {
        "since": until - WEEK,
        "until": until,
        "before": until - 2 * WEEK,
        "zone": "Europe/Berlin",
        "tenant": "",
        "model": "",
        "each": 5,
        "chars": 160,
        "fleet": "watchkeeper",
    }


async def ask_report(store: ClickHouse, until: datetime) -> list[Asked]:
    """Every query of the report, as it asks them."""
    found = []
    for path in sorted((files("monitor.store") / "queries").iterdir(), key=lambda one: one.name):
        name = path.name.removesuffix(".sql")
        if not name.startswith("report_") or name in NOT_OF_STORES:
            continue
        given = report_parameters(until)
        if name == "report_days":
            given |= {"since": until - 5 * WEEK}
        found.append(await ask(store, name, sql.query(name), given))
    return found


CELLS: Final = """
SELECT toStartOfHour(begins_at) AS hour, toString(model) AS model, toString(category) AS category, sum(events), sum(to_be_scored),
       sum(answered), sum(responded), sum(refused), sum(harmless), sum(harmless_refused), sum(harmful), sum(harmful_refused),
       sum(harmful_prompts), sum(harmful_responses)
FROM quarters
WHERE begins_at >= {since:DateTime64(6, 'UTC')} AND begins_at < {until:DateTime64(6, 'UTC')}
GROUP BY hour, model, category
ORDER BY hour, model, category
"""


async def ask_dashboard(store: ClickHouse, until: datetime) -> list[Asked]:
    """A dashboard's view, categories x models x 24 h; and the queries of Grafana's two boards of rates over a week, each a view."""
    found = [
        await ask(
            store,
            "24 h by hour, model and category",
            CELLS,
            {"since": until - timedelta(days=1), "until": until},
        )
    ]
    week = {"since": int((until - WEEK).timestamp()), "until": int(until.timestamp())}
    for place, statement in statements():
        if place.startswith(("overview: ", "category: ")) and "quarters" in statement:
            one = expand(statement, **week, chosen={})
            found.append(await ask(store, f"Grafana, a week, {place}"[:51], one, {}))
    return found
