"""What people do with alerts, as it stands on safety.alert_actions, read without joining any group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import structlog

from monitor.adapters.kafka_admin import KafkaAdmin, Range, Record
from schemas.alert_actions import AlertAction
from workers.watching import Acted

log = structlog.get_logger("watchkeeper.actions")


@dataclass
class ActionLog:
    """Implements watching.Actions. Actions of other fleets, and what isn't one, are passed over."""

    admin: KafkaAdmin
    topic: str
    fleet: str
    _next: dict[int, int] = field(default_factory=dict)

    async def begin(self, since: datetime) -> None:
        """See watching.Actions."""
        self._next = await self.admin.offsets_at(self.topic, since)

    async def read(self) -> Sequence[Acted]:
        """See watching.Actions."""
        ranges = {
            number: Range(max(offsets.start, self._next.get(number, offsets.start)), offsets.end)
            for number, offsets in (await self.admin.ranges(self.topic)).items()
        }
        records = [record async for record in self.admin.read(self.topic, ranges)]
        self._next = {number: offsets.end for number, offsets in ranges.items()}
        return sorted((one for record in records if (one := self._acted(record))), key=lambda one: one.at)

    def _acted(self, record: Record) -> Acted | None:
        try:
            action = AlertAction.from_bytes(record.value or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
            log.warning(
                "a record that is no action is passed over",
                topic=self.topic,
                partition=record.partition,
                offset=record.offset,
                error=type(exc).__name__,
            )
            return None
        if action.fleet != self.fleet:
            return None
        return Acted(datetime.fromtimestamp(record.timestamp / 1000, UTC), action)
