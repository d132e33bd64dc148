"""The logs of alerts and of what people did with them: read, joining no group, and appended to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from monitor.adapters.control import alert_in, newest, records_since
from monitor.adapters.kafka import KafkaOutbox
from monitor.adapters.kafka_admin import KafkaAdmin, Record
from monitor.alerts.log import ORDER, AlertLog, Done
from monitor.kafka_settings import KafkaSettings
from monitor.ports import OutRecord
from schemas.alert_actions import AlertAction

EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


async def read_alerts(admin: KafkaAdmin, settings: KafkaSettings, since: datetime) -> AlertLog:
    """What was written since then, of very much the newest. Raises Retryable, or Misconfigured without a topic of alerts."""
    records = await records_since(admin, settings.alerts_topic, since)
    read = [alert_in(record) for record in records]
    alerts = newest([alert for alert in read if alert is not None], settings.group_prefix)
    actions: Sequence[Record] = ()
    if settings.alert_actions_topic in await admin.partitions():
        actions = await records_since(admin, settings.alert_actions_topic, EVER)
    return AlertLog(
        tuple(sorted(alerts, key=lambda alert: ORDER[alert.state])),
        _by_alert(actions, settings.group_prefix),
        sum(alert is None for alert in read),
    )


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


async def write_action(settings: KafkaSettings, action: AlertAction) -> None:
    """Append it to the log of actions. Raises Retryable, or Misconfigured without that topic."""
    outbox = await KafkaOutbox.connect(settings)
    try:
        record = OutRecord(action.alert_id.encode(), action.to_bytes())
        await outbox.publish(settings.alert_actions_topic, 0, [record])
    finally:
        await outbox.aclose()
