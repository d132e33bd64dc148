"""How the alerts of a fleet stand, and what people did with them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from monitor.errors import Misconfigured
from schemas.alert_actions import AlertAction, Verb
from schemas.alerts import Alert

ENDED: Final = frozenset({"acknowledged", "resolved"})
ORDER: Final = {"firing": 0, "stale": 1, "acknowledged": 2, "resolved": 2}
"""States, those that go on first."""
_MOST_NAMED: Final = 5
_DONE: Final[Mapping[Verb, str]] = {
    "acknowledge": "acknowledged",
    "resolve": "resolved by hand",
    "mute": "muted",
    "unmute": "unmuted",
}


@dataclass(frozen=True, slots=True)
class Done:
    """An action, and when it was written by the broker's clock."""

    action: AlertAction
    at: datetime

    @property
    def what(self) -> str:
        """The past participle of its verb, which `by` and a name can follow."""
        return _DONE[self.action.verb]


@dataclass(frozen=True, slots=True)
class Mute:
    """No channel is told until then; `until` None: until the alert is over."""

    until: datetime | None


@dataclass(frozen=True, slots=True)
class AlertLog:
    """`alerts`: the newest record of each, those that fire first. `actions` by alert id, oldest first. `unreadable`: records
    of the alerts' topic that this release can't read."""

    alerts: tuple[Alert, ...]
    actions: Mapping[str, tuple[Done, ...]] = field(default_factory=dict)
    unreadable: int = 0

    def find(self, prefix: str) -> Alert:
        """The alert whose id begins so. Raises Misconfigured where there is none, or more than one."""
        wanted = prefix.strip().lower()
        matches = [alert for alert in self.alerts if wanted and alert.id.startswith(wanted)]
        exact = [alert for alert in matches if alert.id == wanted]
        if len(exact or matches) == 1:
            return (exact or matches)[0]
        if not matches:
            newer = f" ({self.unreadable:,} records are of a newer release)" if self.unreadable else ""
            raise Misconfigured(
                f"there is no alert {prefix!r}{newer}",
                "`watchkeeper alerts --since 30d` lists them with their ids; the beginning of one is enough",
            )
        named = ", ".join(alert.id[: len(wanted) + 6] for alert in matches[:_MOST_NAMED])
        more = f" and {len(matches) - _MOST_NAMED:,} more" if len(matches) > _MOST_NAMED else ""
        raise Misconfigured(
            f"{len(matches):,} alerts begin with {prefix!r}: {named}{more}", "give more of its id"
        )

    def last_of(self, alert: Alert) -> Done | None:
        """What somebody did with it last; None where nobody did anything."""
        done = self.actions.get(alert.id)
        return done[-1] if done else None

    def mute_of(self, alert: Alert, now: datetime) -> Mute | None:
        """Whether no channel is told of it now. One that is over isn't muted."""
        if alert.state in ENDED:
            return None
        said = [one.action for one in self.actions.get(alert.id, ()) if one.action.verb in ("mute", "unmute")]
        if not said or said[-1].verb == "unmute":
            return None
        until = said[-1].until
        return Mute(until) if until is None or until > now else None


def is_news(alert: Alert, before: Alert) -> bool:
    """Whether it says more than the record that was read before it: delivery is at least once."""
    return alert.at > before.at or (alert.at == before.at and alert.state != before.state)
