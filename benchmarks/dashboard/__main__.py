"""`python -m benchmarks.dashboard`: how long the dashboard's queries take, and how soon its first page is drawn.

A store of 24 hours is made in the engine: VERDICTS exchanges, their quarters of an hour as the workers count them, and
WINDOWS closed windows of five seconds with every cell of 14 categories, 3 models and 2 tenants. Each query is asked ROUNDS times over HTTP, as the
pages ask it, without what the pages keep; the best counts, since the machine may be busy. Then a browser opens the overview ROUNDS times: from the start of the
navigation until the charts are drawn (`charts-drawn` of static/charts.js). Needs Chromium for that.

Exits 1 where a query of a view takes longer than QUERY_MS, or the overview longer than RENDER_MS.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from playwright.async_api import async_playwright

import benchmarks.report_speed
from monitor.adapters.clickhouse import ClickHouse
from monitor.adapters.kafka import ensure_topics
from monitor.adapters.rollups import Rollups
from monitor.drift.measures import Measure
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart
from monitor.settings import Settings
from monitor.web.asking import SPANS, Ask
from monitor.web.events_pages import BACK, SCANNED
from monitor.web.serving import serving
from schemas.taxonomy import CATEGORIES
from tests.integration.browser.stage import MODELS, TENANTS, settings_of
from tests.stores import new_store

VERDICTS: Final = 1_000_000
SPAN: Final = timedelta(hours=24)
WINDOW_S: Final = 5
WINDOWS: Final = int(SPAN.total_seconds()) // WINDOW_S
BLOCK: Final = 250_000
ROUNDS: Final = 7
QUERY_MS: Final = 200.0
RENDER_MS: Final = 1_000.0

Asked = tuple[str, dict[str, Any]]


async def fill(store: ClickHouse, fleet: str, now: datetime) -> None:
    """The day before `now`."""
    statement = (Path(benchmarks.report_speed.__file__).parent / "generate.sql").read_text(encoding="utf-8")
    for first in range(0, VERDICTS, BLOCK):
        given = {
            "until": now,
            "span_s": int(SPAN.total_seconds()),
            "total": VERDICTS,
            "first": first,
            "count": BLOCK,
        }
        await store._client.command(statement, parameters=given)
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
    lately = {"since": now - BACK[0], "until": now, "limit": 50}
    everything: dict[str, list[str]] = {"tenants": [], "models": [], "categories": []}
    found["events"] = [("dashboard_event_ids", {**lately, **everything, "scan": 100, "found": "any"})]
    found["events, harmful"] = [
        ("dashboard_event_ids", {**lately, **everything, "scan": SCANNED, "found": "harmful"})
    ]
    found["pipeline"] = [
        ("dashboard_coverage", {"fleet": fleet, "since": now - timedelta(hours=1), "until": now}),
        ("dashboard_letters", {"since": now - timedelta(days=1), "until": now}),
        ("watch_last_window", {"fleet": fleet}),
    ]
    found["news"] = [("dashboard_news", {"fleet": fleet})]
    return found


async def best_ms(work: Callable[[], Coroutine[Any, Any, object]]) -> float:
    """Of ROUNDS, after one that isn't counted."""
    await work()
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await work()
        took.append((time.perf_counter() - began) * 1000)
    return min(took)


async def measure_queries(store: ClickHouse, fleet: str, now: datetime) -> float:
    """Prints each view; returns the longest query's time."""
    print(f"{'view':<38} {'query':<26} {'rows':>7} {'ms':>7}  of {QUERY_MS:.0f} ms")
    longest = 0.0
    for view, asked in queries(fleet, now).items():
        for name, given in asked:
            rows = await store.query(name, **given)
            took = await best_ms(lambda name=name, given=given: store.query(name, **given))  # type: ignore[misc]  # a default of a lambda
            longest = max(longest, took)
            print(f"{view:<38} {name:<26} {len(rows):>7,} {took:>7.1f}  {took / QUERY_MS:.2f}", flush=True)
            if name == "dashboard_event_ids":
                ids = [row["event_id"] for row in rows]
                took = await best_ms(lambda ids=ids: store.query("dashboard_events_of", ids=ids))  # type: ignore[misc]  # a default of a lambda
                longest = max(longest, took)
                print(
                    f"{view:<38} {'dashboard_events_of':<26} {len(ids):>7,} {took:>7.1f}  {took / QUERY_MS:.2f}"
                )
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
            await fill(store, settings.kafka.group_prefix, now)
            cells = len(CATEGORIES) * len(MODELS) * len(TENANTS)
            print(
                f"24 hours: {VERDICTS:,} verdicts, {WINDOWS:,} closed windows of {WINDOW_S} s with {cells} cells, "
                f"made in {time.perf_counter() - began:.0f} s\n",
                flush=True,
            )
            longest = await measure_queries(store, settings.kafka.group_prefix, now)
            overview = await measure_pages(settings)
    is_kept = longest <= QUERY_MS and overview <= RENDER_MS
    print(
        f"\nlimits: every query at most {QUERY_MS:.0f} ms ({longest:.0f}), the overview of 24 h at most {RENDER_MS:.0f} ms "
        f"({overview:.0f}): {'kept' if is_kept else 'MISSED'}"
    )
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
