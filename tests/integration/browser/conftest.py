"""A dashboard on the real store and the real broker, and a real browser that looks at it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Route, async_playwright

from monitor.adapters.clickhouse import ClickHouse
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart
from monitor.settings import Settings
from monitor.web.serving import Dashboard, serving
from tests.integration.browser.stage import Day, fill, settings_of
from tests.stores import new_store

CHROMIUM = next(
    filter(None, (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))), None
)


@dataclass
class Stage:
    """What is served, and what stands behind it."""

    dashboard: Dashboard
    settings: Settings
    store: ClickHouse
    day: Day

    def url(self, path: str) -> str:
        """The address of a page."""
        return self.dashboard.url + path


@pytest.fixture(scope="session")
async def stage(kafka_part: KafkaPart, clickhouse_part: ClickHousePart) -> AsyncIterator[Stage]:
    """The dashboard of a day of traffic."""
    async with new_store(clickhouse_part.address) as store:
        settings = settings_of(kafka_part.address, clickhouse_part.address, store._settings.database)
        day = Day(datetime.now(UTC))
        await fill(store, settings, day)
        async with serving(settings) as dashboard:
            yield Stage(dashboard, settings, store, day)


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The machine's browser; without one these tests are left out."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: install the package chromium")
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        await browser.close()


@dataclass
class Visitor:
    """A browser window that lets nothing out but to the dashboard. `said`: errors of its console and of pages; `dialogs`, and
    `abroad`: what should never happen."""

    page: Page
    stage: Stage
    said: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    abroad: list[str] = field(default_factory=list)

    async def goes_to(self, path: str) -> None:
        """Open a page, and wait until its charts are drawn."""
        await self.page.goto(self.stage.url(path))
        await self.page.wait_for_function("performance.getEntriesByName('charts-drawn').length > 0")

    async def logs_in(self, name: str = "") -> None:
        """By the form, or without a name by the address that `watchkeeper up` prints."""
        if not name:
            await self.page.goto(self.stage.dashboard.login_url)
        else:
            await self.page.goto(self.stage.url("/login"))
            await self.page.fill("#token", self.stage.dashboard.token)
            await self.page.fill("#name", name)
            await self.page.keyboard.press("Enter")
        await self.page.wait_for_url(self.stage.url("/"))
        assert self.stage.dashboard.token not in await self.page.evaluate("location.href")

    async def tabs_to(self, words: str) -> None:
        """By the Tab key alone, from where the focus is to the control of these words or this id."""
        for _ in range(80):
            await self.page.keyboard.press("Tab")
            if await self.focused() == words:
                return
        raise AssertionError(f"the Tab key never comes to {words}")

    async def focused(self) -> str:
        """The id of what has the focus, or its words."""
        found = "document.activeElement.id || document.activeElement.textContent.trim()"
        return str(await self.page.evaluate(found))

    async def is_too_wide(self) -> int:
        """By how many pixels the page can be scrolled sideways."""
        found = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(await self.page.evaluate(found))

    async def is_kept(self, name: str) -> None:
        """Keep a picture of the whole page, where TEST_PICTURES names a folder."""
        folder = os.environ.get("TEST_PICTURES")
        if folder:
            await self.page.screenshot(path=f"{folder}/{name}.png", full_page=True)


async def visit(context: BrowserContext, stage: Stage) -> Visitor:
    """A window of this context."""
    visitor = Visitor(await context.new_page(), stage)

    async def only_here(route: Route) -> None:
        if route.request.url.startswith(visitor.stage.dashboard.url + "/"):
            await route.continue_()
        else:
            visitor.abroad.append(route.request.url)
            await route.abort()

    async def dismiss(dialog: object) -> None:
        visitor.dialogs.append(str(dialog))

    await context.route(re.compile(".*"), only_here)
    visitor.page.on(
        "console", lambda one: visitor.said.append(one.text) if one.type in ("error", "warning") else None
    )
    visitor.page.on("pageerror", lambda one: visitor.said.append(str(one)))
    visitor.page.on("dialog", dismiss)
    return visitor


@pytest.fixture
async def visitor(chromium: Browser, stage: Stage) -> AsyncIterator[Visitor]:
    """Somebody at a desk. Whatever the test did: nothing left for elsewhere, nothing ran that came with the data."""
    context = await chromium.new_context(viewport={"width": 1280, "height": 860})
    found = await visit(context, stage)
    yield found
    await context.close()
    assert (found.abroad, found.dialogs, found.said) == ([], [], [])
