"""Who may act, and by what: sessions, their forms, and what a page may claim was done."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import httpx
import pytest

from monitor.adapters.alert_feed import Entry
from schemas.alert_actions import AlertAction, Verb
from tests.unit.cli.alerts_fixture import shift
from tests.unit.web.apps import HOST, TOKEN, app, client, csrf, log_in

ALERT = f"/alerts/{shift().id}"
FROM_HERE = {"origin": HOST}


async def test_the_form_of_another_session_is_worth_nothing() -> None:
    made = app()
    async with client(made) as ada, client(made) as ben:
        await log_in(ada, name="Ada")
        await log_in(ben, name="Ben")
        form = {"csrf": await csrf(ben, ALERT), "verb": "resolve"}
        for path in (f"{ALERT}/act", "/calibrations", "/logout"):
            answer = await ada.post(path, data=form, headers=FROM_HERE)
            assert (path, answer.status_code) == (path, 403)
        assert "Log out" in (await ada.get("/alerts")).text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": HOST + ".evil.example"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://evil.example", "sec-fetch-site": "same-origin"},
    ],
)
async def test_who_is_logged_in_acts_for_no_other_site(headers: dict[str, str]) -> None:
    async with client(app()) as web:
        await log_in(web)
        form = {"csrf": await csrf(web, ALERT), "verb": "resolve"}
        for path in (f"{ALERT}/act", "/calibrations", "/logout"):
            answer = await web.post(path, data=form, headers=headers)
            assert (path, answer.status_code) == (path, 403)
        assert "Log out" in (await web.get("/alerts")).text


async def test_nothing_acts_by_being_looked_at() -> None:
    async with client(app()) as web:
        await log_in(web)
        given = f"?csrf={await csrf(web, ALERT)}&verb=resolve"
        for path in (f"{ALERT}/act{given}", f"/logout{given}"):
            for method in ("GET", "HEAD"):
                assert (await web.request(method, path)).status_code == 405
        answer = await web.get(f"/calibrations{given}&verb=approve&model=m&version=1&state=proposed")
        assert "Approved" not in answer.text
        assert "Log out" in (await web.get("/alerts")).text


async def test_an_address_alone_makes_no_page_say_that_something_was_done() -> None:
    async with client(app()) as web:
        await log_in(web)
        for path in (
            f"{ALERT}?done=resolve",
            f"{ALERT}?done=resolve&seal={'0' * 32}",
            "/calibrations?done=approve",
            "/calibrations?done=approve&seal=x",
        ):
            assert 'class="done"' not in (await web.get(path)).text


async def test_a_session_that_has_ended_is_told_as_such_with_the_way_back() -> None:
    made = app()
    async with client(made) as web:
        await log_in(web)
        form = {"csrf": await csrf(web, ALERT), "verb": "resolve", "note": "half a page of thoughts"}
        made.state.site.sessions._sessions.clear()  # as a restart does
        answer = await web.post(f"{ALERT}/act", data=form, headers=FROM_HERE)
        assert answer.status_code == 401
        assert "Nothing was done: your session has ended" in answer.text
        assert f'href="/login?next={ALERT}"' in answer.text
        web.cookies.clear()
        answer = await web.post(f"{ALERT}/act", data=form, headers=FROM_HERE)
        assert "Log in with the token to do this" in answer.text


async def test_whoever_is_logged_in_may_log_in_once_more() -> None:
    """The address that `watchkeeper up` prints is opened again and again."""
    async with client(app()) as web:
        assert (await log_in(web, name="Ada")).status_code == 303
        assert (await log_in(web, name="Ada at home")).status_code == 303
        assert "dashboard: Ada at home" in (await web.get("/alerts")).text
        wrong = {"csrf": "0" * 32, "token": TOKEN}
        assert (await web.post("/login", data=wrong, headers=FROM_HERE)).status_code == 403


async def test_only_logging_in_sets_a_cookie_and_no_page_carries_a_secret() -> None:
    secrets: dict[str, str] = {
        "WATCHKEEPER_CLICKHOUSE__PASSWORD": "store-secret-1",
        "WATCHKEEPER_RECALIBRATION__SECRET": "of thirty-two bytes, for nobody!",
        "WATCHKEEPER_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
        "WATCHKEEPER_KAFKA__SASL_MECHANISM": "PLAIN",
        "WATCHKEEPER_KAFKA__SASL_USERNAME": "watch",
        "WATCHKEEPER_KAFKA__SASL_PASSWORD": "broker-secret-1",
    }
    async with client(app(TOKEN, 0, **secrets)) as web:
        answer = await log_in(web, name="Ada")
        session = re.split("[=;]", answer.headers["set-cookie"])[1]
        for path in ("/", "/cell", "/events", ALERT, "/audits", "/calibrations", "/login", "/healthz", "/no"):
            found: httpx.Response = await web.get(path)
            assert "set-cookie" not in found.headers
            for secret in (TOKEN, session, "store-secret-1", "broker-secret-1", "of thirty-two bytes"):
                assert secret not in found.text, path


async def test_the_overview_and_the_list_say_who_did_what_last_and_what_to_do_next() -> None:
    made = app()
    now = datetime.now(UTC)
    done: list[tuple[Verb, str]] = [("mute", "Ada"), ("unmute", "Ben"), ("mute", "dashboard: <b>Cy</b>")]
    for at, (verb, by) in enumerate(done):
        did = AlertAction(alert_id=shift().id, fleet=shift().fleet, verb=verb, by=by, note="", until=None)
        made.state.site.book._take(Entry(did, at, now.timestamp()))
    async with client(made) as web:
        overview, listed = (await web.get("/")).text, (await web.get("/alerts")).text
    for page in (overview, listed):
        assert page.count('<span class="tag">muted</span>') == 1
        assert f"<span>muted by dashboard: &lt;b&gt;Cy&lt;/b&gt; at {now:%m-%d %H:%M}" in page
        assert "by Ada" not in page
    assert overview.count('<span class="remedy">') == 2
    assert "remedy" not in listed
