"""Pages from templates. Everything that is put into one is escaped; there is no way around it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from monitor.drift.measures import Measure
from monitor.drift.units import change_text, rate_text
from monitor.redaction import redact
from monitor.version import watchkeeper_version
from monitor.web.chartjs import chart_js
from monitor.web.sessions import Session
from monitor.web.site import Site
from monitor.wording.figures import duration, moment, number, times_text
from monitor.wording.visible import shortened, visible

FOLDER: Final = Path(str(files("monitor.web")))
STATIC: Final = FOLDER / "static"
NAVIGATION: Final = (
    ("/", "Overview"),
    ("/events", "Events"),
    ("/alerts", "Alerts"),
    ("/audits", "Audits"),
    ("/calibrations", "Calibrations"),
    ("/report", "Report"),
    ("/pipeline", "Pipeline"),
)
NO_ANSWER: Final = "no answer of the guard"


@cache
def environment() -> Environment:
    """The templates with what they may call."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "visible": visible,
        "duration": duration,
        "moment": moment,
        "clock": lambda at: f"{at:%m-%d %H:%M:%S}",
        "iso": lambda at: at.astimezone(UTC).isoformat(),
        "number": number,
        "times": times_text,
        "data": lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")),
        "category": category_words,
        "words": lambda text: visible(str(text).replace("_", " ")),
        "rate": lambda measure: "unanswered" if measure == Measure.COVERAGE else measure.replace("_", " "),
        "short": shortened,
        "zip": lambda first, second: list(zip(first, second, strict=True)),
    }
    made.globals |= {
        "navigation": NAVIGATION,
        "version": watchkeeper_version(),
        "assets": assets_version(),
        "rate_text": rate_text,
        "change_text": change_text,
        "percent": percent_text,
    }
    return made


@cache
def assets_version() -> str:
    """Changes when a file in static/ does, so that browsers may keep them for ever."""
    summed = hashlib.sha256()
    for file in sorted(STATIC.iterdir()):
        summed.update(file.name.encode() + file.read_bytes())
    found = chart_js()
    if found is not None:
        summed.update(str(found.stat().st_size).encode())
    return summed.hexdigest()[:12]


def category_words(category: str | None) -> str:
    """A category as people read it."""
    if category is None:
        return "all categories"
    return visible(category.replace("_", " ")) if category else NO_ANSWER


def percent_text(rate: float | None) -> str:
    """A share in few characters: `4.1 %`, `0.08 %`, `21 %`; of nothing a dash."""
    if rate is None:
        return "–"
    value = rate * 100
    digits = 0 if value >= 20 or value == 0 else 1 if value >= 1 else 2
    return f"{value:.{digits}f} %"


def excerpt(text: str, policy: str) -> str:
    """What was written, as far as the policy lets it be seen: masked too where it was kept as it was."""
    return visible(redact(text) if policy == "full" else text)


def page(
    request: Request,
    name: str,
    *,
    status: int = 200,
    troubles: Sequence[str] = (),
    **context: Any,
) -> HTMLResponse:
    """A page of the site. `troubles`: what a person should know of the parts behind it."""
    site: Site = request.app.state.site
    session = session_of(request)
    own: Mapping[str, Any] = {
        "path": request.url.path,
        "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        "session": session,
        "seen": request.state.seen,
        "can_log_in": site.sessions.is_open,
        "csrf": site.sessions.csrf(session),
        "firing": site.book.firing,
        "fleet": site.fleet,
        "has_charts": chart_js() is not None,
        "troubles": list(dict.fromkeys(filter(None, troubles))),
        "now": site.now(),
    }
    return HTMLResponse(environment().get_template(name).render({**own, **context}), status)


def cookie_name(site: Site) -> str:
    """Browsers share cookies between the ports of a host: each dashboard has its own."""
    return f"watchkeeper_{site.settings.web.port}"


def session_of(request: Request) -> Session | None:
    """Who asks; None for somebody who may only read."""
    site: Site = request.app.state.site
    return site.sessions.of(request.cookies.get(cookie_name(site)))
