"""Forms that act: who sends one has to be logged in, and to have it from a page of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from monitor.web.guarding import MOST_BODY_BYTES
from monitor.web.rendering import cookie_name, session_of
from monitor.web.sessions import Session
from monitor.web.site import Site

MOST_FIELDS: Final = 20
WITHIN_S: Final = 10.0
NOBODY: Final = (
    "Nothing was done. Log in with the token to do this: without one the dashboard is for reading."
)
ENDED: Final = (
    "Nothing was done: your session has ended, since it is too old or the dashboard was started again. "
    "Log in, and do it once more."
)


async def form_of(request: Request) -> tuple[Session, Mapping[str, str]]:
    """Who acts, and what the form says. Raises HTTPException 401 for somebody who isn't logged in, 403 for a form of another
    page."""
    site: Site = request.app.state.site
    session = session_of(request)
    form = await fields_of(request)
    if session is None:
        had_one = cookie_name(site) in request.cookies
        raise HTTPException(401, ENDED if had_one else NOBODY)
    if not site.sessions.is_csrf(session, form.get("csrf", "")):
        raise HTTPException(
            403, "This form is of an older page. Go back, load the page again, and repeat it."
        )
    return session, form


async def fields_of(request: Request, *, within_s: float = WITHIN_S) -> Mapping[str, str]:
    """The fields of a small form. Raises HTTPException 400, 408 or 413."""
    body = b""
    try:
        async with asyncio.timeout(within_s):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BODY_BYTES:
                    raise HTTPException(413, f"A form has at most {MOST_BODY_BYTES:,} bytes.")
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except TimeoutError as exc:
        raise HTTPException(408, "The form didn't arrive whole in time.") from exc
    except (ValueError, ClientDisconnect) as exc:
        raise HTTPException(400, "This is no form.") from exc
