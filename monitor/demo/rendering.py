"""Writes planned exchanges down as the programs that log chats do: the four families, and OTLP as a Collector sends it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from monitor.demo.traffic import Planned

_SCOPE: Final = "watchkeeper.demo"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def openai_record(one: Planned) -> bytes:
    """A chat-completions request with its response."""
    created = int(one.at.timestamp())
    message: dict[str, Any] = {"role": "assistant", "content": one.answer, "refusal": None}
    if one.outcome == "refuse" and one.number % 3 == 0:
        message |= {
            "content": None,
            "refusal": one.answer,
        }  # structured outputs refuse in a field of their own
    return orjson.dumps(
        {
            "id": f"chatcmpl-{one.token[:24]}",
            "created": created,
            "tenant": one.route.tenant,
            "model": one.route.model,
            "conversation_id": one.conversation_id,
            "request": {"model": one.route.model, "messages": _messages(one), "temperature": 0.7},
            "response": {
                "id": f"chatcmpl-{one.token[:24]}",
                "object": "chat.completion",
                "created": created,
                "model": one.route.model,
                "choices": [{"index": 0, "message": message, "finish_reason": _finish(one)}],
                "usage": _usage(one),
            },
        }
    )


def litellm_payload(one: Planned) -> bytes:
    """LiteLLM's StandardLoggingPayload."""
    start = one.at.timestamp()
    usage = _usage(one)
    response = {
        "id": f"chatcmpl-{one.token[:24]}",
        "object": "chat.completion",
        "created": int(start),
        "model": one.route.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": one.answer},
                "finish_reason": _finish(one),
            }
        ],
        "usage": usage,
    }
    return orjson.dumps(
        {
            "id": f"{one.token[:8]}-{one.token[8:12]}-{one.token[12:16]}-{one.token[16:20]}-{one.token[20:]}",
            "trace_id": one.conversation_id,
            "call_type": "acompletion",
            "stream": False,
            "status": "success",
            "startTime": start,
            "endTime": start + 1.2,
            "model": one.route.model,
            "model_group": one.route.model,
            "metadata": {"user_api_key_team_id": one.route.tenant, "user_api_key_alias": "demo"},
            "messages": _messages(one),
            "response": response,
            **usage,
        }
    )


def own_event(one: Planned) -> bytes:
    """watchkeeper.chat/1."""
    return orjson.dumps(
        {
            "schema": "watchkeeper.chat/1",
            "event_id": f"evt-{one.token}",
            "tenant": one.route.tenant,
            "model": one.route.model,
            "conversation_id": one.conversation_id,
            "occurred_at": _rfc3339(one),
            "messages": _messages(one),
            "response": one.answer,
            "content_filtered": one.outcome == "filtered",
        }
    )


def otel_span(one: Planned) -> bytes:
    """A single span as an SDK prints it."""
    return orjson.dumps(
        {
            "name": f"chat {one.route.model}",
            "context": {"trace_id": f"0x{one.token}", "span_id": f"0x{one.token[:16]}"},
            "kind": "SpanKind.CLIENT",
            "start_time": _rfc3339(one),
            "attributes": {**_attributes(one), "tenant.id": one.route.tenant},
            "events": [],
            "resource": {"attributes": {"service.name": "assistant", "service.namespace": one.route.tenant}},
        }
    )


def otlp_json(several: Sequence[Planned], others: int) -> bytes:
    """One OTLP export of one tenant: its chats as spans, and `others` spans that are no chat."""
    spans = [
        {
            "traceId": one.token,
            "spanId": one.token[:16],
            "name": f"chat {one.route.model}",
            "kind": 3,
            "startTimeUnixNano": str(_nanoseconds(one)),
            "endTimeUnixNano": str(_nanoseconds(one) + 1_200_000_000),
            "attributes": [
                {
                    "key": key,
                    "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value},
                }
                for key, value in _attributes(one).items()
            ],
        }
        for one in several
    ]
    spans += [
        {
            "traceId": several[0].token,
            "spanId": f"{number + 1:016x}",
            "name": "GET /assistant",
            "kind": 2,
            "startTimeUnixNano": str(_nanoseconds(several[0])),
            "endTimeUnixNano": str(_nanoseconds(several[0]) + 1_500_000_000),
            "attributes": [{"key": "http.request.method", "value": {"stringValue": "GET"}}],
        }
        for number in range(others)
    ]
    resource = {"service.name": "assistant", "service.namespace": several[0].route.tenant}
    return orjson.dumps(
        {
            "resourceSpans": [
                {
                    "resource": {
                        "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in resource.items()]
                    },
                    "scopeSpans": [{"scope": {"name": _SCOPE}, "spans": spans}],
                }
            ]
        }
    )


def otlp_protobuf(several: Sequence[Planned], others: int) -> bytes:
    """The same as protobuf, the Collector's default."""
    spans = [
        Span(
            trace_id=bytes.fromhex(one.token),
            span_id=bytes.fromhex(one.token[:16]),
            name=f"chat {one.route.model}",
            kind=Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=_nanoseconds(one),
            end_time_unix_nano=_nanoseconds(one) + 1_200_000_000,
            attributes=[_key_value(key, value) for key, value in _attributes(one).items()],
        )
        for one in several
    ]
    spans += [
        Span(
            trace_id=bytes.fromhex(several[0].token),
            span_id=(number + 1).to_bytes(8, "big"),
            name="GET /assistant",
            kind=Span.SPAN_KIND_SERVER,
            start_time_unix_nano=_nanoseconds(several[0]),
            attributes=[_key_value("http.request.method", "GET")],
        )
        for number in range(others)
    ]
    resource = Resource(
        attributes=[
            _key_value("service.name", "assistant"),
            _key_value("service.namespace", several[0].route.tenant),
        ]
    )
    request = ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=resource, scope_spans=[ScopeSpans(spans=spans)])]
    )
    return request.SerializeToString(deterministic=True)


def cloud_event(value: bytes, one: Planned) -> bytes:
    """A structured CloudEvent around a JSON chat log."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": f"ce-{one.token[:16]}",
            "source": f"/gateways/{one.route.tenant}",
            "type": "com.example.chat.completed",
            "time": _rfc3339(one),
            "datacontenttype": "application/json",
            "data": orjson.Fragment(value),
        }
    )


def cloud_event_headers(one: Planned) -> tuple[tuple[str, bytes], ...]:
    """The headers of a binary CloudEvent, whose value is the chat log itself."""
    return (
        ("ce_specversion", b"1.0"),
        ("ce_id", f"ce-{one.token[:16]}".encode()),
        ("ce_source", f"/gateways/{one.route.tenant}".encode()),
        ("ce_type", b"com.example.chat.completed"),
        ("ce_time", _rfc3339(one).encode()),
        ("content-type", b"application/json"),
    )


def _messages(one: Planned) -> list[dict[str, str]]:
    system = [{"role": "system", "content": "You are a helpful assistant."}] if one.number % 2 else []
    earlier = [{"role": turn.role, "content": turn.text} for turn in one.entry.context]
    return [*system, *earlier, {"role": "user", "content": one.entry.prompt}]


def _attributes(one: Planned) -> dict[str, str | int]:
    """The GenAI attributes of semantic conventions 1.37, messages as JSON strings."""
    asked = [
        {"role": m["role"], "parts": [{"type": "text", "content": m["content"]}]} for m in _messages(one)
    ]
    parts = [] if one.answer is None else [{"type": "text", "content": one.answer}]
    answered = [{"role": "assistant", "parts": parts, "finish_reason": _finish(one)}]
    usage = _usage(one)
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": one.route.model,
        "gen_ai.response.model": one.route.model,
        "gen_ai.conversation.id": one.conversation_id,
        "gen_ai.usage.input_tokens": usage["prompt_tokens"],
        "gen_ai.usage.output_tokens": usage["completion_tokens"],
        "gen_ai.input.messages": orjson.dumps(asked).decode(),
        "gen_ai.output.messages": orjson.dumps(answered).decode(),
    }


def _finish(one: Planned) -> str:
    return "content_filter" if one.outcome == "filtered" else "stop"


def _usage(one: Planned) -> dict[str, int]:
    asked, answered = len(one.entry.prompt) // 4 + 8, len(one.answer or "") // 4
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def _rfc3339(one: Planned) -> str:
    return one.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _nanoseconds(one: Planned) -> int:
    since = one.at - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


def _key_value(key: str, value: str | int) -> KeyValue:
    held = AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)
    return KeyValue(key=key, value=held)
