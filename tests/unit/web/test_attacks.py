"""The dashboard under attack: markup everywhere, addresses and hosts that are none, sessions, methods, floods; and what is left whole."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from msgspec.structs import replace
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message
from structlog.testing import capture_logs

from monitor.adapters.alert_feed import Entry
from monitor.web.forms import fields_of
from schemas.calibrations import SignedCalibration
from tests.integration.browser.stage import audit, calibration
from tests.unit.cli.alerts_fixture import stalled
from tests.unit.web.apps import HOST, TOKEN, app, client, csrf, log_in
from tests.unit.web.stores import Comes

HOSTILE = "<img src=x onerror=alert(1)>\"'`{{7*7}}\u202e\x1b[31m"


async def test_whatever_stands_in_an_alert_or_an_address_stays_text() -> None:
    made = app()
    hostile = replace(
        stalled(),
        id="ab" * 16,
        title=HOSTILE,
        kind=HOSTILE,
        remedy=f"run `{HOSTILE}` now",
        place={"tenant": HOSTILE, "model": HOSTILE, HOSTILE: HOSTILE},
        facts={HOSTILE: HOSTILE},
    )
    made.state.site.book._take(Entry(hostile, 9, 0.0))
    given = quote(HOSTILE)
    async with client(made) as web:
        for path in (
            f"/alerts/{hostile.id}",
            "/alerts",
            "/",
            f"/?tenant={given}&model={given}",
            f"/cell?tenant={given}&model={given}",
            f"/events?tenant={given}&model={given}",
            f"/?measure={given}",
            f"/?span={given}",
            f"/?category={given}",
            f"/events?kind={given}",
            f"/events?before={given}",
            f"/event?id={given}",
            f"/audits?id={given}",
            f"/alerts?show={given}",
            f"/alerts?page={given}",
            f"/alerts/{given}",
            f"/report?week={given}",
            f"/report/{given}.html",
            f"/login?next=/{given}",
            f"/calibrations?done={given}",
            f"/{given}",
        ):
            answer = await web.get(path)
            assert answer.status_code in (200, 400, 404), path
            seen = re.sub(r'value="[^"]*"', "", answer.text)  # goes back as it came, and is shown to nobody
            for piece in ("<img src=x", "\x1b", "\u202e", ">49<", "\"'`"):
                assert piece not in seen, (path, piece)


@pytest.mark.parametrize("host", ["evil@127.0.0.1:8480", "127.0.0.1/evil", "127.0.0.1:8480#x", "127.0.0.1:x"])
async def test_a_host_that_is_none_is_refused(host: str) -> None:
    async with client(app()) as web:
        assert (await web.get("/alerts", headers={"host": host})).status_code == 421


async def test_other_methods_are_refused_and_a_head_of_the_stream_ends() -> None:
    async with client(app()) as web, asyncio.timeout(10):
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            answer = await web.request(method, "/alerts", headers={"origin": HOST})
            assert (method, answer.status_code) == (method, 405)
        head = await web.head("/stream")
        assert (head.status_code, head.content) == (200, b"")
        assert (await web.head("/alerts")).content == b""
        assert (await web.get("/alerts/")).status_code == 404


async def test_too_many_open_pages_are_told_to_come_again() -> None:
    made = app(WATCHKEEPER_WEB__MAX_STREAMS="1")
    with made.state.site.hub.subscribed():
        async with client(made) as web:
            answer = await web.get("/stream")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")


async def test_a_session_is_never_one_that_was_given_and_the_one_before_ends() -> None:
    made = app()
    async with client(made) as web:
        web.cookies.set("watchkeeper_8480", "fixed", domain="127.0.0.1")
        answer = await log_in(web)
        first = answer.headers["set-cookie"].split(";")[0].partition("=")[2]
        assert first != "fixed"
        assert made.state.site.sessions.of("fixed") is None
        # A page with a session has its own form, so the next log-in comes from somebody who still has the page of before.
        form = {"csrf": made.state.site.sessions.csrf(None), "token": TOKEN}
        again = await web.post(
            "/login", data=form, headers={"origin": HOST, "cookie": f"watchkeeper_8480={first}"}
        )
        assert again.status_code == 303
        assert made.state.site.sessions.of(first) is None


async def test_behind_tls_the_cookie_is_for_tls_alone() -> None:
    async with client(app()) as web:
        form = {"csrf": await csrf(web), "token": TOKEN}
        for origin, is_secure in ((HOST, False), (HOST.replace("http:", "https:"), True)):
            answer = await web.post("/login", data=form, headers={"origin": origin})
            assert (answer.status_code, "secure" in answer.headers["set-cookie"].lower()) == (303, is_secure)


async def test_a_fault_of_ours_is_told_without_what_was_typed() -> None:
    made = app()

    made.state.site.book = None
    with capture_logs() as logs:
        async with client(made) as web:
            answer = await web.get(f"/alerts/{TOKEN.replace(' ', '%20')}")
    assert answer.status_code == 500
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    (line,) = [one for one in logs if one["event"] == "page failed"]
    assert line["page"] == "/alerts/{id}"
    assert TOKEN not in str(logs)


async def test_no_token_is_logged_whether_right_or_wrong() -> None:
    with capture_logs() as logs:
        async with client(app()) as web:
            await log_in(web, "a wrong token")
            await log_in(web)
            await web.get(f"/login?token={quote(TOKEN)}")
    assert TOKEN not in str(logs)
    assert "a wrong token" not in str(logs)


async def test_names_that_no_file_can_have_are_not_found() -> None:
    async with client(app()) as web:
        for name in ("a" * 5_000 + ".js", "%00app.js", "..%5capp.js", ".", "app.js%2f"):
            assert (name[:20], (await web.get(f"/assets/x/{name}")).status_code) == (name[:20], 404)
        assert (await web.get("/?tenant=" + "a" * 60_000)).status_code == 400
        assert (await web.get("/?" + "&x=1" * 10_000)).status_code == 200


async def test_whatever_stands_in_an_audit_or_a_calibration_stays_text() -> None:
    now = datetime.now(UTC)
    of_audit = replace(
        audit("f", now),
        model=HOSTILE,
        anchor_set=HOSTILE,
        probe_model=HOSTILE,
        template=HOSTILE,
        detail=HOSTILE,
        values=tuple(replace(one, layer=HOSTILE) for one in audit("f", now).values[:4]),
    )
    proposed = calibration("f", now, HOSTILE)
    proposed = replace(
        proposed,
        by=HOSTILE,
        reason=HOSTILE,
        evidence=tuple(replace(one, group=HOSTILE, guarantee=HOSTILE) for one in proposed.evidence),
    )
    comes = Comes(
        {
            "audit_list": [{"record": of_audit.to_bytes().decode()}],
            "dashboard_calibrations": [
                {
                    "signed": SignedCalibration(calibration=proposed, key_id="k", signature="0" * 64)
                    .to_bytes()
                    .decode()
                }
            ],
        }
    )
    made = app()
    made.state.site.store.connect = comes.connect
    async with client(made) as web:
        for path in ("/audits", "/calibrations"):
            answer = await web.get(path)
            assert (path, answer.status_code) == (path, 200)
            assert "&lt;img src=x" in answer.text
            assert "<img src=x" not in answer.text
            assert "\x1b" not in re.sub(r'value="[^"]*"', "", answer.text)


async def test_a_form_that_never_arrives_is_given_up() -> None:
    """What a slow sender costs is bounded."""
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/login",
        "query_string": b"",
        "headers": [],
        "app": app(),
    }
    with pytest.raises(HTTPException) as refused:
        await fields_of(Request(scope, receive, send), within_s=0.01)
    assert refused.value.status_code == 408
