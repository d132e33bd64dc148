"""Audits of hidden states: the newest of each model and anchor set, and one with its layers, its history and its picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from monitor.adapters.audits import history_of, newest_records, record_of
from monitor.audit.measures import AuditMeasure
from monitor.audit.records import meaning_of
from monitor.errors import Misconfigured
from monitor.web.asking import MOST_CHARS, BadQueryError
from monitor.web.charts import CLOCK
from monitor.web.rendering import page
from monitor.web.site import Site, answered
from monitor.wording.visible import visible
from schemas.audits import AuditPicture, AuditRecord, AuditValue

LISTED: Final = 100
HISTORY: Final = 200
MEANINGS: Final[Mapping[str, str]] = {measure.value: measure.meaning for measure in AuditMeasure}
SIDE: Final = 100.0


async def audits_page(request: Request) -> Response:
    """`/audits`, `/audits?id=`: without an id the newest one that was done is shown."""
    site: Site = request.app.state.site
    wanted = request.query_params.get("id") or ""
    if len(wanted) > MOST_CHARS or "\x00" in wanted:
        raise BadQueryError("id is no id of an audit.")
    listed = await answered(_listed(site))
    records = listed.value or []
    shown: AuditRecord | None = next((one for one in records if one.id == wanted), None)
    troubles = [listed.trouble]
    if wanted and shown is None:
        found = await answered(_one(site, wanted))
        shown = found.value
        troubles.append(found.trouble)
        if shown is None and not found.trouble:
            raise HTTPException(404, "There is no audit of that id.")
    if shown is None and not wanted:
        shown = next((one for one in records if one.state == "done"), records[0] if records else None)
    history: Sequence[Mapping[str, Any]] = ()
    layer = _headline(shown) if shown is not None else ""
    if shown is not None and layer:
        past = await answered(_history(site, shown, layer))
        history = (past.value or [])[-HISTORY:]
        troubles.append(past.trouble)
    return page(
        request,
        "audits.html",
        troubles=troubles,
        title="Audits",
        records=records,
        shown=shown,
        layer=layer,
        why=meaning_of(shown.reason) if shown is not None and shown.state == "refused" else "",
        layers=_layers(shown) if shown is not None else [],
        measures=[name for name in MEANINGS if shown and any(one.measure == name for one in shown.values)],
        meanings=MEANINGS,
        layer_chart=_layer_chart(shown) if shown is not None else None,
        history=history,
        history_chart=_history_chart(history, layer) if len(history) > 1 else None,
        points=_points(shown.picture) if shown is not None and shown.picture is not None else [],
    )


async def _listed(site: Site) -> list[AuditRecord]:
    with _read_here():
        return await newest_records(await site.store.client(), site.fleet, limit=LISTED)


async def _one(site: Site, audit_id: str) -> AuditRecord | None:
    with _read_here():
        return await record_of(await site.store.client(), site.fleet, audit_id)


@contextmanager
def _read_here() -> Iterator[None]:
    """A record that this release can't read is told, and is no fault of a page."""
    try:
        yield
    except msgspec.MsgspecError as exc:
        raise Misconfigured(
            "a record of an audit can't be read", "run the dashboard in the release of the workers"
        ) from exc


async def _history(site: Site, record: AuditRecord, layer: str) -> list[dict[str, Any]]:
    return await history_of(
        await site.store.client(), site.fleet, record.model, record.anchor_set, layer=layer, until=site.now()
    )


def _headline(record: AuditRecord) -> str:
    """The layers as one, or else the last of them: what is followed over time."""
    names = [one.layer for one in record.values if one.measure == AuditMeasure.J]
    pooled = [name for name in names if name.startswith("pooled_")]
    return pooled[0] if pooled else names[-1] if names else ""


def _layers(record: AuditRecord) -> list[dict[str, Any]]:
    """A row a layer: its values by measure, and what changed."""
    changes = {one.layer: one for one in record.changes}
    since = {one.layer: one for one in record.changes_since_baseline}
    by_layer: dict[str, dict[str, AuditValue]] = {}
    for one in record.values:
        by_layer.setdefault(one.layer, {})[one.measure] = one
    return [
        {"layer": layer, "by": values, "change": changes.get(layer), "since": since.get(layer)}
        for layer, values in by_layer.items()
    ]


def _layer_chart(record: AuditRecord) -> Mapping[str, Any] | None:
    found = [
        one for one in record.values if one.measure == AuditMeasure.J and not one.layer.startswith("pooled_")
    ]
    return (
        _j_chart([(one.layer.removeprefix("layer_"), one) for one in found], "J by layer") if found else None
    )


def _history_chart(history: Sequence[Mapping[str, Any]], layer: str) -> Mapping[str, Any]:
    return {
        "labels": [f"{row['at']:%Y-%m-%d %H:%M}" for row in history],
        "clock": CLOCK,
        "lines": [{"name": f"J of {visible(layer)}", "values": [row["value"] for row in history]}],
        "low": [row["low"] for row in history],
        "high": [row["high"] for row in history],
        "unit": "",
    }


def _j_chart(named: Sequence[tuple[str, AuditValue]], name: str) -> Mapping[str, Any]:
    return {
        "labels": [visible(layer) for layer, _ in named],
        "lines": [{"name": name, "values": [one.value for _, one in named]}],
        "low": [one.low for _, one in named],
        "high": [one.high for _, one in named],
        "unit": "",
    }


def _points(picture: AuditPicture) -> list[tuple[str, str, bool]]:
    """The anchors on a square of SIDE, with a margin."""
    if not picture.x:
        return []
    low_x, low_y = min(picture.x), min(picture.y)
    span = max(max(picture.x) - low_x, max(picture.y) - low_y, 1e-12)
    room = SIDE - 8.0
    return [
        (f"{4 + (x - low_x) / span * room:.1f}", f"{SIDE - 4 - (y - low_y) / span * room:.1f}", is_safe)
        for x, y, is_safe in zip(picture.x, picture.y, picture.is_safe, strict=True)
    ]
