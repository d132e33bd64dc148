"""`python -m benchmarks.dashboard [--verdicts N] [--only-queries]`: how long the dashboard's queries take, and how soon its first page is drawn.

A store of 24 hours is made in the engine: N exchanges, and RARE of one more tenant in a month, their quarters of an hour as the workers count
them, and WINDOWS closed windows of five seconds with every cell of 14 categories, 3 models and 2 tenants. Each query is asked ROUNDS times over
HTTP, as the pages ask it; the events of a filter span after span of arrival, until there are enough, without what the pages keep; the best counts, since the machine may be busy. Then a browser opens the overview ROUNDS times: from the start of the
navigation until the charts are drawn (`charts-drawn` of static/charts.js). Needs Chromium for that.

Exits 1 where a query of a view takes longer than QUERY_MS, or the overview longer than RENDER_MS.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from playwright.async_api import async_playwright

import benchmarks.report_speed
from benchmarks.report_speed.asking import Engine
from monitor.adapters.clickhouse import ClickHouse
from monitor.adapters.kafka import ensure_topics
from monitor.adapters.rollups import Rollups
from monitor.drift.measures import Measure
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart
from monitor.settings import Settings
from monitor.web.asking import SPANS, Ask
from monitor.web.events_pages import BACK, LIMIT, SPARE
from monitor.web.serving import serving
from schemas.taxonomy import CATEGORIES
from tests.integration.browser.stage import MODELS, TENANTS, settings_of
from tests.stores import new_store, verdict

RARE: Final = 10
NONE: Final = "no_such_category"
SPAN: Final = timedelta(hours=24)
WINDOW_S: Final = 5
WINDOWS: Final = int(SPAN.total_seconds()) // WINDOW_S
BLOCK: Final = 250_000
ROUNDS: Final = 7
QUERY_MS: Final = 200.0
RENDER_MS: Final = 1_000.0

Asked = tuple[str, dict[str, Any]]


async def fill(store: ClickHouse, fleet: str, now: datetime, verdicts: int) -> None:
    """The day before `now`."""
    statement = (Path(benchmarks.report_speed.__file__).parent / "generate.sql").read_text(encoding="utf-8")
    for first in range(0, verdicts, BLOCK):
        given = {
            "until": now,
            "span_s": int(SPAN.total_seconds()),
            "total": verdicts,
            "first": first,
            "count": BLOCK,
        }
        await store._client.command(statement, parameters=given)
    days = [timedelta(days=3 * number) for number in range(RARE)]
    moments = [now - SPAN - back for back in days]
    rare = [
        verdict(f"rare-{number}", tenant="rare", arrived_at=at, occurred_at=at, source_offset=number)
        for number, at in enumerate(moments)
    ]
    await store.insert([one.to_bytes() for one in rare])
    await Rollups(store).refresh()
    windows = (Path(__file__).parent / "generate_windows.sql").read_text(encoding="utf-8")
    given = {
        "fleet": fleet,
        "since": now - SPAN,
        "window_s": WINDOW_S,
        "windows": WINDOWS,
        "tenants": list(TENANTS),
        "models": list(MODELS),
        "categories": list(CATEGORIES),
    }
    await store._client.command(windows, parameters=given)


def queries(fleet: str, now: datetime) -> dict[str, list[Asked]]:
    """By view, what it asks."""
    found: dict[str, list[Asked]] = {}
    for span in SPANS:
        ask = Ask(measure=Measure.REFUSAL, span=span)
        since, until = ask.bounds(now)
        tile_us = int(span.tile.total_seconds() * 1_000_000)
        cells = {"since": since, "until": until, "tile_us": tile_us, "is_one_tenant": False, "tenant": ""}
        names = {"since": since, "until": until, "limit": 200}
        found[f"overview, {span.words} by {span.by}"] = (
            [("dashboard_cells_by_event", cells), ("dashboard_names_by_event", names)]
            if span.by == "event"
            else [
                ("dashboard_cells", {"fleet": fleet, **cells}),
                ("dashboard_names", {"fleet": fleet, **names}),
            ]
        )
    found["pipeline"] = [
        ("dashboard_coverage", {"fleet": fleet, "since": now - timedelta(hours=1), "until": now}),
        ("dashboard_letters", {"since": now - timedelta(days=1), "until": now}),
        ("watch_last_window", {"fleet": fleet}),
    ]
    found["news"] = [("dashboard_news", {"fleet": fleet})]
    return found


@dataclass(frozen=True, slots=True)
class Timed:
    """Milliseconds: the best of ROUNDS, after one that isn't counted, and the engine's processor time, the median."""

    ms: float
    cpu_ms: float

    def words(self) -> str:
        """For the table."""
        return f"{self.ms:>7.1f}  {self.ms / QUERY_MS:.2f} {self.cpu_ms:>9.0f}"


async def timed(engine: Engine, work: Callable[[], Coroutine[Any, Any, object]]) -> Timed:
    """Run it so often."""
    await work()
    took, worked = [], []
    for _ in range(ROUNDS):
        began, began_cpu_s = time.perf_counter(), engine.cpu_s()
        await work()
        took.append((time.perf_counter() - began) * 1000)
        worked.append((engine.cpu_s() - began_cpu_s) * 1000)
    return Timed(min(took), statistics.median(worked))


async def measure_queries(store: ClickHouse, engine: Engine, fleet: str, now: datetime) -> float:
    """Prints each view; returns the longest query's time."""
    print(f"{'view':<38} {'query':<26} {'rows':>7} {'ms':>7}  of {QUERY_MS:.0f} ms, processor ms")
    longest = 0.0
    for view, asked in queries(fleet, now).items():
        for name, given in asked:
            rows = await store.query(name, **given)
            took = await timed(engine, lambda name=name, given=given: store.query(name, **given))  # type: ignore[misc]  # a default of a lambda
            longest = max(longest, took.ms)
            print(f"{view:<38} {name:<26} {len(rows):>7,} {took.words()}", flush=True)
    for view, wanted in EVENTS.items():
        longest = max(longest, await measure_events(store, engine, view, wanted, now))
    return longest


EVERYTHING: Final[dict[str, Any]] = {"found": "any", "tenants": [], "models": [], "categories": []}
EVENTS: Final[dict[str, dict[str, Any]]] = {
    "events": EVERYTHING,
    "events, harmful": {**EVERYTHING, "found": "harmful"},
    "events, complied, one tenant": {**EVERYTHING, "found": "complied", "tenants": ["tenant-3"]},
    f"events, a tenant with {RARE} in a month": {**EVERYTHING, "tenants": ["rare"]},
    "events, a category with none": {**EVERYTHING, "categories": [NONE]},
}


async def measure_events(
    store: ClickHouse, engine: Engine, view: str, wanted: dict[str, Any], now: datetime
) -> float:
    """Asks as `/events` does, with what is wanted; prints each query, and all of the view; returns the longest one's time."""
    longest, whole, rows, hashes = 0.0, 0.0, 0, list[int]()
    for back in BACK:
        asked = {"since": now - back, "until": now, **wanted}
        hashes = [
            row["event_hash"]
            for row in await store.query("dashboard_event_ids", limit=LIMIT + SPARE, **asked)
        ]
        took = await timed(
            engine, lambda asked=asked: store.query("dashboard_event_ids", limit=LIMIT + SPARE, **asked)
        )  # type: ignore[misc]  # a default of a lambda
        longest, whole = max(longest, took.ms), whole + took.ms
        print(
            f"{view:<38} {f'ids of {back.total_seconds() / 3600:g} h':<26} {len(hashes):>7,} {took.words()}"
        )
        if len(hashes) >= LIMIT or back == BACK[-1]:
            given = {**asked, "hashes": hashes, "limit": LIMIT}
            rows = len(await store.query("dashboard_events_found", **given))
            took = await timed(engine, lambda given=given: store.query("dashboard_events_found", **given))  # type: ignore[misc]  # a default of a lambda
            longest, whole = max(longest, took.ms), whole + took.ms
            print(f"{view:<38} {'dashboard_events_found':<26} {rows:>7,} {took.words()}")
            break
    print(f"{view:<38} {'all of it':<26} {rows:>7,} {whole:>7.1f}", flush=True)
    return longest


async def measure_pages(settings: Settings) -> float:
    """Prints how soon pages are drawn; returns the best of the overview."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("no Chromium on this machine: pages are not drawn")
        return 0.0
    overview = 0.0
    async with serving(settings) as dashboard, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )
        page = await (await browser.new_context(viewport={"width": 1280, "height": 900})).new_page()
        print(f"\n{'page':<38} {'bytes':>9} {'drawn after ms':>15}  of {RENDER_MS:.0f} ms")
        for path in ("/", "/?span=6h", "/?span=15m", "/cell?model=atlas-mini&category=benign", "/events"):
            took, size = [], 0
            for _ in range(ROUNDS + 1):
                answer = await page.goto(dashboard.url + path)
                if answer is None or not answer.ok:
                    raise RuntimeError(f"{path} wasn't answered")
                await page.wait_for_function("performance.getEntriesByName('charts-drawn').length > 0")
                took.append(await page.evaluate("performance.getEntriesByName('charts-drawn')[0].startTime"))
                size = len(await answer.body())
            best = min(took[1:])
            overview = best if path == "/" else overview
            print(
                f"{path:<38} {size:>9,} {best:>15.0f}  {best / RENDER_MS:.2f}   (first {took[0]:.0f} ms)",
                flush=True,
            )
        await browser.close()
    return overview


async def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard")
    parser.add_argument("--verdicts", type=int, default=1_000_000)
    parser.add_argument("--only-queries", action="store_true", help="draw no pages")
    given = parser.parse_args()
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with (
            KafkaPart(folder / "kafka") as kafka,
            ClickHousePart(folder / "clickhouse") as engine,
            new_store(engine.address) as store,
        ):
            settings = settings_of(kafka.address, engine.address, store._settings.database)
            await ensure_topics(settings.kafka)
            began = time.perf_counter()
            await fill(store, settings.kafka.group_prefix, now, given.verdicts)
            cells = len(CATEGORIES) * len(MODELS) * len(TENANTS)
            print(
                f"24 hours: {given.verdicts:,} verdicts, {WINDOWS:,} closed windows of {WINDOW_S} s with {cells} cells, "
                f"made in {time.perf_counter() - began:.0f} s\n",
                flush=True,
            )
            longest = await measure_queries(store, Engine(engine.pid or 0), settings.kafka.group_prefix, now)
            overview = 0.0 if given.only_queries else await measure_pages(settings)
    is_kept = longest <= QUERY_MS and overview <= RENDER_MS
    print(
        f"\nlimits: every query at most {QUERY_MS:.0f} ms ({longest:.0f}), the overview of 24 h at most {RENDER_MS:.0f} ms "
        f"({overview:.0f}): {'kept' if is_kept else 'MISSED'}"
    )
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
