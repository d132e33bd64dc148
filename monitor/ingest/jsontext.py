"""JSON bytes to Python values, by orjson, with the repairs that real logs need.

Repaired: a UTF-8 byte order mark is skipped, and a lone surrogate escape (an emoji cut in half) becomes U+FFFD,
because no UTF-8 can carry it. Nothing else is: NaN, Infinity, numbers beyond a double and control characters
inside strings are not JSON. Integers beyond 64 bits become floats; of duplicate keys the last one counts.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from monitor.errors import Rejected
from monitor.ingest.reasons import Reason

BOM: Final = b"\xef\xbb\xbf"
_UTF16_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")
_REPLACEMENT: Final = rb"\\ufffd"
_LONE_HIGH: Final = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})")
_LONE_LOW: Final = re.compile(rb"(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}")


def parse(raw: bytes | str) -> Any:
    """One JSON document. Raises Rejected: empty, not_utf8, not_json or too_deep. Linear in time and memory."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        return _parse_again(raw.encode() if isinstance(raw, str) else raw, str(exc))


def _parse_again(raw: bytes, complaint: str) -> Any:
    if raw.startswith(_UTF16_BOMS) or 0 in raw[:4]:
        raise Rejected(Reason.NOT_UTF8, "the bytes look like UTF-16 or UTF-32; write UTF-8")
    if raw.startswith(BOM):
        return parse(raw[len(BOM) :])
    if not raw.strip():
        raise Rejected(Reason.EMPTY, "no bytes but white space")
    if "surrogate in" in complaint:
        raw = _without_lone_surrogates(raw)
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise _fault(raw, exc) from None


def _without_lone_surrogates(raw: bytes) -> bytes:
    if 0 in raw:
        return raw  # no JSON anyhow
    # With escaped backslashes out of the way (JSON has no NUL, so two stand for them) every \\u is a real escape. Then
    # two fixed-width patterns suffice, without a callback for each escape: 10 MB of backslashes stay fast.
    raw = raw.replace(rb"\\", b"\x00\x00")
    raw = _LONE_LOW.sub(_REPLACEMENT, _LONE_HIGH.sub(_REPLACEMENT, raw))
    return raw.replace(b"\x00\x00", rb"\\")


def _fault(raw: bytes, exc: orjson.JSONDecodeError) -> Rejected:
    complaint = str(exc).lower()
    if "depth" in complaint or "recursion" in complaint:
        return Rejected(Reason.TOO_DEEP, f"nested too deep at character {exc.pos}")
    try:
        raw.decode()
    except UnicodeDecodeError as where:
        return Rejected(Reason.NOT_UTF8, f"not UTF-8 at byte {where.start}")
    return Rejected(Reason.NOT_JSON, f"not JSON at line {exc.lineno}, column {exc.colno}")
