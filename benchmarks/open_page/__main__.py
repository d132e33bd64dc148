"""`python -m benchmarks.open_page`: what an overview costs the browser that stays open for UPDATES updates.

The day of the browser tests is served from the embedded parts. A page is told again and again that rates and alerts are others, which
it hears at most once a second otherwise: here it waits for nothing. Each time it asks for the page, finds what differs (something
is altered before, so that all of it does) and draws the chart anew. Printed is what one update costs, and what the page's memory
holds after LEAST and after all of them, garbage collected. Exits 1 where it grew by more than GROWTH. Needs Chromium.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

from playwright.async_api import CDPSession, async_playwright

from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart
from monitor.web.serving import serving
from tests.integration.browser.stage import Day, fill, settings_of
from tests.stores import new_store

UPDATES: Final = 1_000
LEAST: Final = 300
"""Browsers keep a list of the last 250 requests: before it is full, memory grows by that."""
GROWTH: Final = 1.1
HELD: Final = ("JSHeapUsedSize", "Nodes", "JSEventListeners", "Documents")
HOOK: Final = """
window.EventSource = class extends window.EventSource {
  constructor(address) { super(address); window.news = this; }
};
const later = window.setTimeout;
window.setTimeout = (what, ms, ...more) => later(what, Math.min(ms, 5), ...more);
window.long = [];
new PerformanceObserver((list) => list.getEntries().forEach((one) => window.long.push(one.duration)))
  .observe({ type: "longtask" });
"""
UPDATE: Final = """async (times) => {
  const took = [];
  for (let at = 0; at < times; at += 1) {
    const began = performance.now();
    for (const part of ["overview", "standing"]) document.getElementById(part).dataset.mark = "old";
    news.dispatchEvent(new MessageEvent("changed", { data: '{"what": "rates"}', lastEventId: "0-0" }));
    while (document.querySelector("[data-mark]")) await new Promise((done) => setTimeout(done, 5));
    took.push(performance.now() - began);
  }
  return took;
}"""


async def held(session: CDPSession) -> dict[str, float]:
    """What the page's memory holds, garbage collected."""
    for _ in range(3):
        await session.send("HeapProfiler.collectGarbage")
    metrics = (await session.send("Performance.getMetrics"))["metrics"]
    return {one["name"]: one["value"] for one in metrics if one["name"] in HELD}


async def measure(url: str, chromium: str) -> int:
    """The exit status."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = await browser.new_context(viewport={"width": 1280, "height": 900})
        await context.add_init_script(HOOK)
        page = await context.new_page()
        session = await context.new_cdp_session(page)
        await session.send("Performance.enable")
        answer = await page.goto(url)
        if answer is None or not answer.ok:
            raise RuntimeError("the overview wasn't answered")
        sizes = await answer.request.sizes()
        print(f"overview: {len(await answer.body()):,} bytes, {sizes['responseBodySize']:,} on the wire")
        await page.evaluate(UPDATE, LEAST)
        before = await held(session)
        await page.evaluate("window.long = []")
        took = await page.evaluate(UPDATE, UPDATES - LEAST)
        after = await held(session)
        long = sorted(await page.evaluate("window.long"))
        print(f"an update: {median(took):.0f} ms from the news to the page that shows them, in the middle")
        print(
            f"tasks of more than 50 ms that held up the page: {len(long):,}"
            + (f", the longest {long[-1]:.0f} ms" if long else "")
        )
        print(f"\n{'held by the page':<20} {f'after {LEAST}':>14} {f'after {UPDATES:,}':>14}   ratio")
        for name in HELD:
            print(
                f"{name:<20} {before[name]:>14,.0f} {after[name]:>14,.0f}   {after[name] / before[name]:.2f}"
            )
        grown = max(after[name] / before[name] for name in HELD)
        await browser.close()
    print(
        f"\nlimit: nothing grows by more than {GROWTH}: {'kept' if grown <= GROWTH else 'BROKEN'} ({grown:.2f})"
    )
    return int(grown > GROWTH)


async def main() -> int:
    """The exit status."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("no Chromium on this machine: install the package chromium")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        async with (
            KafkaPart(Path(folder) / "kafka") as kafka,
            ClickHousePart(Path(folder) / "clickhouse") as engine,
            new_store(engine.address) as store,
        ):
            # Kept long, so that the browser is measured and not the store.
            settings = settings_of(
                kafka.address,
                engine.address,
                (await store.ping())["database"],
                WATCHKEEPER_WEB__REFRESH_S="60",
            )
            await fill(store, settings, Day(datetime.now(UTC)))
            async with serving(settings) as dashboard:
                return await measure(dashboard.url + "/", chromium)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
