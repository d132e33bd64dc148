"""What the dashboard makes of its parts: a store that comes back, records of another release, reports."""

from __future__ import annotations

import asyncio
import re

from monitor.reporting.building import build
from monitor.reporting.document import Report
from monitor.reporting.weeks import Week
from monitor.web.report_desk import Tell
from monitor.web.site import Site
from tests.fakes.reporting import facts_of
from tests.unit.web.apps import app, client
from tests.unit.web.stores import Comes
from tests.waiting import until


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


async def test_pages_are_whole_again_by_themselves_when_the_store_is_back() -> None:
    made = app(WATCHKEEPER_WEB__REFRESH_S="0.2")
    site: Site = made.state.site
    comes = Comes()
    site.store.connect = comes.connect
    with site.hub.subscribed() as news:
        async with site.open(), client(made) as web, asyncio.timeout(20):
            for _ in range(2):  # away from the start, then away again
                await until(lambda: site.store_trouble != "", "the trouble is noticed")
                assert 'role="alert"><b>Not all is there:' in (await web.get("/events")).text
                while not news.empty():
                    news.get_nowait()
                comes.is_away = False
                told = {(await news.get()).data.get("what") for _ in range(2)}
                assert told == {"store", "rates"}
                assert site.store_trouble == ""
                assert "ClickHouse" not in (await web.get("/events")).text
                comes.is_away = True
    assert comes.connections >= 2


async def test_a_record_of_another_release_is_told() -> None:
    comes = Comes({"audit_list": [{"record": "{}"}], "dashboard_calibrations": [{"signed": "{}"}]})
    made = app()
    made.state.site.store.connect = comes.connect
    async with client(made) as web:
        assert "run the dashboard in the release of the workers" in (await web.get("/audits")).text
        assert "No calibration has been proposed yet" in (await web.get("/calibrations")).text
