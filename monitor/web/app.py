"""The dashboard as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from monitor.settings import Settings
from monitor.web.alerts_pages import act, alert_page, alerts_page
from monitor.web.asking import BadQueryError
from monitor.web.audits_page import audits_page
from monitor.web.calibrations_page import calibrations_page, decide
from monitor.web.chartjs import chart_js
from monitor.web.events_pages import event_page, events_page
from monitor.web.guarding import Guarding, allowed_names
from monitor.web.pipeline_page import checks_of, pipeline_page
from monitor.web.rates_pages import cell_page, overview_page
from monitor.web.rendering import STATIC, assets_version, page
from monitor.web.report_page import report_file, report_page
from monitor.web.session_pages import log_in, log_out, login_page
from monitor.web.site import Site

FOR_EVER: Final = {"cache-control": "public, max-age=31536000, immutable"}
CHART_JS: Final = "chart.js"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def build_app(settings: Settings) -> Starlette:
    """The application. Its lifespan follows the alerts and the store."""
    site = Site.of(settings)
    checks = checks_of(settings)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with site.open():
            yield
        await checks.aclose()

    app = Starlette(
        routes=[
            Route("/", overview_page),
            Route("/cell", cell_page),
            Route("/events", events_page),
            Route("/event", event_page),
            Route("/alerts", alerts_page),
            Route("/alerts/{id}", alert_page),
            Route("/alerts/{id}/act", act, methods=["POST"]),
            Route("/audits", audits_page),
            Route("/calibrations", calibrations_page),
            Route("/calibrations", decide, methods=["POST"]),
            Route("/report", report_page),
            Route("/report/{name}", report_file),
            Route("/pipeline", pipeline_page),
            Route("/login", login_page),
            Route("/login", log_in, methods=["POST"]),
            Route("/logout", log_out, methods=["POST"]),
            Route("/stream", stream),
            Route("/healthz", healthz),
            Route("/assets/{version}/{name}", asset),
        ],
        middleware=[
            Middleware(Guarding, names=allowed_names(settings.web), position=lambda: site.hub.position),
            Middleware(GZipMiddleware, minimum_size=1_000, compresslevel=4),
        ],
        exception_handlers={
            BadQueryError: _bad_query,
            HTTPException: _http_error,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.site = site
    app.state.checks = checks
    return app


async def stream(request: Request) -> Response:
    """`/stream`: server-sent events. `alert`: one began, changed or ended; `changed`: what is shown may be another; `anew`: too much
    was missed, look at everything. It goes on after `?since=`, which each page says of itself, or where it broke off."""
    site: Site = request.app.state.site
    if site.hub.is_full:
        return PlainTextResponse("Too many pages are open.\n", 503, {"retry-after": "30"})
    headers = {"x-accel-buffering": "no", "content-encoding": "identity"}
    if request.method == "HEAD":  # a stream without a body would never end
        return Response(media_type="text/event-stream", headers=headers)
    last = request.headers.get("last-event-id") or request.query_params.get("since") or ""
    return StreamingResponse(site.hub.stream(last[:64]), media_type="text/event-stream", headers=headers)


async def healthz(request: Request) -> Response:
    """`/healthz`: it answers; and which parts don't, which a restart wouldn't mend."""
    site: Site = request.app.state.site
    return JSONResponse(
        {"status": "ok", "alerts": site.book.trouble or "ok", "store": site.store_trouble or "ok"}
    )


async def asset(request: Request) -> Response:
    """A file of static/, or Chart.js from its wheel. Of another version, which a page of before
    an update asks for, browsers keep nothing."""
    name = request.path_params["name"]
    headers = FOR_EVER if request.path_params["version"] == assets_version() else {}
    if name == CHART_JS:
        found = chart_js()
        if found is None:
            raise HTTPException(404, "Chart.js isn't installed: `pip install chartkick` brings it.")
        return FileResponse(found, media_type="text/javascript", headers=headers)
    file = _static().get(name)
    if file is None:
        raise HTTPException(404)
    return FileResponse(file, media_type=_TYPES[file.suffix], headers=headers)


@cache
def _static() -> Mapping[str, Path]:
    """What is served, by name: nothing that an address says ever becomes a path."""
    return {file.name: file for file in STATIC.iterdir() if file.suffix in _TYPES}


async def _bad_query(request: Request, exc: Exception) -> Response:
    return page(request, "trouble.html", status=400, title="Not understood", words=str(exc), logs_in="")


async def _http_error(request: Request, exc: Exception) -> Response:
    status = exc.status_code if isinstance(exc, HTTPException) else 500
    words = exc.detail if isinstance(exc, HTTPException) else ""
    if status == HTTPStatus.NOT_FOUND and words == HTTPStatus.NOT_FOUND.phrase:
        words = "There is no such page."
    logs_in = ""
    if status == HTTPStatus.UNAUTHORIZED and request.app.state.site.sessions.is_open:
        logs_in = request.url.path.removesuffix("/act").replace("/logout", "/")
    title = "Not logged in" if status == HTTPStatus.UNAUTHORIZED else HTTPStatus(status).phrase
    answer = page(request, "trouble.html", status=status, title=title, words=words, logs_in=logs_in)
    for name, value in (getattr(exc, "headers", None) or {}).items():
        answer.headers[name] = value
    return answer
