"""What stands on safety.control and safety.alerts, read without joining any group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from monitor.adapters.kafka_admin import KafkaAdmin, Range, Record
from schemas.alerts import Alert
from schemas.status import WorkerStatus

MOST_STATUSES: Final = 500
"""So many of the newest are read: 30 s of a hundred workers."""
MOST_ALERTS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Said:
    """A status, and when the broker appended it, in seconds since 1970."""

    status: WorkerStatus
    at_s: float


async def said_lately(admin: KafkaAdmin, topic: str, fleet: str) -> list[Said]:
    """The newest statuses of this fleet, oldest first. Raises Retryable, or Misconfigured where there is no such topic."""
    ranges = {
        number: Range(max(offsets.start, offsets.end - MOST_STATUSES), offsets.end)
        for number, offsets in (await admin.ranges(topic)).items()
    }
    said = [said_by(record) async for record in admin.read(topic, ranges)]
    return sorted((one for one in said if one and one.status.fleet == fleet), key=lambda one: one.at_s)


async def alert_log(admin: KafkaAdmin, topic: str, since: datetime) -> list[Alert]:
    """The alerts of all fleets that were written from then on, oldest first; of very many the newest. Raises likewise."""
    records = await records_since(admin, topic, since)
    return [alert for record in records if (alert := alert_in(record)) is not None]


async def records_since(admin: KafkaAdmin, topic: str, since: datetime) -> list[Record]:
    """What was written to a topic of alerts, or of actions, from then on, oldest first; of very much the newest. Raises likewise."""
    begins = await admin.offsets_at(topic, since)
    ranges = {
        number: Range(max(begins[number], offsets.start, offsets.end - MOST_ALERTS), offsets.end)
        for number, offsets in (await admin.ranges(topic)).items()
    }
    return sorted([record async for record in admin.read(topic, ranges)], key=lambda one: one.timestamp)


def said_by(record: Record) -> Said | None:
    """The status in a record; None where there is none that this release reads."""
    try:
        return Said(WorkerStatus.from_bytes(record.value or b""), record.timestamp / 1000)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def alert_in(record: Record) -> Alert | None:
    """The alert in a record; None where there is none that this release reads."""
    try:
        return Alert.from_bytes(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def newest(log: Sequence[Alert], fleet: str) -> list[Alert]:
    """How each alert of this fleet stands: its newest record, in the order in which they began."""
    by_id = {alert.id: alert for alert in log if alert.fleet == fleet}
    return sorted(by_id.values(), key=lambda alert: (alert.started_at, alert.id))
