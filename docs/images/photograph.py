"""`python docs/images/photograph.py`: the pictures of the dashboard, from a day of traffic in the embedded parts. Needs Chromium."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from playwright.async_api import async_playwright

from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart
from monitor.web.serving import serving
from tests.integration.browser.stage import Day, fill, settings_of
from tests.stores import new_store

HERE: Final = Path(__file__).parent


async def main() -> None:
    """Write the pictures beside this file."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("no Chromium on this machine: install the package chromium")
    with tempfile.TemporaryDirectory() as folder:
        parts = Path(folder)
        async with (
            KafkaPart(parts / "kafka") as kafka,
            ClickHousePart(parts / "clickhouse") as engine,
            new_store(engine.address) as store,
        ):
            settings = settings_of(kafka.address, engine.address, (await store.ping())["database"])
            day = Day(datetime.now(UTC), verdicts=40_000, attacks=0)
            await fill(store, settings, day)
            alert = f"/alerts/{day.shift(settings.kafka.group_prefix).id}"
            async with serving(settings) as dashboard, async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                for name, path, is_dark, width, height in (
                    ("dashboard", "/?measure=over_refusal&tenant=northwind", False, 1280, 1180),
                    ("dashboard-alert", alert, True, 1280, 1010),
                    ("dashboard-phone", "/", False, 360, 740),
                ):
                    context = await browser.new_context(
                        viewport={"width": width, "height": height},
                        color_scheme="dark" if is_dark else "light",
                    )
                    page = await context.new_page()
                    await page.goto(dashboard.login_url)
                    await page.wait_for_url(dashboard.url + "/")
                    await page.goto(dashboard.url + path)
                    await page.wait_for_selector("#live.on")
                    await page.wait_for_function("performance.getEntriesByName('charts-drawn').length > 0")
                    await page.screenshot(path=str(HERE / f"{name}.png"))
                    await context.close()
                await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
