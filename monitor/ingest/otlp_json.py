"""Spans and log records out of JSON: OTLP payloads (ids in hex, 64-bit integers as strings), and single dumps.

Single spans come as OTLP objects, as the Python and JavaScript SDKs' console exporters print them (attributes as a
map, ids under `context`), and as Go's stdouttrace does (capitalised keys).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from monitor.errors import Rejected
from monitor.ingest import otel
from monitor.ingest.outcomes import Origin, Outcomes
from monitor.ingest.reasons import Reason, within, wrong_type
from monitor.ingest.spans import CHAT_EVENTS, GENAI, Event, LogRecord, Span, join_records

_TRACES: Final = ("resourceSpans", "resource_spans")
_LOGS: Final = ("resourceLogs", "resource_logs")
_METRICS: Final = ("resourceMetrics", "resource_metrics")
_PAYLOAD: Final = (*_TRACES, *_LOGS, *_METRICS)
_SCOPE_SPANS: Final = ("scopeSpans", "scope_spans", "instrumentationLibrarySpans")
_SCOPE_LOGS: Final = ("scopeLogs", "scope_logs")
_RECORDS: Final = ("logRecords", "log_records")
_TRACE_ID: Final = ("traceId", "trace_id", "TraceID")
_SPAN_ID: Final = ("spanId", "span_id", "SpanID", "id")
_START: Final = (
    "startTimeUnixNano",
    "start_time_unix_nano",
    "start_time",
    "startTime",
    "StartTime",
    "timestamp",
)
_TIME: Final = (
    "timeUnixNano",
    "time_unix_nano",
    "observedTimeUnixNano",
    "observed_time_unix_nano",
    "timestamp",
)
_ATTRIBUTES: Final = ("attributes", "Attributes")
_EVENTS: Final = ("events", "Events")
_RESOURCE: Final = ("resource", "Resource")
_NAME: Final = ("name", "Name")
_EVENT_NAME: Final = ("eventName", "event_name")
_CONTEXT: Final = ("context", "SpanContext", "spanContext", "span_context")
_SCALARS: Final = (
    "stringValue",
    "string_value",
    "intValue",
    "int_value",
    "doubleValue",
    "double_value",
    "boolValue",
    "bool_value",
)


def is_payload(doc: dict[str, Any]) -> bool:
    """True for an ExportTraceServiceRequest / TracesData, and for their siblings of logs and metrics."""
    return any(key in doc for key in _PAYLOAD)


def is_span(doc: dict[str, Any]) -> bool:
    """True for a single span or log record."""
    if _get(doc, _ATTRIBUTES) is None and _get(doc, _EVENTS) is None:
        return False
    context = _get(doc, _CONTEXT)
    return _get(context if type(context) is dict else doc, _TRACE_ID) is not None


def read_payload(doc: dict[str, Any], origin: Origin, out: Outcomes) -> None:
    """Read every span and log record. Raises Rejected where the payload's own shape is wrong."""
    before = out.mark(), out.not_chat
    for key in _TRACES:
        for path, resource, scope in _scopes(doc, key, _SCOPE_SPANS):
            for where, span in _items(scope, ("spans",), path):
                _attempt(where, span, out, _SpanReader(resource, origin))
    records: list[LogRecord] = []
    for key in _LOGS:
        for path, resource, scope in _scopes(doc, key, _SCOPE_LOGS):
            for where, record in _items(scope, _RECORDS, path):
                _attempt(where, record, out, _RecordReader(resource, records))
    for span in join_records(records):
        _attempt(_LOGS[0], {}, out, _Joined(span, origin))
    if (out.mark(), out.not_chat) == before:
        out.skip()  # an empty payload, or metrics: one record that holds no chat


def read_span(doc: dict[str, Any], origin: Origin, out: Outcomes) -> None:
    """Read a single span or log record. Raises Rejected."""
    resource = _resource(_get(doc, _RESOURCE))
    if ("body" in doc and "events" not in doc) or _get(doc, _EVENT_NAME) is not None:
        records: list[LogRecord] = []
        _RecordReader(resource, records)(doc, out)
        for span in join_records(records):
            otel.read(span, origin, out)
    else:
        _SpanReader(resource, origin)(doc, out)


class _SpanReader:
    __slots__ = ("origin", "resource")

    def __init__(self, resource: dict[str, Any], origin: Origin) -> None:
        self.resource = resource
        self.origin = origin

    def __call__(self, span: dict[str, Any], out: Outcomes) -> None:
        raw_events = _get(span, _EVENTS)
        attributes = _get(span, _ATTRIBUTES)
        if not _mentions_genai(attributes) and not _has_genai_event(raw_events):
            out.skip()
            return
        context = _get(span, _CONTEXT)
        ids = context if type(context) is dict else span
        otel.read(
            Span(
                trace_id=_hex(_get(ids, _TRACE_ID) or _get(span, _TRACE_ID)),
                span_id=_hex(_get(ids, _SPAN_ID) or _get(span, _SPAN_ID)),
                start=_time(span, _START),
                attributes=_attribute_map(attributes, "attributes"),
                events=[_event(event, f"events[{n}]") for n, event in enumerate(_list(raw_events, "events"))],
                resource=self.resource,
            ),
            self.origin,
            out,
        )


class _RecordReader:
    __slots__ = ("records", "resource")

    def __init__(self, resource: dict[str, Any], records: list[LogRecord]) -> None:
        self.resource = resource
        self.records = records

    def __call__(self, record: dict[str, Any], out: Outcomes) -> None:
        attributes = _attribute_map(_get(record, _ATTRIBUTES), "attributes")
        name = _get(record, _EVENT_NAME) or attributes.get("event.name")
        if type(name) is not str or name not in CHAT_EVENTS:
            out.skip()
            return
        body = _value(record.get("body"))
        fields = {**attributes, **body} if type(body) is dict else attributes
        self.records.append(
            LogRecord(
                trace_id=_hex(_get(record, _TRACE_ID)),
                span_id=_hex(_get(record, _SPAN_ID)),
                time=_time(record, _TIME),
                event=Event(name, fields),
                resource=self.resource,
            )
        )


class _Joined:
    __slots__ = ("origin", "span")

    def __init__(self, span: Span, origin: Origin) -> None:
        self.span = span
        self.origin = origin

    def __call__(self, _: dict[str, Any], out: Outcomes) -> None:
        otel.read(self.span, self.origin, out)


def _attempt(path: str, item: Any, out: Outcomes, read: _SpanReader | _RecordReader | _Joined) -> None:
    """Read one span or record; a bad one goes alone."""
    try:
        if type(item) is not dict:
            raise wrong_type("", "an object", item)
        read(item, out)
    except Rejected as fault:
        if fault.reason == Reason.TOO_MANY:
            raise
        out.reject(within(path, fault))
    except RecursionError:
        out.reject(Rejected(Reason.TOO_DEEP, f"{path}: nested deeper than the decoder follows"))


def _scopes(
    doc: dict[str, Any], key: str, scope_keys: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for place, group in enumerate(_list(doc.get(key), key)):
        if type(group) is not dict:
            raise wrong_type(f"{key}[{place}]", "an object", group)
        resource = _resource(group.get("resource"))
        for scope_key in scope_keys:
            path = f"{key}[{place}].{scope_key}"
            for number, scope in enumerate(_list(group.get(scope_key), path)):
                if type(scope) is not dict:
                    raise wrong_type(f"{path}[{number}]", "an object", scope)
                yield f"{path}[{number}]", resource, scope


def _items(scope: dict[str, Any], keys: tuple[str, ...], path: str) -> Iterator[tuple[str, Any]]:
    for key in keys:
        for place, item in enumerate(_list(scope.get(key), f"{path}.{key}")):
            yield f"{path}.{key}[{place}]", item


def _event(event: Any, path: str) -> Event:
    if type(event) is not dict:
        raise wrong_type(path, "an object", event)
    fields = _attribute_map(_get(event, _ATTRIBUTES), f"{path}.attributes")
    body = event.get("body")
    if type(body) is dict:
        fields = {**fields, **body}
    name = _get(event, _NAME)
    return Event(name if type(name) is str else "", fields)


def _resource(resource: Any) -> dict[str, Any]:
    try:
        return _attribute_map(resource.get("attributes") if type(resource) is dict else resource, "resource")
    except Rejected:
        return {}  # a span is judged even where its resource can't be read


def _attribute_map(attributes: Any, path: str) -> dict[str, Any]:
    """Attributes as a map, from a map (SDK dumps) or from OTLP's list of key and value."""
    if attributes is None:
        return {}
    if type(attributes) is dict:
        return attributes
    if type(attributes) is not list:
        raise wrong_type(path, "a list of attributes", attributes)
    found: dict[str, Any] = {}
    for place, attribute in enumerate(attributes):
        if type(attribute) is not dict:
            raise wrong_type(f"{path}[{place}]", "an object", attribute)
        key = attribute.get("key", attribute.get("Key"))
        if type(key) is str:
            found[key] = _value(attribute.get("value", attribute.get("Value")))
    return found


def _value(value: Any) -> Any:
    """OTLP's AnyValue, Go's typed value, or a plain value, as a plain value."""
    if type(value) is not dict:
        return value
    for key in _SCALARS:
        if key in value:
            return value[key]
    for key in ("arrayValue", "array_value"):
        if type(value.get(key)) is dict:
            return [_value(item) for item in _list(value[key].get("values"), key)]
    for key in ("kvlistValue", "kvlist_value"):
        if type(value.get(key)) is dict:
            return _attribute_map(value[key].get("values"), key)
    return value.get("Value") if "Type" in value else value


def _mentions_genai(attributes: Any) -> bool:
    if type(attributes) is dict:
        return any(key.startswith(GENAI) for key in attributes)
    if type(attributes) is not list:
        return False
    for attribute in attributes:
        if type(attribute) is dict:
            key = attribute.get("key", attribute.get("Key"))
            if type(key) is str and key.startswith(GENAI):
                return True
    return False


def _has_genai_event(events: Any) -> bool:
    if type(events) is not list:
        return False
    for event in events:
        name = _get(event, _NAME) if type(event) is dict else None
        if type(name) is str and name.startswith(GENAI):
            return True
    return False


def _hex(value: Any) -> str:
    """A trace or span id as protobuf's bytes give it: lower case, without the 0x of the Python SDK."""
    if type(value) is not str:
        return ""
    return value.removeprefix("0x").lower()


def _get(doc: dict[str, Any], keys: tuple[str, ...]) -> Any:
    for key in keys:
        if key in doc:
            return doc[key]
    return None


def _time(doc: dict[str, Any], keys: tuple[str, ...]) -> Any:
    """The first time that is known: OTLP writes an unknown one as 0."""
    for key in keys:
        if doc.get(key) not in (None, 0, "0", ""):
            return doc[key]
    return None


def _list(value: Any, path: str) -> list[Any]:
    if value is None:
        return []
    if type(value) is not list:
        raise wrong_type(path, "a list", value)
    return value
