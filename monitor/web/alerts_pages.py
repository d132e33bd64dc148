"""Alerts: those that fire and those that are over, one explained with its rows, and what a person may do with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from monitor.adapters.alert_log import write_action
from monitor.alerts.actions import MOST_NOTE_CHARS, check_action, what_happens
from monitor.alerts.facts import background_facts, health_facts, shift_facts
from monitor.alerts.log import ENDED
from monitor.errors import Misconfigured, Retryable
from monitor.web.asking import MEASURES, BadQueryError, number_of, shown
from monitor.web.charts import evidence_chart
from monitor.web.events_pages import event_line
from monitor.web.forms import form_of
from monitor.web.rendering import page, session_of
from monitor.web.site import Site, answered
from schemas.alert_actions import AlertAction, Verb
from schemas.alerts import Alert

PER_PAGE: Final = 50
SHOWN: Final[Mapping[str, str]] = {"all": "all", "going": "going on", "over": "over"}
LENGTHS: Final[Mapping[str, timedelta | None]] = {
    "1h": timedelta(hours=1),
    "8h": timedelta(hours=8),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
    "over": None,
}
VERBS: Final[Mapping[str, Verb]] = {
    "acknowledge": "acknowledge",
    "resolve": "resolve",
    "mute": "mute",
    "unmute": "unmute",
}
ROWS: Final = 20
MOST_STRATA: Final = 40


async def alerts_page(request: Request) -> Response:
    """`/alerts`."""
    site: Site = request.app.state.site
    which = request.query_params.get("show") or "all"
    if which not in SHOWN:
        raise BadQueryError(f"show={shown(which)} is none: choose among {', '.join(SHOWN)}.")
    log = site.book.log
    now = site.now()
    alerts = [alert for alert in log.alerts if which == "all" or (alert.state in ENDED) == (which == "over")]
    pages = max(1, -(-len(alerts) // PER_PAGE))
    number = min(number_of(request.query_params, "page", 1, 100_000), pages)
    there = alerts[(number - 1) * PER_PAGE : number * PER_PAGE]
    return page(
        request,
        "alerts.html",
        troubles=(site.book.trouble,),
        title="Alerts",
        alerts=[(alert, log.mute_of(alert, now), log.last_of(alert)) for alert in there],
        which=which,
        choices=SHOWN,
        count=len(alerts),
        number=number,
        pages=pages,
        ended=ENDED,
    )


def _find(site: Site, alert_id: str) -> Alert:
    try:
        return site.book.log.find(alert_id)
    except Misconfigured as exc:
        if not site.book.is_read:
            raise HTTPException(503, f"The alerts aren't read yet: {site.book.trouble}.") from exc
        raise HTTPException(404, "There is no alert of that id. Alerts are kept for 30 days.") from exc


async def alert_page(request: Request) -> Response:
    """`/alerts/ID`; the beginning of an id is enough."""
    site: Site = request.app.state.site
    alert = _find(site, request.path_params["id"])
    done = VERBS.get(request.query_params.get("done", ""))
    is_ours = done is not None and site.sessions.is_sealed(
        session_of(request), request.query_params.get("seal", ""), alert.id, done
    )
    return await _explained(request, site, alert, said=_said(site, alert, done) if done and is_ours else "")


async def _explained(
    request: Request, site: Site, alert: Alert, *, said: str = "", refused: str = "", status: int = 200
) -> Response:
    log, now, evidence = site.book.log, site.now(), alert.drift
    rows = await answered(_rows(site, alert))
    facts = list(shift_facts(alert, evidence) if evidence is not None else health_facts(alert))
    possible = [verb for verb in VERBS.values() if _is_possible(site, alert, verb, now)]
    return page(
        request,
        "alert.html",
        status=status,
        troubles=(site.book.trouble, rows.trouble),
        title="Alert",
        alert=alert,
        cell=_cell_of(alert),
        evidence=evidence,
        mute=log.mute_of(alert, now),
        actions=log.actions.get(alert.id, ()),
        facts=_joined(facts),
        background=_joined(
            # its examples stand below, as rows
            [fact for fact in background_facts(evidence) if fact[0] != "for example"]
        )
        if evidence is not None
        else [],
        chart=evidence_chart(evidence) if evidence is not None and evidence.series else None,
        strata=sorted(evidence.strata, key=lambda one: -one.evidence)[:MOST_STRATA] if evidence else [],
        more_strata=max(0, len(evidence.strata) - MOST_STRATA) if evidence else 0,
        rows=[event_line(row) for row in rows.value or []],
        ended=ENDED,
        possible=possible,
        lengths=LENGTHS,
        note_chars=MOST_NOTE_CHARS,
        said=said,
        refused=refused,
    )


def _cell_of(alert: Alert) -> str:
    """What the address of the cell that a shift is about asks for; nothing where that is no rate of a cell."""
    place = alert.place
    if alert.drift is None or place.get("measure") not in MEASURES:
        return ""
    names = {name: place[name] for name in ("measure", "tenant", "model", "category") if place.get(name)}
    return urlencode({**names, "span": "6h"})


async def _rows(site: Site, alert: Alert) -> list[dict[str, Any]]:
    """Some of the exchanges that the shift is about, the same ones each time. Raises what the store raises."""
    if alert.drift is None or alert.drift.measure == "dead_letters":
        return []
    ids = await (await site.tables()).event_ids(alert, ROWS)
    return await site.store.query("dashboard_events_of", ids=ids) if ids else []


def _joined(facts: Sequence[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Names with all their sentences: an empty name goes on with the one before."""
    found: list[tuple[str, list[str]]] = []
    for name, fact in facts:
        if name or not found:
            found.append((name, [fact]))
        else:
            found[-1][1].append(fact)
    return found


def _is_possible(site: Site, alert: Alert, verb: Verb, now: datetime) -> bool:
    try:
        check_action(alert, verb, site.book.log, now)
    except Misconfigured:
        return False
    return not (verb == "mute" and site.book.log.mute_of(alert, now) is not None)


def _said(site: Site, alert: Alert, verb: Verb) -> str:
    """What was done, told once more after it was."""
    done = [one for one in site.book.log.actions.get(alert.id, ()) if one.action.verb == verb]
    until = done[-1].action.until if done else None
    drift = site.settings.drift
    at = done[-1].at if done else site.now()
    return what_happens(alert, verb, at, until, within_s=drift.window_s + drift.settle_s)


async def act(request: Request) -> Response:
    """POST `/alerts/ID/act`: acknowledge, resolve, mute or unmute, and back to the alert."""
    site: Site = request.app.state.site
    session, form = await form_of(request)
    alert = _find(site, request.path_params["id"])
    verb = VERBS.get(form.get("verb", ""))
    note, length = form.get("note", "").strip(), form.get("length") or "over"
    if verb is None or length not in LENGTHS or len(note) > MOST_NOTE_CHARS:
        raise BadQueryError(
            "This form asks for nothing that can be done with an alert, or its note is too long."
        )
    now = site.now()
    span = LENGTHS[length]
    kafka = site.settings.kafka
    action = AlertAction(
        alert_id=alert.id,
        fleet=kafka.group_prefix,
        verb=verb,
        by=session.who,
        note=note,
        until=now + span if verb == "mute" and span is not None else None,
    )
    try:
        check_action(alert, verb, site.book.log, now)
        await write_action(kafka, action)
    except Misconfigured as exc:
        return await _explained(request, site, alert, refused=exc.line, status=409)
    except Retryable as exc:
        return await _explained(request, site, alert, refused=f"Nothing was written: {exc}", status=503)
    seal = site.sessions.seal(session, alert.id, verb)
    return RedirectResponse(f"/alerts/{alert.id}?done={verb}&seal={seal}", 303)
