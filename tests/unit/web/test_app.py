"""The application without its parts: what is refused, what every answer carries, and what it says of parts that are away."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import cast
from urllib.parse import quote

import httpx
import pytest
from msgspec.structs import replace
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message
from structlog.testing import capture_logs

from monitor.adapters.alert_feed import Entry
from monitor.adapters.clickhouse import ClickHouse
from monitor.errors import Retryable
from monitor.reporting.building import build
from monitor.reporting.document import Report
from monitor.reporting.weeks import Week
from monitor.settings import ClickHouseSettings, load
from monitor.web.app import build_app
from monitor.web.chartjs import chart_js
from monitor.web.forms import fields_of
from monitor.web.guarding import MOST_BODY_BYTES
from monitor.web.report_desk import Tell
from monitor.web.site import Site
from schemas.calibrations import SignedCalibration
from tests.fakes.reporting import facts_of
from tests.integration.browser.stage import audit, calibration
from tests.unit.cli.alerts_fixture import shift, stalled
from tests.waiting import until

TOKEN = "open sesame"
HOST = "http://127.0.0.1:8480"
SECRET_TEXT = "<script>alert(document.domain)</script>"


def app(token: str = TOKEN, alerts: int = 0, **more: str) -> Starlette:
    """With a store and a broker that are away."""
    settings = load(
        {
            "WATCHKEEPER_CLICKHOUSE__URL": "http://127.0.0.1:9",
            "WATCHKEEPER_KAFKA__BOOTSTRAP": "127.0.0.1:9",
            "WATCHKEEPER_TRITON__URL": "127.0.0.1:9",
            **more,
        }
    )
    settings = settings.model_copy(
        update={"web": settings.web.model_copy(update={"token": SecretStr(token)})}
    )
    made = build_app(settings)
    site: Site = made.state.site
    for number, alert in enumerate(
        (shift(title=SECRET_TEXT), stalled(), *(replace(shift(), id=f"{n:032x}") for n in range(alerts)))
    ):
        site.book._take(Entry(alert, number, 0.0))
    site.book.is_read = True
    return made


@asynccontextmanager
async def client(made: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=made, client=("10.1.1.1", 5))
    async with httpx.AsyncClient(transport=transport, base_url=HOST) as found:
        yield found


async def csrf(web: httpx.AsyncClient, path: str = "/login") -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', (await web.get(path)).text)
    assert found is not None
    return found.group(1)


async def log_in(web: httpx.AsyncClient, token: str = TOKEN, **more: str) -> httpx.Response:
    form = {"csrf": await csrf(web), "token": token, **more}
    return await web.post("/login", data=form, headers={"origin": HOST})


async def test_pages_say_which_part_is_away_and_answer_all_the_same() -> None:
    async with client(app()) as web:
        for path in ("/", "/cell", "/events", "/audits", "/calibrations", "/event?id=x"):
            answer = await web.get(path)
            assert (path, answer.status_code) == (path, 200)
            assert "ClickHouse doesn&#39;t answer" in answer.text
            assert 'role="alert"' in answer.text
        health = (await web.get("/healthz")).json()
        assert health["status"] == "ok"


async def test_a_store_that_never_answers_is_not_waited_for() -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    made = app(WATCHKEEPER_CLICKHOUSE__URL=f"http://127.0.0.1:{port}", WATCHKEEPER_WEB__QUERY_WITHIN_S="0.2")
    async with client(made) as web, asyncio.timeout(10):
        for path in ("/", "/events", "/audits", "/calibrations"):
            answer = await web.get(path)
            assert answer.status_code == 200
            assert 'role="alert"' in answer.text
    await made.state.site.store.aclose()
    server.close()


async def test_every_answer_carries_what_keeps_foreign_code_out() -> None:
    async with client(app()) as web:
        for path in ("/alerts", "/login", "/nothing", "/?span=x", "/healthz", "/assets/x/app.js"):
            headers = (await web.get(path)).headers
            assert "script-src 'self'" in headers["content-security-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"
            assert headers["cache-control"] == (
                "public, max-age=31536000, immutable" if "assets" in path else "no-store"
            )


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8480", 200),
        ("localhost", 200),
        ("[::1]:1", 200),
        ("watch.example", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("127.0.0.1@evil.example", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
async def test_a_name_that_is_not_ours_is_refused(host: str, status: int) -> None:
    async with client(app(WATCHKEEPER_WEB__ALLOWED_HOSTS="watch.example, other")) as web:
        assert (await web.get("/alerts", headers={"host": host})).status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
    ],
)
async def test_a_form_of_another_site_is_refused(headers: dict[str, str]) -> None:
    async with client(app()) as web:
        form = {"csrf": await csrf(web), "token": TOKEN}
        assert (await web.post("/login", data=form, headers=headers)).status_code == 403
        assert (await web.post("/alerts/aa/act", data=form, headers=headers)).status_code == 403


async def test_who_logs_in_may_act_with_the_form_of_the_session_alone() -> None:
    made = app()
    async with client(made) as web:
        answer = await log_in(web, name="Ada")
        cookie = answer.headers["set-cookie"].lower()
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert TOKEN not in answer.text + str(answer.headers)

        alert = shift().id
        own = await csrf(web, f"/alerts/{alert}")
        for given in ("", "wrong", made.state.site.sessions.csrf(None)):
            form = {"csrf": given, "verb": "acknowledge"}
            answer = await web.post(f"/alerts/{alert}/act", data=form, headers={"origin": HOST})
            assert answer.status_code == 403
        form = {"csrf": own, "verb": "explode"}
        assert (
            await web.post(f"/alerts/{alert}/act", data=form, headers={"origin": HOST})
        ).status_code == 400
        form = {"csrf": own, "verb": "acknowledge"}
        answer = await web.post(f"/alerts/{alert}/act", data=form, headers={"origin": HOST})
        assert answer.status_code == 503
        assert "Nothing was written" in answer.text
        assert (await web.post("/logout", data={"csrf": own}, headers={"origin": HOST})).status_code == 303
        form = {"csrf": own, "verb": "acknowledge"}
        assert (
            await web.post(f"/alerts/{alert}/act", data=form, headers={"origin": HOST})
        ).status_code == 401


async def test_guessing_the_token_ends_soon() -> None:
    async with client(app()) as web:
        statuses = [(await log_in(web, "wrong")).status_code for _ in range(6)]
        assert statuses == [401] * 5 + [429]
        assert (await log_in(web)).status_code == 429


async def test_a_session_goes_on_only_to_pages_of_ours() -> None:
    made = app()
    for given, goes_to in (
        ("/alerts/ab?x=1", "/alerts/ab?x=1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\r\nset-cookie: x", "/"),
    ):
        async with client(made) as web:
            assert (await log_in(web, next=given)).headers["location"] == goes_to


async def test_without_a_token_it_is_for_reading() -> None:
    async with client(app("")) as web:
        page = (await web.get(f"/alerts/{shift().id}")).text
        assert "This dashboard is for reading" in page
        assert "<form" not in page
        form = {"csrf": "", "token": ""}
        assert (await web.post("/login", data=form, headers={"origin": HOST})).status_code == 403


async def test_large_and_broken_forms_are_refused() -> None:
    async with client(app()) as web:
        headers = {"origin": HOST, "content-type": "application/x-www-form-urlencoded"}
        assert (
            await web.post("/login", content=b"x" * (MOST_BODY_BYTES + 1), headers=headers)
        ).status_code == 413
        assert (await web.post("/login", content=b"csrf=\xff\xfe", headers=headers)).status_code == 400
        assert (
            await web.post("/login", content=b"&".join([b"a=1"] * 50), headers=headers)
        ).status_code == 400
        assert (await web.put("/login", content=b"", headers=headers)).status_code == 405


async def test_thousands_of_alerts_are_paged_and_stay_text() -> None:
    async with client(app(alerts=3_000)) as web:
        page = (await web.get("/alerts")).text
        assert "3,002 alerts, page 1 of 61" in page
        assert page.count('<li class="alert') == 50
        last = (await web.get("/alerts?page=61")).text
        assert SECRET_TEXT not in page + last
        assert (await web.get(f"/alerts/{shift().id}")).text.count("&lt;script&gt;alert(document.domain)") > 0
        assert (await web.get("/alerts/00000000")).status_code == 404  # the beginning of many


async def test_files_are_ours_and_chart_js_is_the_one_in_its_wheel() -> None:
    chart = chart_js()
    assert chart is not None
    async with client(app()) as web:
        assert (await web.get("/assets/x/chart.js")).content == chart.read_bytes()
        assert (await web.get("/assets/x/app.css")).headers["content-type"].startswith("text/css")
        for name in ("..%2fapp.py", "%2e%2e/app.py", "none.js", "rendering.py"):
            assert (await web.get(f"/assets/x/{name}")).status_code == 404


def test_a_wheel_without_the_file_is_no_error() -> None:
    assert chart_js("chartkick", "other.js") is None
    assert chart_js("no-such-package-here") is None


async def test_no_page_runs_a_script_of_its_own() -> None:
    async with client(app()) as web:
        for path in (
            "/",
            "/alerts",
            f"/alerts/{shift().id}",
            "/events",
            "/login",
            "/audits",
            "/calibrations",
        ):
            page = (await web.get(path)).text
            assert re.findall(r"<script(?![^>]* src=)", page) == []
            assert re.findall(r"\son\w+=|style=|javascript:", page) == []
            assert re.findall(r'(?:src|href|action)="(?!/|#)', page) == []


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


async def test_a_report_that_cannot_be_made_is_told_and_no_other_week_is_tried() -> None:
    async with client(app()) as web:
        page = await web.get("/report")
        assert page.status_code == 200
        week = re.findall(r'<option value="([^"]+)"', page.text)[0]
        answer = await web.get(f"/report/{week}.html")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert "ClickHouse doesn&#39;t answer" in (await web.get("/report")).text
        for path in ("/report/2020-W01.html", f"/report/{week}.exe", f"/report/{week}", "/report/.html"):
            assert (path, (await web.get(path)).status_code) == (path, 404)
        assert (await web.get("/report?week=2020-W01")).status_code == 400


async def test_a_report_is_a_document_that_runs_nothing() -> None:
    made = app()

    async def make(week: Week, tell: Tell) -> Report:
        return build(facts_of([]))

    made.state.site.reports.make = make
    async with client(made) as web:
        week = re.findall(r'<option value="([^"]+)"', (await web.get("/report")).text)[0]
        answer = await web.get(f"/report/{week}.html")
        assert (answer.status_code, answer.headers["content-disposition"][:6]) == (200, "inline")
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "script" not in answer.headers["content-security-policy"]
        kept = await web.get(f"/report/{week}.md")
        assert kept.headers["content-disposition"] == f'attachment; filename="safety-report-{week}.md"'
        assert "Open the whole report" in (await web.get("/report")).text


class Comes:
    """A store that is away until it comes back. `rows`: its answers, by query; none to all others."""

    def __init__(self, rows: Mapping[str, list[dict[str, object]]] | None = None) -> None:
        self.rows = rows
        self.is_away = rows is None
        self.connections = 0

    async def connect(self, _: ClickHouseSettings) -> ClickHouse:
        self.connections += 1
        if self.is_away:
            raise Retryable("ClickHouse doesn't answer")
        return cast(ClickHouse, self)

    async def query(self, name: str, **_: object) -> list[dict[str, object]]:
        if self.is_away:
            raise Retryable("ClickHouse went away")
        if self.rows is not None:
            return self.rows.get(name, [])
        return [{"windows_until": 1, "stored": 5}] if name == "dashboard_news" else []

    async def aclose(self) -> None:
        pass


async def test_pages_are_whole_again_by_themselves_when_the_store_is_back() -> None:
    made = app(WATCHKEEPER_WEB__REFRESH_S="0.2")
    site: Site = made.state.site
    comes = Comes()
    site.store.connect = comes.connect
    with site.hub.subscribed() as news:
        async with site.open(), client(made) as web, asyncio.timeout(20):
            for _ in range(2):  # away from the start, then away again
                await until(lambda: site.store_trouble != "", "the trouble is noticed")
                assert 'role="alert"><b>Not all is there.' in (await web.get("/events")).text
                while not news.empty():
                    news.get_nowait()
                comes.is_away = False
                told = {(await news.get()).data.get("what") for _ in range(2)}
                assert told == {"store", "rates"}
                assert site.store_trouble == ""
                assert "ClickHouse" not in (await web.get("/events")).text
                comes.is_away = True
    assert comes.connections >= 2


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


async def test_a_record_of_another_release_is_told() -> None:
    comes = Comes({"audit_list": [{"record": "{}"}], "dashboard_calibrations": [{"signed": "{}"}]})
    made = app()
    made.state.site.store.connect = comes.connect
    async with client(made) as web:
        assert "run the dashboard in the release of the workers" in (await web.get("/audits")).text
        assert "No calibration has been proposed yet" in (await web.get("/calibrations")).text


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
