"""What is asked, how long it takes and what it reads."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from monitor.adapters.clickhouse import ClickHouse
from monitor.reporting.facts import MOST_CATEGORIES, MOST_MODELS, MOST_TENANTS
from monitor.store import sql
from tests.grafana import expand, statements

RUNS: Final = 3
WEEK: Final = timedelta(days=7)
TWO_CORES: Final = {"max_threads": 2}
NOT_OF_STORES: Final = {"report_deliveries"}
"""Whether a report was sent: no query over verdicts."""


@dataclass(frozen=True, slots=True)
class Engine:
    """The engine's process."""

    pid: int

    def cpu_s(self) -> float:
        """Processor time that it has had, of all its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Asked:
    """One query: the first time, the median of RUNS, the engine's processor time (the median; whatever it merges meanwhile is in it), rows
    and bytes that it read, rows of the answer. On two cores with nothing else to do the time is at most the processor time."""

    name: str
    first_s: float
    median_s: float
    cpu_s: float
    rows: int
    bytes: int
    answer: int

    def line(self) -> str:
        """For the table."""
        return (
            f"{self.name:<52}{1000 * self.first_s:>9,.0f} ms{1000 * self.median_s:>9,.0f} ms{1000 * self.cpu_s:>9,.0f} ms"
            f"{self.rows:>14,}{self.bytes / 1e6:>10,.1f} MB{self.answer:>9,}"
        )


HEADING: Final = (
    f"{'query':<52}{'first':>12}{'median':>12}{'processor':>12}{'rows read':>14}{'read':>13}{'answer':>9}"
)


async def ask(
    store: ClickHouse,
    engine: Engine,
    name: str,
    statement: str,
    given: Mapping[str, Any],
    *,
    runs: int = RUNS,
) -> Asked:
    """Ask `runs` times, with two threads."""
    times, worked = [], []
    result = None
    for _ in range(runs):
        began_s, began_cpu_s = time.perf_counter(), engine.cpu_s()
        result = await store._client.query(statement, parameters=dict(given), settings=TWO_CORES)
        times.append(time.perf_counter() - began_s)
        worked.append(engine.cpu_s() - began_cpu_s)
    if result is None:
        raise ValueError("at least one run")
    read = result.summary
    return Asked(
        name,
        times[0],
        statistics.median(times),
        statistics.median(worked),
        int(read.get("read_rows", 0)),
        int(read.get("read_bytes", 0)),
        len(result.result_rows),
    )


def report_parameters(until: datetime) -> dict[str, Any]:
    """Of the queries of the week before `until`; report_days is asked once for it and the four before."""
    return {
        "since": until - WEEK,
        "until": until,
        "week": until - WEEK,
        "tenants": MOST_TENANTS,
        "models": MOST_MODELS,
        "categories": MOST_CATEGORIES,
        "before": until - 2 * WEEK,
        "zone": "Europe/Berlin",
        "tenant": "",
        "model": "",
        "each": 5,
        "chars": 160,
        "fleet": "watchkeeper",
    }


async def ask_report(store: ClickHouse, engine: Engine, until: datetime) -> list[Asked]:
    """Every query of the report, as it asks them."""
    found = []
    for path in sorted((files("monitor.store") / "queries").iterdir(), key=lambda one: one.name):
        name = path.name.removesuffix(".sql")
        if not name.startswith("report_") or name in NOT_OF_STORES:
            continue
        given = report_parameters(until)
        if name == "report_days":
            given |= {"since": until - 5 * WEEK}
        found.append(await ask(store, engine, name, sql.query(name), given))
    return found


async def ask_dashboard(store: ClickHouse, engine: Engine, until: datetime) -> list[Asked]:
    """A dashboard's view, categories x models x 24 h; and the queries of Grafana's two boards of rates over a week, each a view."""
    day = {"since": until - timedelta(days=1), "until": until, "is_one_tenant": False, "tenant": ""}
    hour_us = 3_600_000_000
    found = [
        await ask(store, engine, f"24 h, {name}", sql.query(name), {**day, "tile_us": hour_us, "limit": 100})
        for name in ("dashboard_cells_by_event", "dashboard_names_by_event")
    ]
    week = {"since": int((until - WEEK).timestamp()), "until": int(until.timestamp())}
    for place, statement in statements():
        if place.startswith(("overview: ", "category: ")) and "quarters" in statement:
            one = expand(statement, **week, chosen={})
            found.append(await ask(store, engine, f"Grafana, a week, {place}"[:51], one, {}))
    return found
