"""The dashboard without its parts, and somebody who asks it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from msgspec.structs import replace
from pydantic import SecretStr
from starlette.applications import Starlette

from monitor.adapters.alert_feed import Entry
from monitor.settings import load
from monitor.web.app import build_app
from monitor.web.site import Site
from tests.unit.cli.alerts_fixture import shift, stalled

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
