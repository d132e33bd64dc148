"""What people ask to be audited, as it stands on safety.audit_requests, read without joining any group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import structlog

from monitor.adapters.kafka_admin import KafkaAdmin, Range, Record
from monitor.metrics import Metric, Metrics
from schemas.audits import AuditRequest
from workers.auditing import Asked

log = structlog.get_logger("watchkeeper.audits")

LATEST_MS = 7_258_118_400_000
"""2200-01-01: where timestamps are a producer's, they may be anything."""


@dataclass
class RequestLog:
    """Implements auditing.Requests. What is no request, and what is another fleet's, is counted and left out."""

    admin: KafkaAdmin
    topic: str
    fleet: str
    metrics: Metrics
    _next: dict[int, int] = field(default_factory=dict)

    async def begin(self, since: datetime) -> None:
        """See auditing.Requests."""
        self._next = await self.admin.offsets_at(self.topic, since)

    async def read(self) -> Sequence[Asked]:
        """See auditing.Requests."""
        ranges = {
            number: Range(max(offsets.start, self._next.get(number, offsets.start)), offsets.end)
            for number, offsets in (await self.admin.ranges(self.topic)).items()
        }
        found = [
            asked
            async for record in self.admin.read(self.topic, ranges)
            if (asked := self._asked(record)) is not None
        ]
        self._next = {number: offsets.end for number, offsets in ranges.items()}
        return sorted(found, key=lambda one: one.at)

    def _asked(self, record: Record) -> Asked | None:
        try:
            request = AuditRequest.from_bytes(record.value or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            self._leave_out("unreadable", record, type(exc).__name__)
            return None
        if request.fleet != self.fleet:
            self._leave_out("other_fleet", record)
            return None
        at_ms = min(max(record.timestamp, 0), LATEST_MS)
        return Asked(datetime.fromtimestamp(at_ms / 1000, UTC), request)

    def _leave_out(self, reason: str, record: Record, error: str = "") -> None:
        self.metrics.count(Metric.AUDIT_REQUESTS_LEFT_OUT, reason=reason)
        say = log.info if reason == "other_fleet" else log.warning
        say(
            "a request for an audit is left out",
            topic=self.topic,
            partition=record.partition,
            offset=record.offset,
            reason=reason,
            error=error,
        )
