"""Pages that stay open: what others do, and parts that go away and come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec
import pytest
from playwright.async_api import Browser, expect

from benchmarks.chaos.faults.tcp_proxy import TcpProxy
from monitor.embedded.kafka import KafkaPart
from monitor.settings import Settings
from monitor.web.serving import serving
from schemas.alerts import Alert
from tests.integration.browser.conftest import Stage, Visitor, visit
from tests.integration.browser.stage import publish

SOON_MS = 20_000


@pytest.fixture
async def other(chromium: Browser, stage: Stage) -> AsyncIterator[Visitor]:
    """Somebody else, elsewhere."""
    context = await chromium.new_context(viewport={"width": 1280, "height": 860})
    found = await visit(context, stage)
    yield found
    await context.close()
    assert (found.abroad, found.dialogs) == ([], [])


def fires(stage: Stage, mark: str, title: str) -> Alert:
    return msgspec.structs.replace(
        stage.day.shift(stage.settings.kafka.group_prefix),
        id=mark * 16,
        title=title,
        started_at=datetime.now(UTC),
    )


async def test_what_comes_by_itself_leaves_the_focus_where_it_is(visitor: Visitor) -> None:
    titles = [f"Refusal of acme-support / atlas-large rose from 9 % to 4{n} %" for n in range(2)]
    await visitor.goes_to("/")
    await expect(visitor.page.locator("#live .text")).to_have_text("live")
    await visitor.page.locator(".matrix td a").last.focus()
    address = "document.activeElement.getAttribute('href')"
    cell = await visitor.page.evaluate(address)
    await publish(visitor.stage.settings, [fires(visitor.stage, "5e", titles[0])])
    stands = visitor.page.locator("#standing .alert")
    await expect(stands.filter(has_text=titles[0])).to_be_visible()
    assert await visitor.page.evaluate(address) == cell

    # In the part itself, on what has neither an id nor an address; and on what goes away.
    await visitor.goes_to("/alerts/" + "5e" * 16)
    await expect(visitor.page.locator("#live .text")).to_have_text("live")
    await visitor.page.evaluate(
        """() => {
            const one = document.createElement("button");
            one.textContent = "Once";
            document.getElementById("actions").append(one);
            one.focus();
        }"""
    )
    over = fires(visitor.stage, "5e", titles[1])
    now = datetime.now(UTC)
    await publish(
        visitor.stage.settings, [msgspec.structs.replace(over, state="resolved", at=now, ended_at=now)]
    )
    await expect(visitor.page.locator("#actions")).to_contain_text("nothing is left to do")
    await expect(visitor.page.locator("#actions")).to_be_focused()


async def test_two_people_see_what_the_other_does_and_the_second_is_refused_with_words(
    visitor: Visitor, other: Visitor
) -> None:
    alert = fires(visitor.stage, "2b", "Refusal of acme-support / atlas-large rose from 9 % to 31 %")
    await visitor.logs_in("Ada")
    await other.logs_in("Ben")
    await publish(visitor.stage.settings, [alert])
    await expect(visitor.page.locator("#standing .alert", has_text="from 9 % to 31 %")).to_be_visible()
    for one in (visitor, other):
        await one.goes_to(f"/alerts/{alert.id}")
    await other.page.fill("#note", "I am still thinking")

    await visitor.page.get_by_role("button", name="Mute").click()

    await expect(other.page.locator("#alert-head")).to_contain_text("muted until")
    await visitor.page.fill("#note", "planned")
    await visitor.page.get_by_role("button", name="Acknowledge").click()
    await expect(visitor.page.locator(".history")).to_contain_text("acknowledged by dashboard: Ada: planned")
    now = datetime.now(UTC)
    await publish(
        visitor.stage.settings, [msgspec.structs.replace(alert, state="acknowledged", at=now, ended_at=now)]
    )
    await expect(visitor.page.locator("#actions")).to_contain_text("nothing is left to do", timeout=SOON_MS)
    await expect(other.page.locator("#alert-head")).to_contain_text("acknowledged")
    assert await other.page.input_value("#note") == "I am still thinking"  # what one writes stays

    await other.page.get_by_role("button", name="Resolve").click()

    await expect(other.page.locator(".trouble")).to_contain_text("is over since")
    await expect(other.page.locator(".history")).to_contain_text("acknowledged by dashboard: Ada: planned")


async def test_an_alert_is_announced_once_though_the_connection_breaks(visitor: Visitor) -> None:
    await visitor.goes_to("/")
    await expect(visitor.page.locator("#live .text")).to_have_text("live")
    await visitor.page.evaluate(
        """() => {
            window.announced = [];
            const look = new MutationObserver((all) => all.forEach((one) => one.addedNodes.forEach((node) => announced.push(node.data))));
            look.observe(document.getElementById("announcer"), { childList: true });
        }"""
    )
    title = "Refusal of acme-support / heron-7b fell from 41 % to 17 %"
    await publish(visitor.stage.settings, [fires(visitor.stage, "3c", title)])
    await expect(visitor.page.locator(".toast", has_text=title)).to_be_visible()

    await visitor.page.context.set_offline(True)
    await visitor.page.context.set_offline(False)
    await visitor.page.evaluate(
        """() => {
            for (const state of [true, false]) {
                Object.defineProperty(document, "hidden", { value: state, configurable: true });
                document.dispatchEvent(new Event("visibilitychange"));
            }
        }"""
    )

    await expect(visitor.page.locator("#live .text")).to_have_text("live")
    await expect(visitor.page.locator("#standing .alert", has_text=title)).to_be_visible()
    assert await visitor.page.evaluate("announced") == [f"Alert: {title}"]
    await visitor.page.keyboard.press("Escape")
    await expect(visitor.page.locator(".toast")).to_have_count(0)
    visitor.said.clear()


def with_store(settings: Settings, url: str) -> Settings:
    return settings.model_copy(
        update={"clickhouse": settings.clickhouse.model_copy(update={"url": url})}, deep=True
    )


async def test_a_store_that_goes_away_is_said_and_is_back_by_itself(visitor: Visitor) -> None:
    stage = visitor.stage
    host, _, port = stage.settings.clickhouse.url.removeprefix("http://").partition(":")
    async with (
        TcpProxy(host, int(port)) as proxy,
        serving(with_store(stage.settings, f"http://{proxy.address}")) as dashboard,
    ):
        visitor.stage = Stage(dashboard, stage.settings, stage.store, stage.day)
        await visitor.goes_to("/")
        await expect(visitor.page.locator(".matrix")).to_be_visible()
        await expect(visitor.page.locator("#live .text")).to_have_text("live")

        proxy.is_refusing = True
        proxy.cut()
        trouble = visitor.page.locator("#troubles .trouble")
        await expect(trouble.first).to_contain_text("ClickHouse", timeout=SOON_MS)
        await expect(visitor.page.locator("#standing")).to_contain_text("go on")  # what Kafka knows is there

        proxy.is_refusing = False
        await expect(trouble).to_have_count(0, timeout=SOON_MS)
        await expect(visitor.page.locator(".matrix")).to_be_visible()
        await visitor.page.goto("about:blank")
    visitor.said.clear()


async def test_a_dashboard_that_is_started_again_takes_its_open_pages_with_it(visitor: Visitor) -> None:
    stage = visitor.stage
    async with serving(stage.settings) as dashboard:
        visitor.stage = Stage(dashboard, stage.settings, stage.store, stage.day)
        await visitor.logs_in("Ada")
        await visitor.goes_to("/alerts/98ddc0f4")
        await expect(visitor.page.locator("#live .text")).to_have_text("live")
    port = int(dashboard.url.rpartition(":")[2])
    await expect(visitor.page.locator("#live .text")).to_have_text("not live: reconnecting")
    await expect(visitor.page.locator("#cut")).to_contain_text("Not live since")
    await visitor.page.fill("#note", "written meanwhile")

    web = stage.settings.web.model_copy(update={"port": port})
    async with serving(stage.settings.model_copy(update={"web": web})) as again:
        assert again.url == dashboard.url
        await expect(visitor.page.locator("#live .text")).to_have_text("live", timeout=SOON_MS)
        await expect(visitor.page.locator("#cut")).to_be_hidden()
        await expect(visitor.page.locator("#session")).to_contain_text(
            "Log in"
        )  # a restart ends all sessions
        await visitor.page.get_by_role("button", name="Mute").click()
        await expect(visitor.page.locator("main")).to_contain_text("Nothing was done: your session has ended")
        await visitor.page.get_by_role("link", name="Log in").last.click()
        await visitor.page.fill("#token", again.token)
        await visitor.page.keyboard.press("Enter")
        await visitor.page.wait_for_url("**/alerts/98ddc0f4*")
        await expect(visitor.page.get_by_role("button", name="Mute")).to_be_visible()
        await visitor.page.goto("about:blank")
    visitor.said.clear()


async def test_kafka_that_goes_away_is_said_and_what_comes_after_it_is_told(
    visitor: Visitor, kafka_part: KafkaPart
) -> None:
    await visitor.goes_to("/")
    await expect(visitor.page.locator("#live .text")).to_have_text("live")

    await kafka_part.kill()
    try:
        standing = visitor.page.locator("#standing")
        await expect(standing).to_contain_text("as far as is known", timeout=2 * SOON_MS)
        await expect(visitor.page.locator(".matrix")).to_be_visible()  # the rates need no Kafka
    finally:
        await kafka_part.start()
    async with asyncio.timeout(60):
        title = "Refusal of acme-support / atlas-mini rose from 4 % to 12 %"
        await publish(visitor.stage.settings, [fires(visitor.stage, "4d", title)])
    await expect(visitor.page.locator("#standing .alert", has_text=title)).to_be_visible(timeout=2 * SOON_MS)
    await expect(visitor.page.locator("#standing")).not_to_contain_text("as far as is known")
