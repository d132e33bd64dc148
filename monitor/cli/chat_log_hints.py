"""What a replay wants to know of a chat log without reading all of it: a key that keeps order, and its time.

Only names at the top of the record (and of `metadata`) are looked at; a record without them gets no key and no time.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from monitor.ingest.times import to_utc

_MAX_KEY_BYTES: Final = 200


class _Names(msgspec.Struct):
    conversation_id: Any = None
    session_id: Any = None
    thread_id: Any = None
    trace_id: Any = None
    traceId: Any = None  # noqa: N815  # as OTLP JSON spells it


class _Record(_Names):
    event_id: Any = None
    id: Any = None
    metadata: msgspec.Raw = msgspec.Raw()
    occurred_at: Any = None
    created: Any = None
    created_at: Any = None
    startTime: Any = None  # noqa: N815  # as LiteLLM and OTLP JSON spell it
    start_time: Any = None
    startTimeUnixNano: Any = None  # noqa: N815
    start_time_unix_nano: Any = None
    timestamp: Any = None
    time: Any = None


class Hints(msgspec.Struct, frozen=True):
    """`key`: the conversation, else the record's id, else None. `at`: when it happened, if said."""

    key: bytes | None
    at: datetime | None


_RECORD: Final = msgspec.json.Decoder(_Record)
_METADATA: Final = msgspec.json.Decoder(_Names)
_NOTHING: Final = Hints(None, None)


def hints(line: bytes) -> Hints:
    """The hints in one record. Never raises: what can't be read has none."""
    try:
        record = _RECORD.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return _NOTHING
    key = _conversation(record) or _conversation(_inside(record.metadata))
    return Hints(key or _text(record.event_id) or _text(record.id), _time(record))


def _inside(metadata: msgspec.Raw) -> _Names:
    try:
        return _METADATA.decode(metadata)
    except (msgspec.DecodeError, RecursionError):
        return _Names()


def _conversation(names: _Names) -> bytes | None:
    found = (names.conversation_id, names.session_id, names.thread_id, names.trace_id, names.traceId)
    return next((key for name in found if (key := _text(name)) is not None), None)


def _time(record: _Record) -> datetime | None:
    found = (
        record.occurred_at,
        record.created,
        record.created_at,
        record.startTime,
        record.start_time,
        record.startTimeUnixNano,
        record.start_time_unix_nano,
        record.timestamp,
        record.time,
    )
    return next((at for value in found if (at := to_utc(value)) is not None), None)


def _text(value: object) -> bytes | None:
    if not isinstance(value, (str, int)) or value in ("", True, False):
        return None
    return str(value).encode("utf-8", "replace")[:_MAX_KEY_BYTES]
