"""The one shape that a span or log record takes, whatever carried it (OTLP JSON or protobuf, an SDK's dump)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

GENAI: Final = "gen_ai."
DETAILS_EVENT: Final = "gen_ai.client.inference.operation.details"
MESSAGE_EVENTS: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
CHOICE_EVENT: Final = "gen_ai.choice"
PROMPT_EVENT: Final = "gen_ai.content.prompt"
COMPLETION_EVENT: Final = "gen_ai.content.completion"
CHAT_EVENTS: Final = frozenset({*MESSAGE_EVENTS, CHOICE_EVENT, PROMPT_EVENT, COMPLETION_EVENT, DETAILS_EVENT})


class Event(msgspec.Struct, frozen=True, gc=False):
    """A span event, or a log record: its name, and its attributes with the fields of its body."""

    name: str
    fields: dict[str, Any]


class Span(msgspec.Struct, frozen=True, gc=False):
    """A span, or log records that belong together, as plain Python values. `start` as `times.to_utc` reads it."""

    trace_id: str
    span_id: str
    start: Any
    attributes: dict[str, Any]
    events: list[Event]
    resource: dict[str, Any]


class LogRecord(msgspec.Struct, frozen=True, gc=False):
    """A log record with a GenAI event in it."""

    trace_id: str
    span_id: str
    time: Any
    event: Event
    resource: dict[str, Any]


def join_records(records: list[LogRecord]) -> list[Span]:
    """Log records of the same trace and span are one exchange; a details event, or one without ids, is its own."""
    joined: dict[tuple[str, str], Span] = {}
    spans: list[Span] = []
    for record in records:
        key = (record.trace_id, record.span_id)
        attributes = record.event.fields
        alone = record.event.name == DETAILS_EVENT or not all(key)
        known = None if alone else joined.get(key)
        if known is not None:
            known.events.append(record.event)
            continue
        span = Span(record.trace_id, record.span_id, record.time, attributes, [record.event], record.resource)
        spans.append(span)
        if not alone:
            joined[key] = span
    return spans
