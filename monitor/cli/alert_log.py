"""How the alerts of this fleet stand, and what people did with them: read from their topics, joining no group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import msgspec

from monitor.adapters.control import MOST_ALERTS, alert_in, newest
from monitor.adapters.kafka_admin import KafkaAdmin, Range, Record
from monitor.errors import Misconfigured
from monitor.kafka_settings import KafkaSettings
from schemas.alert_actions import AlertAction
from schemas.alerts import Alert

EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
ENDED: Final = frozenset({"acknowledged", "resolved"})
_ORDER: Final = {"firing": 0, "stale": 1, "acknowledged": 2, "resolved": 2}
_MOST_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Done:
    """An action, and when it was written by the broker's clock."""

    action: AlertAction
    at: datetime


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

    def mute_of(self, alert: Alert, now: datetime) -> Mute | None:
        """Whether no channel is told of it now. One that is over isn't muted."""
        if alert.state in ENDED:
            return None
        said = [one.action for one in self.actions.get(alert.id, ()) if one.action.verb in ("mute", "unmute")]
        if not said or said[-1].verb == "unmute":
            return None
        until = said[-1].until
        return Mute(until) if until is None or until > now else None


async def read_alerts(admin: KafkaAdmin, settings: KafkaSettings, since: datetime) -> AlertLog:
    """What was written since then, of very much the newest. Raises Retryable, or Misconfigured without a topic of alerts."""
    records = await _records(admin, settings.alerts_topic, since)
    read = [alert_in(record) for record in records]
    alerts = newest([alert for alert in read if alert is not None], settings.group_prefix)
    actions: Sequence[Record] = ()
    if settings.alert_actions_topic in await admin.partitions():
        actions = await _records(admin, settings.alert_actions_topic, EVER)
    return AlertLog(
        tuple(sorted(alerts, key=lambda alert: _ORDER[alert.state])),
        _by_alert(actions, settings.group_prefix),
        sum(alert is None for alert in read),
    )


async def _records(admin: KafkaAdmin, topic: str, since: datetime) -> list[Record]:
    begins = await admin.offsets_at(topic, since)
    ranges = {
        number: Range(max(begins[number], offsets.start, offsets.end - MOST_ALERTS), offsets.end)
        for number, offsets in (await admin.ranges(topic)).items()
    }
    return sorted([record async for record in admin.read(topic, ranges)], key=lambda one: one.timestamp)


def _by_alert(records: Sequence[Record], fleet: str) -> dict[str, tuple[Done, ...]]:
    actions: dict[str, tuple[Done, ...]] = {}
    for record in records:
        try:
            action = AlertAction.from_bytes(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if action.fleet == fleet:
            at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
            actions[action.alert_id] = (*actions.get(action.alert_id, ()), Done(action, at))
    return actions
