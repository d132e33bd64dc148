"""Logging in and out."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from monitor.web.forms import fields_of, form_of
from monitor.web.rendering import cookie_name, page, session_of
from monitor.web.sessions import MOST_NAME_CHARS, TooManyAttemptsError
from monitor.web.site import Site

MOST_TOKEN_CHARS: Final = 1_000


async def login_page(request: Request) -> Response:
    """GET `/login`: the form. A token in the address's fragment, which no server sees, is filled in by static/app.js."""
    return page(
        request, "login.html", title="Log in", refused="", next=_next(request.query_params.get("next"))
    )


async def log_in(request: Request) -> Response:
    """POST `/login`."""
    site: Site = request.app.state.site
    form = await fields_of(request)
    csrf = form.get("csrf", "")
    if not (site.sessions.is_csrf(None, csrf) or site.sessions.is_csrf(session_of(request), csrf)):
        raise HTTPException(
            403, "This form is of an older page. Go back, load the page again, and repeat it."
        )
    goes_to = _next(form.get("next"))
    token, name = form.get("token", ""), form.get("name", "")[:MOST_NAME_CHARS]
    try:
        session_id = site.sessions.log_in(
            token.strip()[:MOST_TOKEN_CHARS], name, request.client.host if request.client else ""
        )
    except TooManyAttemptsError:
        answer = page(
            request,
            "login.html",
            status=429,
            title="Log in",
            refused="Too many wrong tokens. Wait a minute.",
            next=goes_to,
        )
        answer.headers["retry-after"] = "60"
        return answer
    if session_id is None:
        return page(
            request,
            "login.html",
            status=401,
            title="Log in",
            refused="That isn't the token.",
            next=goes_to,
        )
    site.sessions.log_out(request.cookies.get(cookie_name(site)))  # of the one before, if any
    back = RedirectResponse(goes_to, 303)
    back.set_cookie(
        cookie_name(site),
        session_id,
        max_age=int(site.settings.web.session_s),
        path="/",
        httponly=True,
        samesite="strict",
        secure=_is_by_tls(request),
    )
    return back


async def log_out(request: Request) -> Response:
    """POST `/logout`."""
    site: Site = request.app.state.site
    await form_of(request)
    site.sessions.log_out(request.cookies.get(cookie_name(site)))
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(
        cookie_name(site), path="/", httponly=True, samesite="strict", secure=_is_by_tls(request)
    )
    return answer


def _is_by_tls(request: Request) -> bool:
    """Whether the browser speaks TLS, to us or to a proxy in front: it says by which scheme the form came, and no header of the
    proxy's has to be believed."""
    return request.url.scheme == "https" or request.headers.get("origin", "").lower().startswith("https://")


def _next(address: str | None) -> str:
    """A page of ours to go on with; never another site's."""
    if not address or not address.startswith("/") or address.startswith(("//", "/\\", "/login")):
        return "/"
    return address if address.isprintable() and "\\" not in address else "/"
