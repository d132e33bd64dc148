"""Alerts and channels of the tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from monitor.notifying.channels import TYPES, Channel
from monitor.notifying.message import Message, Telling
from monitor.notifying.news import News
from schemas.alert_actions import AlertAction, Verb
from schemas.alerts import Alert, Severity, Source, State, alert_id
from schemas.evidence import DriftEvidence, Interval, Stratum, WatchedBy

FLEET = "wk"
NOON = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)  # a Tuesday
NOON_S = NOON.timestamp()
SOURCE = Source("host-1-ab", "0.1.0")

_NEEDED: dict[str, dict[str, Any]] = {
    "alertmanager": {"url": "https://alerts.example.com"},
    "slack": {"url": "env:SLACK_URL"},
    "webhook": {"url": "https://hooks.example.com/alerts", "secret": "env:HOOK_SECRET"},
    "pagerduty": {"routing_key": "env:PAGER_KEY"},
    "email": {"host": "mail.example.com", "sender": "wk@example.com", "to": ["team@example.com"]},
}


def channel(kind: str = "webhook", name: str = "", **more: Any) -> Channel:
    return TYPES[kind].model_validate({"type": kind, "name": name or kind, **_NEEDED[kind], **more})


def alert(
    number: int = 0,
    state: State = "firing",
    severity: Severity = "warning",
    *,
    kind: str = "dead_letter_share",
    fleet: str = FLEET,
    after_s: float = 0.0,
    level: int = 0,
    **place: str,
) -> Alert:
    """`number` tells alerts apart; `level` above 0: a shift of a rate."""
    where = place or {"role": "moderation", "topic": f"chat.logs.{number}"}
    started_at = NOON + timedelta(seconds=number)
    at = NOON + timedelta(seconds=max(after_s, number))
    return Alert(
        id=alert_id(fleet, kind, where, started_at),
        fleet=fleet,
        kind=kind,
        severity=severity,
        state=state,
        started_at=started_at,
        at=at,
        ended_at=at if state in ("resolved", "acknowledged") else None,
        title="12 % of the messages go to the dead letters",
        place=where,
        facts={"share": 0.12, "messages": 5000.0, "cause": "no JSON"},
        remedy="`watchkeeper dlq list` says why",
        source=SOURCE,
        drift=evidence(level) if level else None,
    )


def evidence(level: int = 1) -> DriftEvidence:
    return DriftEvidence(
        measure="refusal",
        direction="up",
        window_begins_at=NOON - timedelta(seconds=5),
        window_ends_at=NOON,
        k=120,
        n=2000,
        expected=61.2,
        crossing=1.4,
        changed_at=NOON - timedelta(minutes=4),
        changed_from=NOON - timedelta(minutes=9),
        changed_until=NOON - timedelta(minutes=2),
        odds_ratio=Interval(2.02, 1.7, 2.4),
        rate_before=Interval(0.031, 0.028, 0.034),
        rate_after=Interval(0.06, 0.051, 0.07),
        rate_change=Interval(0.029, 0.02, 0.039),
        strata=[
            Stratum(
                tenant="acme",
                model="m-1",
                category="cyberattacks",
                k=120,
                n=2000,
                expected=61.2,
                evidence=12.0,
                is_affected=True,
            )
        ],
        mix=None,
        also=[],
        event_ids=[],
        query="SELECT 1",
        series=[],
        planning=None,
        watched_by=WatchedBy("guard_lite", "1", "0", 0),
        budget_per_month=2.0,
        level=level,
    )


def moved(one: Alert, state: State, severity: Severity | None = None, *, after_s: float = 0.0) -> Alert:
    """The next record of an alert."""
    at = NOON + timedelta(seconds=after_s)
    ended_at = at if state in ("resolved", "acknowledged") else None
    return msgspec.structs.replace(
        one, state=state, severity=severity or one.severity, at=at, ended_at=ended_at
    )


def action(one: Alert, verb: Verb, until: datetime | None = None) -> AlertAction:
    return AlertAction(alert_id=one.id, fleet=one.fleet, verb=verb, by="ann", note="seen", until=until)


def message(one: Alert | None = None, news: News = News.BEGAN, *, is_test: bool = False) -> Message:
    return Message("team", (Telling(one or alert(), news, "r1", due_s=NOON_S),), is_test=is_test)
