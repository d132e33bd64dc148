"""Records of the alerts and of the dead letters as rows (schemas/clickhouse): pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from monitor.dead_letters import LetterId, read_letter
from schemas.alerts import Alert


def alert_row(value: bytes, *, partition: int, offset: int, timestamp_ms: int) -> bytes:
    """The row of a record of the alerts topic. Raises msgspec.MsgspecError where it is no alert."""
    alert = Alert.from_bytes(value)
    row = {name: getattr(alert, name) for name in _AS_THEY_ARE} | {
        "facts": msgspec.json.encode(alert.facts).decode(),
        "worker": alert.source.worker,
        "version": alert.source.version,
        "evidence": "" if alert.drift is None else msgspec.json.encode(alert.drift).decode(),
        "appended_at": _moment(timestamp_ms),
        "log_partition": partition,
        "log_offset": offset,
    }
    return msgspec.json.encode(row)


def dead_letter_row(
    headers: Sequence[tuple[str, bytes]], *, topic: str, partition: int, offset: int, timestamp_ms: int
) -> bytes:
    """The row of a dead letter, of its headers alone. Raises msgspec.ValidationError where they don't say which message it was,
    or when that arrived: somebody else wrote it."""
    letter = read_letter(
        LetterId(topic, partition, offset), key=None, value=None, headers=headers, timestamp_ms=timestamp_ms
    )
    if not letter.topic or letter.partition < 0 or letter.offset < 0 or letter.arrived_at is None:
        raise msgspec.ValidationError("no headers of a dead letter")
    row = {
        "source_topic": letter.topic,
        "source_partition": letter.partition,
        "source_offset": letter.offset,
        "source_index": letter.index,
        "reason": letter.reason,
        "arrived_at": letter.arrived_at,
        "attempts": max(letter.attempts, 0),
        "origin": letter.origin,
        "version": letter.version,
        "letter": str(letter.id),
        "written_at": letter.written_at,
    }
    return msgspec.json.encode(row)


_AS_THEY_ARE = (
    *("id", "fleet", "kind", "severity", "state", "started_at", "at", "ended_at", "title", "place"),
    *("remedy", "schema_version"),
)


def _moment(timestamp_ms: int) -> datetime:
    return datetime.fromtimestamp(max(timestamp_ms, 0) / 1000, UTC)
