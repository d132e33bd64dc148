"""What every request has to fulfil, and what every answer carries: who asks, from where, how much, and what may run."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.web_settings import WebSettings

log = structlog.get_logger("watchkeeper.dashboard")

FAULT: Final = "This is a fault of the dashboard; its log says where.\n"
MOST_BODY_BYTES: Final = 32_768
READING: Final = frozenset({"GET", "HEAD"})
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?", re.ASCII)
HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def allowed_names(settings: WebSettings) -> frozenset[str]:
    """The names that a request may be for, in lower case, without ports."""
    further = {name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip()}
    return LOOPBACK | further | {settings.host.lower()} - {"0.0.0.0", "::"}  # nobody's name


@dataclass(frozen=True, slots=True)
class Guarding:
    """Refuses what is not for us or not from us, and adds the headers. An ASGI application around another."""

    app: ASGIApp
    names: frozenset[str]
    position: Callable[[], str]
    """How far the news are: whoever gets a page has seen no less than that, as request.state.seen."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scope.setdefault("state", {})["seen"] = self.position()
        has_begun = False

        async def guarded(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                answer = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    answer.setdefault(name, value)
                answer.setdefault("cache-control", "no-store")
            await send(message)

        refusal = self._refusal(scope["method"], headers)
        if refusal is not None:
            await refusal(scope, receive, guarded)
            return
        try:
            await self.app(scope, receive, guarded)
        except Exception as exc:  # noqa: BLE001  # whose text may quote what somebody typed, so that no server may log it
            _log_fault(scope, exc)
            if not has_begun:
                await PlainTextResponse(FAULT, 500)(scope, receive, guarded)

    def _refusal(self, method: str, headers: Headers) -> PlainTextResponse | None:
        host = headers.get("host", "")
        if name_of(host) not in self.names:
            return PlainTextResponse(
                "This dashboard isn't served by that name. Add it to WATCHKEEPER_WEB__ALLOWED_HOSTS if it is yours.\n",
                421,
            )
        if method in READING:
            return None
        if method != "POST":
            return PlainTextResponse("Only GET, HEAD and POST.\n", 405, {"allow": "GET, HEAD, POST"})
        if not is_from_here(headers, host):
            return PlainTextResponse("This came from another site.\n", 403)
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            return PlainTextResponse("Say how long the form is.\n", 411)
        if int(length) > MOST_BODY_BYTES:
            return PlainTextResponse(f"A form has at most {MOST_BODY_BYTES:,} bytes.\n", 413)
        return None


def _log_fault(scope: Scope, exc: Exception) -> None:
    """Which page, what and where; neither the address nor the error's own words."""
    *_, last = traceback.extract_tb(exc.__traceback__)
    route = scope.get("route")
    log.error(
        "page failed",
        page=getattr(route, "path", ""),
        error=type(exc).__name__,
        at=f"{Path(last.filename).name}:{last.lineno}",
    )


def name_of(host: str) -> str:
    """The name in a Host header, without its port; "" where it can't be one."""
    if _HOST.fullmatch(host) is None:
        return ""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def is_from_here(headers: Headers, host: str) -> bool:
    """Whether a page of ours sent the form: by Origin, and where a browser sends none by Sec-Fetch-Site."""
    origin = headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc.lower() == host.lower() and host != ""
    return headers.get("sec-fetch-site") == "same-origin"
