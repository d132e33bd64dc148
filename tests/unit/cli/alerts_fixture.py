"""Alerts as the workers write them: a shift with all its evidence, and one about the stream itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from monitor.alerts.log import AlertLog, Done
from schemas.alert_actions import AlertAction, Verb
from schemas.alerts import Alert, Source, alert_id
from schemas.evidence import DriftEvidence, Interval, MixSplit, Planning, Point, Stratum, WatchedBy

CHANGED_AT = datetime(2026, 3, 3, 12, 0, 0, tzinfo=UTC)
NOTICED_AT = CHANGED_AT + timedelta(seconds=95)
NOW = NOTICED_AT + timedelta(minutes=12)
PLACE = {"measure": "refusal", "tenant": "northwind", "model": "atlas-mini", "category": "benign"}


def series(before: int = 20, after: int = 8) -> list[Point]:
    """A rate near 5 %, then near 20 %."""
    return [
        Point(CHANGED_AT + timedelta(seconds=12 * n), (20 if n > 0 else 5) + n % 3, 100, 5.2)
        for n in range(-before + 1, after + 1)
    ]


def evidence(**fields: object) -> DriftEvidence:
    """The evidence of a shift of the refusal rate; `fields` replace its own."""
    given: dict[str, object] = {
        "measure": "refusal",
        "direction": "up",
        "window_begins_at": NOTICED_AT - timedelta(seconds=5),
        "window_ends_at": NOTICED_AT,
        "k": 172.0,
        "n": 803.0,
        "expected": 41.7,
        "crossing": 12.31,
        "changed_at": CHANGED_AT,
        "changed_from": CHANGED_AT - timedelta(seconds=7),
        "changed_until": CHANGED_AT + timedelta(seconds=4),
        "odds_ratio": Interval(4.94, 3.9, 6.2),
        "rate_before": Interval(0.052, 0.0451, 0.0594),
        "rate_after": Interval(0.2134, 0.186, 0.243),
        "rate_change": Interval(0.1614, 0.133, 0.191),
        "strata": [
            Stratum(
                tenant="northwind",
                model="atlas-mini",
                category="benign",
                k=172.0,
                n=803.0,
                expected=41.7,
                evidence=121.4,
                is_affected=True,
            ),
            Stratum(
                tenant="northwind",
                model="atlas-mini",
                category="cyberattacks",
                k=31.0,
                n=40.0,
                expected=30.2,
                evidence=-0.41,
                is_affected=False,
            ),
        ],
        "mix": MixSplit(0.1601, 0.0013),
        "also": [
            {"measure": "over_refusal", "tenant": "northwind", "model": "atlas-mini", "category": "benign"}
        ],
        "event_ids": ["chatcmpl-1f", "chatcmpl-2a"],
        "query": "SELECT *\nFROM verdicts\nWHERE tenant = 'northwind'",
        "series": series(),
        "planning": Planning(4100.0, {"x1.5": 30.2, "x2": 9.4, "x3": 2.6, "x0.5": 21.0}),
        "watched_by": WatchedBy("guard_lite", "1", "", 0),
        "budget_per_month": 2.0,
        "level": 1,
    }
    return DriftEvidence(**{**given, **fields})  # type: ignore[arg-type]  # the fields are named by the tests


def shift(**fields: object) -> Alert:
    """A firing shift; `fields` replace its own."""
    given: dict[str, object] = {
        "id": alert_id("watchkeeper", "rate_shift", PLACE, NOTICED_AT),
        "fleet": "watchkeeper",
        "kind": "rate_shift",
        "severity": "warning",
        "state": "firing",
        "started_at": NOTICED_AT,
        "at": NOTICED_AT,
        "ended_at": None,
        "title": "refusal of northwind · atlas-mini · benign rose from 5.2 % to 21.3 %",
        "place": PLACE,
        "facts": {"k": 172.0, "n": 803.0},
        "remedy": "see what changed at 12:00:00 UTC: a prompt, a model, a customer",
        "source": Source("host-7-33eb", "0.1.0"),
        "drift": evidence(),
    }
    return Alert(**{**given, **fields})  # type: ignore[arg-type]  # as above


def stalled(**fields: object) -> Alert:
    """A firing alert about the stream itself."""
    given: dict[str, object] = {
        "id": "98ddc0f4bb033957ae2373c177c92dbe",
        "kind": "worker_stalled",
        "severity": "critical",
        "title": "moderation has made no progress in partitions 0-3 of chat.logs for 42 s, waiting for the guard",
        "place": {"role": "moderation", "topic": "chat.logs", "group": "watchkeeper.moderation"},
        "facts": {"partitions": "0-3", "waiting": 1200.0, "still_s": 42.1, "waits_for": "the guard"},
        "remedy": "see whether Triton answers and what it is busy with: `watchkeeper check`",
        "drift": None,
    }
    return shift(**{**given, **fields})


def done(
    alert: Alert, verb: Verb, *, after_s: float = 60.0, until: datetime | None = None, note: str = ""
) -> Done:
    """An action on it, `after_s` after it began."""
    action = AlertAction(alert_id=alert.id, fleet=alert.fleet, verb=verb, by="ada", note=note, until=until)
    return Done(action, alert.started_at + timedelta(seconds=after_s))


def log(*alerts: Alert, actions: tuple[Done, ...] = (), unreadable: int = 0) -> AlertLog:
    """A log of these."""
    by_alert: dict[str, tuple[Done, ...]] = {}
    for one in actions:
        by_alert[one.action.alert_id] = (*by_alert.get(one.action.alert_id, ()), one)
    return AlertLog(alerts, by_alert, unreadable)
