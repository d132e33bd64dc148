"""Addresses that nobody means: every parameter of every page of the dashboard, on a real store. Each is answered with a page that makes
sense, never by a fault, and carries what keeps foreign code out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote

import httpx
import pytest

from monitor.embedded.clickhouse import ClickHousePart
from monitor.web.guarding import HEADERS
from tests.stores import new_store, verdict
from tests.unit.cli.alerts_fixture import shift
from tests.unit.web.apps import app, client

ODD: Final = {
    "empty": "",
    "spaces": "%20%09+",
    "huge": "a" * 20_000,
    "long": "x" * 512,
    "unicode": quote("ünïcødé 数据 🦜 \u202egnp"),
    "controls": "%01%0a%0d%1b%5b31m%7f",
    "nul": "a%00b",
    "not utf-8": "%ff%fe%ed%a0%80",
    "garbage": "%zz%%%2",
    "quotes": quote("'\"`;--\\'/*"),
    "html": quote("<script>alert(1)</script><img src=x onerror=alert(1)>"),
    "template": quote("{{7*7}}{% x %}{tenant:String}"),
    "negative": "-1",
    "nought": "0",
    "not a number": "NaN",
    "beyond 64 bits": "99999999999999999999999",
    "digits of elsewhere": quote("١٢٣"),  # Arabic, which int() would take
    "far future": "9999-12-31T23:59:59%2B00:00",
    "before time": "0001-01-01T00:00:00%2B14:00",
    "no such week": "2026-W54",
    "unknown": "f" * 32,
    "a path": "..%2f..%2fetc%2fpasswd",
}
PAGES: Final = {
    "/": ("measure", "span", "tenant", "model", "category"),
    "/cell": ("measure", "span", "tenant", "model", "category"),
    "/events": ("kind", "tenant", "model", "category", "limit", "before"),
    "/event": ("id",),
    "/alerts": ("show", "page"),
    f"/alerts/{shift().id}": ("done", "seal"),
    "/audits": ("id",),
    "/calibrations": ("done", "seal"),
    "/report": ("week",),
    "/login": ("next",),
}
IN_PATHS: Final = ("/alerts/{}", "/report/{}", "/report/{}.html", "/assets/x/{}", "/{}")
NEVER: Final = ("<script>alert", "<img src=x", "\x1b", "\x00", "\u202e", "Traceback", "DB::Exception")


@pytest.fixture(scope="module")
async def web(clickhouse_part: ClickHousePart) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who asks a dashboard whose store holds one exchange; its alerts are read."""
    async with new_store(clickhouse_part.address) as store:
        await store.insert([verdict("chat-1").to_bytes()])
        database = (await store.ping())["database"]
        made = app(
            WATCHKEEPER_CLICKHOUSE__URL=clickhouse_part.address, WATCHKEEPER_CLICKHOUSE__DATABASE=database
        )
        made.state.site.book.trouble = ""
        async with client(made) as found:
            yield found
        await made.state.site.store.aclose()


async def is_sensible(web: httpx.AsyncClient, address: str, *statuses: int) -> None:
    answer = await web.get(address)
    told = (address[:80], answer.status_code)
    assert answer.status_code in statuses, told
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS, told
    assert answer.headers["cache-control"] == "no-store", told
    assert "<h1" in answer.text, told
    assert "Not all is there" not in answer.text, told  # the store took it as it came
    shown = re.sub(r'value="[^"]*"', "", answer.text)  # goes back as it came, and is shown to nobody
    assert [one for one in NEVER if one in shown] == [], told


@pytest.mark.parametrize("path", PAGES)
async def test_every_parameter_with_every_odd_value(web: httpx.AsyncClient, path: str) -> None:
    for name in PAGES[path]:
        for odd in ODD.values():
            await is_sensible(web, f"{path}?{name}={odd}", 200, 400, 404)
        await is_sensible(web, f"{path}?{name}", 200, 400)
        await is_sensible(web, f"{path}?{name}=&{name}=", 200, 400)
        await is_sensible(web, f"{path}?{name}[]=a&{name}=%00&{name.upper()}=b", 200, 400, 404)
    await is_sensible(web, f"{path}?{'&'.join(f'no{n}=such' for n in range(2_000))}", 200, 400)


async def test_what_stands_twice_counts_once_and_what_is_unknown_is_not_found(web: httpx.AsyncClient) -> None:
    await is_sensible(web, "/?span=15m&span=7d", 200)
    await is_sensible(web, "/?span=7d&span=nonsense", 400)
    await is_sensible(web, "/event?id=chat-1", 200)
    await is_sensible(web, "/event?id=chat-2&id=chat-1", 200)
    await is_sensible(web, "/event?id=chat-2", 404)
    await is_sensible(web, "/audits?id=none", 404)
    await is_sensible(web, "/cell?tenant=nobody&model=none&category=benign", 200)
    await is_sensible(web, "/events?before=2199-12-31T00:00:00%2B00:00", 200)
    await is_sensible(web, "/report?week=2999-W01", 400)


@pytest.mark.parametrize("path", IN_PATHS)
async def test_every_odd_name_in_a_path(web: httpx.AsyncClient, path: str) -> None:
    for name, odd in ODD.items():
        if name != "empty" or path != "/{}":
            await is_sensible(web, path.format(odd), 404)
