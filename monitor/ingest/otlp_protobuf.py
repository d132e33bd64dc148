"""Spans and log records out of OTLP protobuf payloads, as the Collector's Kafka exporter writes them (otlp_proto).

Traces, logs and metrics begin alike on the wire and carry no name. They are told apart by what only one of them
can hold: a span has a trace id of 16 bytes, a log record a time or a body, a metric a name and data.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as ProtoLogRecord
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from monitor.errors import Rejected
from monitor.ingest import otel, otlp_frame
from monitor.ingest.outcomes import Origin, Outcomes
from monitor.ingest.reasons import Reason, within
from monitor.ingest.spans import CHAT_EVENTS, GENAI, Event, LogRecord, Span, join_records

_TRACE_ID_BYTES: Final = 16


def read_payload(value: bytes, origin: Origin, out: Outcomes) -> None:
    """Read every span or log record. Raises Rejected where the bytes are no OTLP payload, or one of too many."""
    try:
        otlp_frame.check(value)
    except ValueError:
        raise _no_payload() from None
    # One kind at a time, so that only one is in memory.
    traces = _parsed(TracesData, value)
    is_damaged = traces is None
    if traces is not None and _is_traces(traces):
        _read_traces(traces, origin, out)
        return
    if traces is not None and _is_bare(traces):
        out.skip()  # nothing in it: one record that holds no chat
        return
    del traces
    logs = _parsed(LogsData, value)
    if logs is not None and _is_logs(logs):
        _read_logs(logs, origin, out)
        return
    del logs
    metrics = _parsed(MetricsData, value)
    if metrics is not None and _is_metrics(metrics):
        out.skip()
    elif is_damaged:
        _read_salvaged(value, origin, out)
    else:
        raise _no_payload()


def _no_payload() -> Rejected:
    return Rejected(Reason.BAD_PROTOBUF, "neither JSON nor an OTLP payload of traces or logs")


def _parsed(kind: Any, value: bytes) -> Any:
    try:
        return kind.FromString(value)
    except DecodeError:
        return None


def _is_traces(traces: TracesData) -> bool:
    return any(
        len(span.trace_id) == _TRACE_ID_BYTES
        for group in traces.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    )


def _is_logs(logs: LogsData) -> bool:
    return any(
        record.time_unix_nano or record.observed_time_unix_nano or record.HasField("body")
        for group in logs.resource_logs
        for scope in group.scope_logs
        for record in scope.log_records
    )


def _is_metrics(metrics: MetricsData) -> bool:
    return any(
        metric.name and metric.WhichOneof("data")
        for group in metrics.resource_metrics
        for scope in group.scope_metrics
        for metric in scope.metrics
    )


def _is_bare(traces: TracesData) -> bool:
    """True for a payload of resources and scopes with nothing in them."""
    return bool(traces.resource_spans) and not any(
        scope.spans for group in traces.resource_spans for scope in group.scope_spans
    )


def _read_traces(traces: TracesData, origin: Origin, out: Outcomes) -> None:
    for i, group in enumerate(traces.resource_spans):
        resource = _attributes(group.resource.attributes)
        for j, scope in enumerate(group.scope_spans):
            for k, span in enumerate(scope.spans):
                if not _mentions_genai(span):
                    out.skip()
                    continue
                _attempt(
                    f"resource_spans[{i}].scope_spans[{j}].spans[{k}]", _span(span, resource), origin, out=out
                )


def _read_salvaged(value: bytes, origin: Origin, out: Outcomes) -> None:
    """Read the good spans of a payload that protobuf refuses. Raises Rejected where it holds none."""
    parts = [
        (path, _parsed(Resource, resource), _parsed(ProtoSpan, span), span)
        for path, resource, span in otlp_frame.spans(value)
    ]
    if not any(span is not None and len(span.trace_id) == _TRACE_ID_BYTES for _, _, span, _ in parts):
        raise _no_payload()
    for path, resource, span, raw in parts:
        if span is None and GENAI.encode() in raw:
            out.reject(Rejected(Reason.BAD_PROTOBUF, f"{path}: not a span, or a string in it is not UTF-8"))
        elif span is None or not _mentions_genai(span):
            out.skip()
        else:
            attributes = {} if resource is None else _attributes(resource.attributes)
            _attempt(path, _span(span, attributes), origin, out=out)


def _read_logs(logs: LogsData, origin: Origin, out: Outcomes) -> None:
    records: list[LogRecord] = []
    for group in logs.resource_logs:
        resource = _attributes(group.resource.attributes)
        for scope in group.scope_logs:
            for record in scope.log_records:
                known = _record(record, resource)
                if known is None:
                    out.skip()
                else:
                    records.append(known)
    for span in join_records(records):
        _attempt("resource_logs", span, origin, out=out)


def _attempt(path: str, span: Span, origin: Origin, *, out: Outcomes) -> None:
    try:
        otel.read(span, origin, out)
    except Rejected as fault:
        if fault.reason == Reason.TOO_MANY:
            raise
        out.reject(within(path, fault))


def _mentions_genai(span: ProtoSpan) -> bool:
    return any(pair.key.startswith(GENAI) for pair in span.attributes) or any(
        event.name.startswith(GENAI) for event in span.events
    )


def _span(span: ProtoSpan, resource: dict[str, Any]) -> Span:
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        start=span.start_time_unix_nano or None,
        attributes=_attributes(span.attributes),
        events=[Event(event.name, _attributes(event.attributes)) for event in span.events],
        resource=resource,
    )


def _record(record: ProtoLogRecord, resource: dict[str, Any]) -> LogRecord | None:
    attributes = _attributes(record.attributes)
    name = record.event_name or attributes.get("event.name")
    if type(name) is not str or name not in CHAT_EVENTS:
        return None
    body = _value(record.body)
    return LogRecord(
        trace_id=record.trace_id.hex(),
        span_id=record.span_id.hex(),
        time=record.time_unix_nano or record.observed_time_unix_nano or None,
        event=Event(name, {**attributes, **body} if type(body) is dict else attributes),
        resource=resource,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    """An AnyValue as a plain value. Its depth is bounded by protobuf's own limit of 100."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return None if kind is None else getattr(value, kind)
