"""How an alert is put on the topic of alerts: by its id, so that all news of one stand in order."""

from __future__ import annotations

from monitor.kafka_settings import KafkaSettings
from monitor.ports import Outbox, OutRecord
from schemas.alerts import Alert


def alert_record(alert: Alert) -> OutRecord:
    """The record of it."""
    return OutRecord(alert.id.encode(), alert.to_bytes())


async def tell(outbox: Outbox, settings: KafkaSettings, alert: Alert) -> None:
    """Append it, acknowledged. Raises as Outbox does."""
    await outbox.publish(settings.alerts_topic, 0, [alert_record(alert)])
