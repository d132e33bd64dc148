"""What a person may do with an alert, and what that does. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from monitor.alerts.by_hand import ends_by_hand
from monitor.alerts.log import ENDED, AlertLog
from monitor.audit.kinds import CHANGES
from monitor.audit.kinds import KINDS as OF_AUDITS
from monitor.drift.units import rate_text
from monitor.errors import Misconfigured
from monitor.wording.figures import moment
from schemas.alert_actions import Verb
from schemas.alerts import Alert

MOST_NOTE_CHARS: Final = 2_000


def check_action(alert: Alert, verb: Verb, log: AlertLog, now: datetime) -> None:
    """Raises Misconfigured where the action can't mean anything for the alert as it stands."""
    if alert.state in ENDED:
        raise Misconfigured(
            f"the alert {alert.id[:8]} ({alert.kind}) is over since {moment(alert.ended_at or alert.at)}: {alert.state}",
            "`watchkeeper alerts` lists those that fire",
        )
    if verb in ("acknowledge", "resolve") and not ends_by_hand(alert):
        raise Misconfigured(
            f"the alert {alert.id[:8]} ({alert.kind}) is about the stream itself, and ends when its cause is gone",
            f"mend that: {alert.remedy or 'docs/alerts.md'}; or `watchkeeper alerts mute {alert.id[:8]}`",
        )
    if verb == "unmute" and log.mute_of(alert, now) is None:
        raise Misconfigured(
            f"the alert {alert.id[:8]} ({alert.kind}) isn't muted",
            "`watchkeeper alerts` marks those that are",
        )


def what_happens(
    alert: Alert, verb: Verb, written_at: datetime, until: datetime | None, *, within_s: float
) -> str:
    """What will happen, and when, for a person. `within_s`: a window and its settling."""
    if alert.kind in OF_AUDITS and verb in ("acknowledge", "resolve"):
        takes = verb == "acknowledge" and alert.kind in CHANGES
        rest = (
            "The newest audit becomes the baseline that slow changes are measured from."
            if takes
            else "If an audit still shows it, a new alert will say so."
        )
        return f"The alert ends, within some seconds. {rest}"
    evidence = alert.drift
    when = f"with the first window that ends after {moment(written_at)}, within about {max(within_s, 1.0) * 2:.0f} s while data come"
    match verb:
        case "acknowledge":
            level = f" ({rate_text(evidence.measure, evidence.rate_after.value)})" if evidence else ""
            return f"The new level{level} is normal, {when}. The alert ends as acknowledged, and its cells are watched from there."
        case "resolve":
            level = f" ({rate_text(evidence.measure, evidence.rate_before.value)})" if evidence else ""
            return (
                f"The alert ends, {when}, and its cells are watched against the level before{level}. "
                "If the shift goes on, a new alert will say so."
            )
        case "mute":
            end = "until it is over" if until is None else f"until {moment(until)}"
            return f"No channel is told of it from now on, {end}. It fires on, and `watchkeeper alerts` lists it."
        case "unmute":
            return "The channels are told of it again from now on."
