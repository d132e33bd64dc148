"""The frame of an OTLP protobuf payload, walked by hand: resources, scopes, and the bytes of each span.

Two reasons. Protobuf takes a hundred times the bytes for a payload of empty messages, so their number is bounded
before it sees them. And one string that isn't UTF-8 (a text cut inside a character, say) makes it refuse the whole
payload: here single spans can still be reached, so that a bad one doesn't cost the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from monitor.errors import Rejected
from monitor.ingest.reasons import Reason

_VARINT: Final = 0
_FIXED64: Final = 1
_LENGTH_DELIMITED: Final = 2
_FIXED32: Final = 5
_FIXED_BYTES: Final = {_FIXED64: 8, _FIXED32: 4}
_LONGEST_VARINT: Final = 10

MAX_MESSAGES: Final = 100_000
"""Resources, scopes and spans (or log records, or metrics) in one payload; the Collector batches some thousands."""

# Field numbers of TracesData, ResourceSpans and ScopeSpans (opentelemetry/proto/trace/v1/trace.proto). Those of logs
# and metrics are the same.
_RESOURCE_SPANS: Final = 1
_RESOURCE: Final = 1
_SCOPE_SPANS: Final = 2
_SPANS: Final = 2


def spans(value: bytes) -> Iterator[tuple[str, bytes, bytes]]:
    """Each span: its place, the bytes of its resource, its own bytes. Raises ValueError where the frame is broken."""
    for i, group in enumerate(_messages(value, _RESOURCE_SPANS)):
        resource = b"".join(_messages(group, _RESOURCE))
        for j, scope in enumerate(_messages(group, _SCOPE_SPANS)):
            for k, span in enumerate(_messages(scope, _SPANS)):
                yield f"resource_spans[{i}].scope_spans[{j}].spans[{k}]", resource, span


def check(value: bytes) -> None:
    """Raise ValueError where the frame is broken, Rejected where it holds too many messages."""
    count = 0
    for group in _messages(value, _RESOURCE_SPANS):
        for scope in _messages(group, _SCOPE_SPANS):
            for _ in _messages(scope, _SPANS):
                count += 1
                if count > MAX_MESSAGES:
                    break
            count += 1
            if count > MAX_MESSAGES:
                break
        count += 1
        if count > MAX_MESSAGES:
            raise Rejected(
                Reason.TOO_MANY, f"more than {MAX_MESSAGES} spans, scopes and resources in one payload"
            )


def _messages(value: bytes, wanted: int) -> Iterator[bytes]:
    """The length-delimited fields with one number, in order."""
    place = 0
    while place < len(value):
        tag, place = _varint(value, place)
        kind = tag & 7
        if not tag >> 3:
            raise ValueError("field number 0")
        if kind == _VARINT:
            _, place = _varint(value, place)
            continue
        if kind == _LENGTH_DELIMITED:
            length, place = _varint(value, place)
        elif kind in _FIXED_BYTES:
            length = _FIXED_BYTES[kind]
        else:
            raise ValueError("a wire type that OTLP does not use")
        end = place + length
        if end > len(value):
            raise ValueError("a field is longer than its message")
        if tag >> 3 == wanted and kind == _LENGTH_DELIMITED:
            yield value[place:end]
        place = end


def _varint(value: bytes, place: int) -> tuple[int, int]:
    number = 0
    for shift in range(_LONGEST_VARINT):
        if place >= len(value):
            raise ValueError("a number is cut off")
        byte = value[place]
        place += 1
        number |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return number, place
    raise ValueError("a number is too long")
