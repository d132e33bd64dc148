"""Exchanges as they come in, and one of them with all that is stored of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from monitor.web.asking import (
    MOST_CHARS,
    BadQueryError,
    category_of,
    name_of,
    number_of,
    shown,
)
from monitor.web.rates_pages import MOST_NAMES
from monitor.web.rendering import excerpt, page
from monitor.web.site import Answer, Site, answered
from monitor.web.store import Rows
from monitor.wording.verdict_labels import labels_of
from schemas.taxonomy import CATEGORIES

KINDS: Final[Mapping[str, str]] = {
    "any": "all exchanges",
    "harmful": "harmful prompts or answers",
    "refused": "refused",
    "over_refused": "refused though harmless",
    "complied": "answered though harmful",
    "unanswered": "without an answer of the guard",
}
LIMIT: Final = 50
MOST_LIMIT: Final = 200
SPARE: Final = 10
"""So many more are looked up: a producer's repeat may be found that another row supersedes."""
BACK: Final = (timedelta(minutes=15), timedelta(hours=6), timedelta(days=4), timedelta(days=90))
"""So far back it is looked one after the other, until enough are found: what a page costs doesn't grow with the store."""


async def events_page(request: Request) -> Response:
    """`/events`: the newest, or those before a moment."""
    site: Site = request.app.state.site
    query = request.query_params
    kind = query.get("kind") or "any"
    if kind not in KINDS:
        raise BadQueryError(f"kind={shown(kind)} is no kind: choose among {', '.join(KINDS)}.")
    tenant, model, category = name_of(query, "tenant"), name_of(query, "model"), category_of(query)
    limit = number_of(query, "limit", LIMIT, MOST_LIMIT)
    before = _moment(query.get("before"))
    now = site.now()
    until = before or now + timedelta(minutes=1)
    wanted: dict[str, Any] = {
        "found": kind,
        "tenants": [tenant] if tenant is not None else [],
        "models": [model] if model is not None else [],
        "categories": [category] if category is not None else [],
    }
    found, names = await asyncio.gather(
        answered(_newest(site, until if before else _rounded(until), limit, wanted)),
        answered(
            site.store.query(
                "dashboard_names",
                fleet=site.fleet,
                since=_rounded(now - timedelta(hours=1)),
                until=_rounded(now + timedelta(minutes=1)),
                limit=MOST_NAMES,
            )
        ),
    )
    rows = [event_line(row) for row in found.value or []]
    return page(
        request,
        "events.html",
        troubles=(found.trouble, names.trouble),
        title="Events",
        events=rows,
        kinds=KINDS,
        kind=kind,
        tenant=tenant,
        model=model,
        category=category,
        categories=CATEGORIES,
        tenants=_names(names, "tenant", tenant),
        models=_names(names, "model", model),
        is_live=before is None,
        oldest=rows[-1]["arrived_at"] if len(rows) == limit else None,
    )


async def _newest(site: Site, until: datetime, limit: int, wanted: dict[str, Any]) -> Rows:
    """The newest that are wanted; looks further back only where too few came lately. Raises what the store raises."""
    found: Rows = []
    for back in BACK:
        asked = {"since": _rounded(until - back), "until": until, **wanted}
        hashes = await site.store.query("dashboard_event_ids", limit=limit + SPARE, **asked)
        if len(hashes) < limit and back != BACK[-1]:
            continue
        found = await site.store.query(
            "dashboard_events_found", hashes=[row["event_hash"] for row in hashes], limit=limit, **asked
        )
        if len(found) == limit:
            break
    return found


async def event_page(request: Request) -> Response:
    """`/event?id=`: one exchange. 404 where nothing of that id is stored."""
    site: Site = request.app.state.site
    event_id = request.query_params.get("id") or ""
    if not event_id or len(event_id) > 4 * MOST_CHARS or "\x00" in event_id:
        raise BadQueryError("id is missing, or is none.")
    found, judged = await asyncio.gather(
        answered(site.store.query("dashboard_event", id=event_id)),
        answered(site.store.query("dashboard_judgement", id=event_id)),
    )
    if found.value is not None and not found.value:
        raise HTTPException(404, "No exchange of that id is stored. Rows are kept for 90 days.")
    row = found.value[0] if found.value else None
    return page(
        request,
        "event.html",
        troubles=(found.trouble, judged.trouble),
        title="Event",
        event=event_line(row) if row else None,
        row=row,
        judgement=judged.value[0] if judged.value else None,
        event_id=event_id,
    )


def event_line(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of dashboard_events_found.sql or dashboard_events_of.sql as it is shown."""
    policy = row["excerpt_policy"]
    return {
        "id": row["event_id"],
        "tenant": row["tenant_key"],
        "model": row["model_key"],
        "category": row["category_key"],
        "arrived_at": row["arrived_at"],
        "occurred_at": row["occurred_at"],
        "labels": labels_of(
            row["status"],
            prompt_harmful=row["prompt_harmful"],
            response_harmful=row["response_harmful"],
            refused=row["refused"],
        ),
        "prompt": excerpt(row["prompt_excerpt"], policy),
        "response": excerpt(row["response_excerpt"], policy),
        "policy": policy,
    }


def _names(names: Answer[Rows], kind: str, chosen: str | None) -> list[str]:
    found = [row["name"] for row in names.value or [] if row["kind"] == kind]
    return [*found, *([chosen] if chosen is not None and chosen not in found else [])]


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if (
        at is None
        or at.tzinfo is None
        or not datetime(1970, 1, 2, tzinfo=UTC) < at < datetime(2200, 1, 1, tzinfo=UTC)
    ):
        raise BadQueryError(f"before={shown(text)} is no time: give one like 2026-05-01T10:30:00+00:00.")
    return at.astimezone(UTC)


def _rounded(at: datetime) -> datetime:
    """To whole minutes, so that many who ask at about the same time ask the same."""
    return at.replace(second=0, microsecond=0)
