"""The weekly report: what it says first, and the whole of it to open, print or keep."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from monitor.errors import Misconfigured
from monitor.reporting import as_pdf
from monitor.reporting.as_html import CONTENT_POLICY
from monitor.reporting.formats import CONTENT_TYPES, FORMATS, Format
from monitor.reporting.gathering import STEPS
from monitor.reporting.weeks import Week, read_week
from monitor.time_zones import read_zone
from monitor.web.asking import BadQueryError, shown
from monitor.web.rendering import page
from monitor.web.report_desk import ReportDesk
from monitor.web.site import Site

POLICY: Final = (
    f"{CONTENT_POLICY}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-downloads"
)
"""Of the report itself, which has its styles in it: it is nobody's page, can run nothing and knows no cookie."""


def _weeks(site: Site) -> dict[str, Week]:
    zone = read_zone(site.settings.report.time_zone)
    return dict(ReportDesk.offered(read_week("this", zone, site.now())))


async def report_page(request: Request) -> Response:
    """`/report`, `/report?week=2026-W47`: of the last complete week unless one is named."""
    site: Site = request.app.state.site
    weeks = _weeks(site)
    name = request.query_params.get("week") or next(iter(weeks))
    if name not in weeks:
        raise BadQueryError(f"week={shown(name)} isn't served here: choose among {', '.join(weeks)}.")
    made = site.reports.look(weeks[name])
    *complete, this = weeks.values()
    return page(
        request,
        "report.html",
        troubles=(made.trouble,),
        title="Report",
        made=made,
        steps=STEPS,
        week=weeks[name],
        weeks=[
            *((week.name, f"{week.name}: {week.span()}") for week in complete),
            (this.name, f"{this.name}: so far"),
        ],
        has_pdf=_has_pdf(),
    )


async def report_file(request: Request) -> Response:
    """`/report/2026-W47.html`, `.md`, `.json`, `.pdf`: waits until it is made."""
    site: Site = request.app.state.site
    name, _, ending = request.path_params["name"].rpartition(".")
    form: Format | None = next((one for one in FORMATS if one == ending), None)
    week = _weeks(site).get(name)
    if form is None or week is None:
        raise HTTPException(404, "There is no such report here; `watchkeeper report --week` makes any.")
    try:
        content = await site.reports.file(week, form)
    except Misconfigured as exc:
        raise HTTPException(404, exc.line) from exc
    if content is None:
        raise HTTPException(503, f"{site.reports.look(week).trouble}.", {"retry-after": "10"})
    how = "inline" if form == "html" else "attachment"
    return Response(
        content,
        headers={
            "content-type": CONTENT_TYPES[form],
            "content-security-policy": POLICY,
            "content-disposition": f'{how}; filename="safety-report-{week.name}.{form}"',
        },
    )


def _has_pdf() -> bool:
    try:
        as_pdf.require()
    except Misconfigured:
        return False
    return True
