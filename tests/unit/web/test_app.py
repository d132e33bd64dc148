"""The application without its parts: what is refused, what every answer carries, and what it says of parts that are away."""

from __future__ import annotations

import asyncio
import re

import pytest

from monitor.web.chartjs import chart_js
from monitor.web.guarding import MOST_BODY_BYTES
from monitor.web.rendering import assets_version
from tests.unit.cli.alerts_fixture import shift
from tests.unit.web.apps import HOST, SECRET_TEXT, TOKEN, app, client, csrf, log_in


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
    ours = f"/assets/{assets_version()}/app.js"  # of another version, a page of before an update wants it: kept by nobody
    async with client(app()) as web:
        for path in ("/alerts", "/login", "/nothing", "/?span=x", "/healthz", ours, "/assets/x/app.js"):
            headers = (await web.get(path)).headers
            assert "script-src 'self'" in headers["content-security-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"
            assert headers["cache-control"] == (
                "public, max-age=31536000, immutable" if path == ours else "no-store"
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
