"""axe-core on a page, from the wheel that carries it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from playwright.async_api import Page


@cache
def _source() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


async def faults_of(page: Page) -> list[str]:
    """What axe finds wrong with the page as it is shown now, by all its rules: WCAG 2.x A and AA, and its best practices. A line
    each, with the first element that it concerns."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(_source())  # by the debugger, which no policy of a page stops
    found = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{one['id']} ({one['impact']}, {len(one['nodes'])}): {one['nodes'][0]['html'][:200]} "
        f"{one['nodes'][0]['failureSummary'].splitlines()[1].strip()}"
        for one in found["violations"]
    ]
