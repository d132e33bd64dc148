"""The dashboard for everybody: what axe finds on each page, and getting around with keys alone."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from playwright.async_api import expect

from tests.integration.browser.axe import faults_of
from tests.integration.browser.conftest import Visitor
from tests.integration.browser.stage import HOSTILE_ID
from tests.integration.browser.test_dashboard import PAGES

FURTHER = {
    "events": "/events?limit=8",
    "alert": "/alerts/98ddc0f4",
    "shift": "/alerts?show=going",
    "event": "/event?" + urlencode({"id": HOSTILE_ID}),
    "nothing": "/?span=9",
}


@pytest.mark.parametrize(("name", "path"), {**PAGES, **FURTHER}.items())
async def test_axe_finds_nothing_in_the_light_at_a_desk_and_in_the_dark_on_a_phone(
    visitor: Visitor, name: str, path: str
) -> None:
    if name == "alert":
        await visitor.logs_in()
    if name == "shift":
        path = "/alerts/" + visitor.stage.day.shift(visitor.stage.settings.kafka.group_prefix).id
    await visitor.goes_to(path)
    for details in await visitor.page.locator("details").all():
        await details.evaluate("one => { one.open = true; }")
    found = {"desk, light": await faults_of(visitor.page)}
    await visitor.page.emulate_media(color_scheme="dark")
    await visitor.page.set_viewport_size({"width": 360, "height": 740})
    found["phone, dark"] = await faults_of(visitor.page)

    assert found == {"desk, light": [], "phone, dark": []}
    if name == "nothing":
        visitor.said.clear()


async def focused(visitor: Visitor) -> tuple[str, str]:
    """What has the focus, and how it is outlined."""
    words, style = await visitor.page.evaluate(
        """() => {
            const one = document.activeElement;
            return [one.id || one.innerText.trim(), getComputedStyle(one).outlineStyle];
        }"""
    )
    return str(words), str(style)


async def test_by_keys_alone_past_the_navigation_to_a_cell_and_its_figures(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.goes_to("/")

    await page.keyboard.press("Tab")
    assert (await focused(visitor))[0] == "Skip to the content"
    await expect(page.locator(".skip")).to_be_in_viewport()
    await page.keyboard.press("Enter")
    reached: list[tuple[str, str]] = []
    while not reached or reached[-1][0] != "model":
        await page.keyboard.press("Tab")
        reached.append(await focused(visitor))
        assert len(reached) < 20
    names = [name for name, _ in reached]
    assert names[-4:] == ["span", "measure", "tenant", "model"]
    assert any("Over refusal of northwind" in name for name in names)
    assert {outline for _, outline in reached} <= {"solid", "auto"}  # every one of them is seen


async def test_a_choice_walked_through_with_keys_counts_when_it_is_confirmed(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.goes_to("/")
    shows = page.get_by_role("button", name="Show")
    await expect(shows).to_be_hidden()

    await page.locator("#measure").focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    assert page.url == visitor.stage.url("/")  # nobody is carried off while still looking
    await expect(shows).to_be_visible()
    await shows.focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/?*measure=under_refusal*")

    await page.select_option("#span", "6h")  # with the mouse, at once
    await page.wait_for_url("**/?*span=6h*")
    await expect(page.locator("#span")).to_be_focused()


async def test_nothing_moves_for_who_wants_it_still(visitor: Visitor) -> None:
    await visitor.page.emulate_media(reduced_motion="reduce")
    await visitor.goes_to("/")
    moving = """() => [...document.querySelectorAll("*")].filter((one) => {
        const style = getComputedStyle(one);
        return style.animationName !== "none" || parseFloat(style.transitionDuration) > 0;
    }).length"""
    assert await visitor.page.evaluate(moving) == 0
    assert await visitor.page.evaluate("window.Chart.getChart('main-chart').options.animation") is False
