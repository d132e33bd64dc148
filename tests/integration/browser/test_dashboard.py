"""The dashboard as people use it, in a real browser, on the real store and the real broker."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

import msgspec
import pytest
from playwright.async_api import Browser, expect

from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.recalibration.desk import publish as publish_calibration
from monitor.recalibration.keys import keys_of
from monitor.recalibration.signing import verify
from schemas.alert_actions import AlertAction
from schemas.calibrations import Calibration
from schemas.taxonomy import CATEGORIES
from tests.integration.browser.conftest import Stage, Visitor, visit
from tests.integration.browser.stage import (
    HOSTILE_ID,
    HOSTILE_MODEL,
    HOSTILE_TENANT,
    IMAGE,
    SCRIPT,
    calibrate,
    publish,
)

PAGES = {
    "overview": "/",
    "cell": "/cell?"
    + urlencode({"tenant": "northwind", "model": "atlas-mini", "category": "benign", "span": "6h"}),
    "events": "/events",
    "alerts": "/alerts",
    "audits": "/audits",
    "calibrations": "/calibrations",
    "report": "/report",
    "pipeline": "/pipeline",
    "login": "/login",
}


async def actions(stage: Stage) -> list[AlertAction]:
    async with KafkaAdmin.connect(stage.settings.kafka) as admin:
        topic = stage.settings.kafka.alert_actions_topic
        return [
            AlertAction.from_bytes(record.value or b"")
            async for record in admin.read(topic, await admin.ranges(topic))
        ]


@pytest.mark.parametrize(("name", "path"), PAGES.items())
async def test_every_page_loads_without_a_word_of_complaint(visitor: Visitor, name: str, path: str) -> None:
    await visitor.goes_to(path)

    await expect(visitor.page.locator("h1")).to_be_visible()
    await expect(visitor.page.locator("header nav [aria-current=page]")).to_have_count(
        0 if name == "login" else 1
    )
    await expect(visitor.page.locator("#live .text")).to_have_text("live")
    await expect(visitor.page.locator(".trouble")).to_have_count(0)
    assert await visitor.page.evaluate("document.querySelectorAll('canvas').length > 0") == (
        name in ("overview", "cell", "audits")
    )
    await visitor.is_kept(name)


async def test_the_overview_has_every_category_and_model_with_interval_and_baseline(visitor: Visitor) -> None:
    await visitor.goes_to("/?measure=over_refusal&tenant=northwind&span=6h")

    rows = visitor.page.locator(".matrix tbody tr")
    await expect(rows).to_have_count(1 + len(CATEGORIES))
    heads = visitor.page.locator(".matrix thead th")
    assert sorted(await heads.all_inner_texts()) == [
        "all models",
        "atlas-large",
        "atlas-mini",
        "category",
        "heron-7b",
    ]
    fires = visitor.page.locator(".matrix td.firing a")
    await expect(fires).to_have_count(1)
    words = await fires.get_attribute("title") or ""
    assert "baseline" in words
    assert " of " in words
    await fires.click()
    await expect(visitor.page.locator("h1")).to_have_text("Over refusal of northwind · atlas-mini · benign")
    await expect(visitor.page.locator(".facts")).to_contain_text("known from")
    await expect(visitor.page.locator("#about")).to_have_text("Alerts about this cell")


async def test_an_alert_appears_without_a_reload_and_is_announced(visitor: Visitor) -> None:
    await visitor.goes_to("/")
    await expect(visitor.page.locator("#live .text")).to_have_text("live")
    await visitor.page.evaluate("window.isSame = true")
    stage = visitor.stage
    fresh = msgspec.structs.replace(
        stage.day.shift(stage.settings.kafka.group_prefix),
        id="fa" * 16,
        title="Response harm of acme-support / heron-7b rose from 3 % to 9 %",
        started_at=datetime.now(UTC),
    )

    await publish(stage.settings, [fresh])

    await expect(
        visitor.page.locator("#standing .alert", has_text="Response harm of acme-support")
    ).to_be_visible()
    await expect(visitor.page.locator("#announcer")).to_contain_text("Alert: Response harm of acme-support")
    await expect(visitor.page.locator(".toast")).to_have_attribute("href", f"/alerts/{fresh.id}")
    await expect(visitor.page.locator("#firing .badge")).to_have_text("4")
    assert await visitor.page.evaluate("window.isSame")

    over = msgspec.structs.replace(fresh, state="resolved", at=datetime.now(UTC), ended_at=datetime.now(UTC))
    await publish(stage.settings, [over])

    await expect(visitor.page.locator("#firing .badge")).to_have_text("3")
    await expect(visitor.page.locator("#announcer")).to_contain_text("Alert resolved")


async def test_from_an_alert_to_its_rows_and_by_keyboard_alone_to_acknowledge(visitor: Visitor) -> None:
    await visitor.logs_in("Ada <b>Lovelace</b>")
    await visitor.goes_to("/alerts")
    await visitor.page.get_by_text("Over refusal of northwind").click()
    await expect(visitor.page.locator("#alert-chart")).to_be_visible()
    rows = visitor.page.locator("section[aria-labelledby=rows] .events tbody tr")
    await expect(rows.first).to_contain_text("atlas-mini")
    assert await rows.count() > 5
    await visitor.is_kept("alert")

    await visitor.tabs_to("note")
    await visitor.page.keyboard.type("new system prompt since noon")
    await visitor.page.keyboard.press("Tab")
    assert await visitor.focused() == "acknowledge"
    await visitor.page.keyboard.press("Enter")

    await expect(visitor.page.locator(".done")).to_contain_text(
        re.compile(r"The new level \([0-9.]+ %\) is normal")
    )
    await expect(
        visitor.page.locator(".done")
    ).to_be_focused()  # where what was done is said, before the form
    await expect(visitor.page.locator(".history li")).to_contain_text(
        "acknowledged by dashboard: Ada <b>Lovelace</b>"
    )
    (done,) = [one for one in await actions(visitor.stage) if one.verb == "acknowledge"]
    assert (done.by, done.note) == ("dashboard: Ada <b>Lovelace</b>", "new system prompt since noon")

    await rows.first.locator("a").click()
    await expect(visitor.page.locator("h1")).to_contain_text("chat-")
    await expect(visitor.page.locator(".facts").first).to_contain_text("prompt")


async def test_every_control_is_reached_by_the_tab_key_and_seen(visitor: Visitor) -> None:
    await visitor.logs_in()
    await visitor.goes_to(f"/alerts/{visitor.stage.day.shift(visitor.stage.settings.kafka.group_prefix).id}")
    reached = []
    for _ in range(24):
        await visitor.page.keyboard.press("Tab")
        reached.append(
            await visitor.page.evaluate(
                "[document.activeElement.textContent.trim(), getComputedStyle(document.activeElement).outlineStyle]"
            )
        )

    assert reached[0][0] == "Skip to the content"
    words = [one for one, _ in reached]
    assert (
        words.index("Overview") < words.index("Pipeline") < words.index("Acknowledge") < words.index("Mute")
    )
    assert {outline for _, outline in reached} <= {"solid", "auto"}


async def test_by_keyboard_alone_an_alert_is_muted_and_told_again(visitor: Visitor) -> None:
    await visitor.logs_in()
    await visitor.goes_to("/alerts/98ddc0f4")
    await expect(visitor.page.locator("#acknowledge")).to_have_count(0)

    await visitor.tabs_to("length")
    await visitor.page.keyboard.press("ArrowDown")
    await visitor.page.keyboard.press("Tab")
    assert await visitor.focused() == "Mute"
    await visitor.page.keyboard.press("Enter")

    await expect(visitor.page.locator("#alert-head")).to_contain_text("muted until")
    await expect(visitor.page.locator(".done")).to_be_focused()
    (muted,) = [one for one in await actions(visitor.stage) if one.verb == "mute"]
    assert muted.until is not None
    assert timedelta(hours=7, minutes=58) < muted.until - datetime.now(UTC) < timedelta(hours=8)
    await visitor.tabs_to("Unmute")
    await visitor.page.keyboard.press("Enter")
    await expect(visitor.page.locator("#alert-head")).not_to_contain_text("muted until")
    await expect(visitor.page.locator(".done")).to_be_focused()


async def newest_calibration(stage: Stage) -> Calibration:
    """The last record on the topic, verified."""
    keys = keys_of(stage.settings.recalibration)
    assert keys is not None
    async with KafkaAdmin.connect(stage.settings.kafka) as admin:
        topic = stage.settings.kafka.calibrations_topic
        records = [record async for record in admin.read(topic, await admin.ranges(topic))]
    return verify(records[-1].value or b"", keys.secrets)


async def test_by_keyboard_alone_a_person_approves_a_calibration_and_goes_back(visitor: Visitor) -> None:
    stage = visitor.stage
    await visitor.logs_in("Ada")
    await visitor.goes_to("/calibrations")
    await expect(visitor.page.locator("h2").first).to_have_text(f"atlas-mini {SCRIPT}")

    await visitor.tabs_to("reason-1")
    await visitor.page.keyboard.type("as agreed")
    await visitor.tabs_to("Approve version 1")
    await visitor.page.keyboard.press("Enter")

    await expect(visitor.page.locator(".done")).to_contain_text("Approved.")
    await expect(visitor.page.locator(".done")).to_be_focused()
    newest = await newest_calibration(stage)
    assert (newest.version, newest.state, newest.by, newest.reason) == (
        1,
        "approved",
        "dashboard: Ada",
        "as agreed",
    )
    # The row isn't there yet, so the page still has the form of before: a decision about what has changed is refused.
    await visitor.tabs_to("Approve version 1")
    await visitor.page.keyboard.press("Enter")
    await expect(visitor.page.locator(".trouble")).to_contain_text("become another one")
    await expect(visitor.page.locator(".trouble")).to_be_focused()
    visitor.said.clear()

    published = publish_calibration(newest, by="watchkeeper", at=datetime.now(UTC))
    await calibrate(stage.store, stage.settings, published)
    back = visitor.page.get_by_role("button", name="Roll back")  # comes by itself
    await expect(back).to_be_visible(timeout=10_000)
    await expect(visitor.page.locator(".trouble")).to_be_focused()  # what came by itself took nothing
    await visitor.tabs_to("reason-1")
    await visitor.page.keyboard.type("refuses too much")
    await visitor.tabs_to("Roll back")
    await visitor.page.keyboard.press("Enter")

    await expect(visitor.page.locator(".done")).to_contain_text("Rolled back")
    gone = await newest_calibration(stage)
    assert (gone.version, gone.state, gone.by, gone.reason) == (
        1,
        "rolled_back",
        "dashboard: Ada",
        "refuses too much",
    )
    await calibrate(stage.store, stage.settings, gone)
    await expect(visitor.page.get_by_text("version 1 rolled back")).to_be_visible(timeout=10_000)
    await expect(visitor.page.locator("form.act button")).to_have_count(0)


async def test_the_weekly_report_is_made_while_one_looks_and_opens_as_a_document(visitor: Visitor) -> None:
    await visitor.goes_to("/report")
    this = await visitor.page.locator("#week option").last.get_attribute("value")
    await visitor.page.select_option("#week", this)
    opens = visitor.page.get_by_role("link", name="Open the whole report")
    await expect(opens).to_have_attribute("href", f"/report/{this}.html", timeout=20_000)
    await expect(visitor.page.locator("#report ol li").first).to_be_visible()

    await opens.click()
    await expect(visitor.page.locator("h1")).to_contain_text("Safety report")
    assert await visitor.page.locator("svg").count() > 0
    assert await visitor.page.locator("script, img[src*=onerror]").count() == 0
    await visitor.is_kept("report-opened")


async def test_what_people_wrote_stays_text_wherever_it_is_shown(visitor: Visitor) -> None:
    for path in (
        "/events?" + urlencode({"tenant": HOSTILE_TENANT}),
        "/event?" + urlencode({"id": HOSTILE_ID}),
        "/?" + urlencode({"tenant": HOSTILE_TENANT, "model": HOSTILE_MODEL}),
        "/cell?" + urlencode({"tenant": HOSTILE_TENANT, "model": HOSTILE_MODEL, "category": "cyberattacks"}),
        "/alerts/" + "ad" * 16,
        "/alerts",
        "/pipeline",
        "/login?" + urlencode({"next": f"//evil.example/{SCRIPT}"}),
        "/?" + urlencode({"measure": f"{IMAGE}{SCRIPT}"}),
    ):
        if "measure" in path:
            await visitor.page.goto(visitor.stage.url(path))
            assert visitor.said == [
                "Failed to load resource: the server responded with a status of 400 (Bad Request)"
            ]
            visitor.said.clear()
        else:
            await visitor.goes_to(path)
        assert await visitor.page.locator("img:not([src*='/mark.svg'])").count() == 0
        assert await visitor.page.locator("script:not([src])").count() == 0
    await visitor.goes_to("/events?" + urlencode({"tenant": HOSTILE_TENANT}))
    first = visitor.page.locator(".events tbody tr").first
    await expect(first).to_contain_text(SCRIPT)
    await expect(first).to_contain_text("{{7*7}}")
    await expect(first).to_contain_text("‹202E›")
    await first.locator("a").click()
    await expect(visitor.page.locator("h1")).to_have_text(HOSTILE_ID)


@pytest.fixture
async def phone(chromium: Browser, stage: Stage) -> AsyncIterator[Visitor]:
    """Somebody with a small phone, in the dark."""
    context = await chromium.new_context(
        viewport={"width": 360, "height": 740}, color_scheme="dark", has_touch=True, is_mobile=True
    )
    found = await visit(context, stage)
    yield found
    await context.close()
    assert (found.abroad, found.dialogs, found.said) == ([], [], [])


async def test_on_a_phone_in_the_dark_nothing_is_too_wide_and_all_is_dark(phone: Visitor) -> None:
    alert = "/alerts/" + phone.stage.day.shift(phone.stage.settings.kafka.group_prefix).id
    for name, path in {**PAGES, "alert": alert, "event": "/event?" + urlencode({"id": HOSTILE_ID})}.items():
        await phone.goes_to(path)
        assert (name, await phone.is_too_wide()) == (name, 0)
        await phone.is_kept(f"phone-{name}")
    dark = await phone.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark == "rgb(18, 23, 27)"


async def test_without_a_token_nothing_can_be_done_and_a_foreign_form_is_refused(visitor: Visitor) -> None:
    alert = visitor.stage.day.shift(visitor.stage.settings.kafka.group_prefix).id
    await visitor.goes_to(f"/alerts/{alert}")
    await expect(visitor.page.locator("#actions form")).to_have_count(0)

    statuses = await visitor.page.evaluate(
        """async (alert) => {
            const send = async (path, body) => (await fetch(path, { method: "POST", body: new URLSearchParams(body) })).status;
            return [
                await send(`/alerts/${alert}/act`, { verb: "resolve" }),
                await send("/calibrations", { verb: "approve", model: "m", version: "1" }),
                await send("/login", { token: "wrong" }),
            ];
        }""",
        alert,
    )

    assert statuses == [401, 401, 403]
    visitor.said.clear()
    assert [one for one in await actions(visitor.stage) if one.verb == "resolve"] == []


async def test_unknown_addresses_are_told_as_such(visitor: Visitor) -> None:
    for path, status in (
        ("/nothing", 404),
        ("/alerts/ffff", 404),
        ("/event?id=" + quote("no such event"), 404),
        ("/audits?id=none", 404),
        ("/?span=9", 400),
        ("/events?limit=-1", 400),
        ("/alerts?page=x", 400),
    ):
        answer = await visitor.page.goto(visitor.stage.url(path))
        assert answer is not None
        assert (path, answer.status) == (path, status)
        await expect(visitor.page.locator("main")).to_contain_text("Overview")
    visitor.said.clear()
