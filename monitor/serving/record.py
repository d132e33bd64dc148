"""Where a refusal-token record goes in a chat log, in each of the formats that Watchkeeper reads (docs/formats.md)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from monitor.errors import Rejected
from schemas.refusal_tokens import RefusalToken

KEY: Final = "refusal_token"
OTEL_ATTRIBUTE: Final = "watchkeeper.refusal_token"
_ENCODER: Final = msgspec.json.Encoder()


def as_dict(record: RefusalToken) -> dict[str, Any]:
    """What is logged of it: the fields that are set, as JSON knows them."""
    return {name: value for name, value in msgspec.to_builtins(record).items() if value is not None}


def as_json(record: RefusalToken) -> str:
    """The same as one JSON object without line feeds."""
    return _ENCODER.encode(as_dict(record)).decode()


def attach(record: RefusalToken, chat_log: dict[str, Any]) -> dict[str, Any]:
    """A copy of the chat log, a JSON object, with the record where it is looked for. Told apart as Watchkeeper does:

    - a watchkeeper.chat event, or an OpenAI request with its response: `refusal_token` at the top;
    - a LiteLLM StandardLoggingPayload: `metadata.refusal_token` (inside of `standard_logging_object`, if that is around it);
    - an OpenTelemetry span: the attribute `watchkeeper.refusal_token`, JSON text, in the form of the attributes that are there.

    The record is one of the request: choices of one request (`n` > 1) share it. Raises Rejected("unknown_format") for anything else,
    a whole OTLP payload among it: attach to the span before it is exported.
    """
    if str(chat_log.get("schema", "")).startswith("watchkeeper.chat/"):
        return {**chat_log, KEY: as_dict(record)}
    inner = chat_log.get("standard_logging_object")
    if isinstance(inner, dict):
        return {**chat_log, "standard_logging_object": attach(record, inner)}
    if "call_type" in chat_log or {"startTime", "endTime", "messages"} <= set(chat_log):
        metadata = chat_log.get("metadata")
        kept = metadata if isinstance(metadata, dict) else {}
        return {**chat_log, "metadata": {**kept, KEY: as_dict(record)}}
    if "attributes" in chat_log and {"traceId", "trace_id", "context", "SpanContext"} & set(chat_log):
        return {**chat_log, "attributes": _with_attribute(chat_log["attributes"], as_json(record))}
    if {"request", "messages", "choices", "prompt", "input"} & set(chat_log):
        return {**chat_log, KEY: as_dict(record)}
    raise Rejected("unknown_format", "chat log: expected an object of one of the four formats, with its keys")


def _with_attribute(attributes: Any, value: str) -> Any:
    """Of an SDK's span, an object; of OTLP's JSON, a list of keys and values."""
    if isinstance(attributes, dict):
        return {**attributes, OTEL_ATTRIBUTE: value}
    if isinstance(attributes, list):
        others = [
            one for one in attributes if not (isinstance(one, dict) and one.get("key") == OTEL_ATTRIBUTE)
        ]
        return [*others, {"key": OTEL_ATTRIBUTE, "value": {"stringValue": value}}]
    raise Rejected("unknown_format", "attributes: expected an object or a list")
