"""Takes an OTLP traces payload apart by hand where protobuf refuses it as a whole.

One string that isn't UTF-8 (a text cut inside a character, say) makes protobuf refuse the message it stands in. The
wire format is simple enough to reach the single spans without it, so that one bad span doesn't cost the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_VARINT: Final = 0
_FIXED64: Final = 1
_LENGTH_DELIMITED: Final = 2
_FIXED32: Final = 5
_FIXED_BYTES: Final = {_FIXED64: 8, _FIXED32: 4}
_LONGEST_VARINT: Final = 10

# Field numbers of TracesData, ResourceSpans and ScopeSpans (opentelemetry/proto/trace/v1/trace.proto).
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


def _messages(value: bytes, wanted: int) -> Iterator[bytes]:
    """The length-delimited fields with one number, in order."""
    place = 0
    while place < len(value):
        tag, place = _varint(value, place)
        kind = tag & 7
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
