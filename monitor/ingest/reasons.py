"""Why an input is refused: the bounded set of slugs that become headers and metric labels (docs/formats.md)."""

from __future__ import annotations

from monitor.errors import Rejected
from monitor.meaning import Word


class Reason(Word):
    """A reason, with its meaning for a person."""

    TOMBSTONE = "tombstone", "The record has no value."
    EMPTY = "empty", "There is nothing in it: no bytes, an empty list, or an envelope without data."
    NOT_UTF8 = "not_utf8", "The bytes are not UTF-8 (UTF-16 and UTF-32 included)."
    NOT_JSON = "not_json", "The bytes are UTF-8, but not one JSON document (NaN and Infinity are not JSON)."
    TOO_DEEP = "too_deep", "Nested more than about 1,000 levels deep."
    TOO_MANY = (
        "too_many",
        "More than 10,000 exchanges in one message, or 100,000 spans in one protobuf payload.",
    )
    NOT_AN_OBJECT = "not_an_object", "JSON, but not an object or a list of objects."
    UNKNOWN_FORMAT = (
        "unknown_format",
        "An object of none of the four families; its keys are looked at, not its texts.",
    )
    MISSING_FIELD = "missing_field", "A field that the format requires is absent or null."
    WRONG_TYPE = "wrong_type", "A field holds another type than the format says."
    UNKNOWN_FIELD = "unknown_field", "A watchkeeper.chat event holds a field that its definition lacks."
    UNKNOWN_VERSION = "unknown_version", "A watchkeeper.chat schema version that this release doesn't read."
    BAD_ENVELOPE = "bad_envelope", "A CloudEvents envelope that can't be opened."
    BAD_PROTOBUF = "bad_protobuf", "Neither JSON nor an OTLP protobuf payload."
    NO_USER_TURN = "no_user_turn", "A conversation without a user turn: there is no prompt to judge."
    NO_CONTENT = "no_content", "A GenAI chat span without messages: content capture is off at the source."
    REDACTED = (
        "redacted",
        "The texts were replaced by a placeholder at the source: there is nothing to judge.",
    )
    DECODER_FAULT = "decoder_fault", "A defect of Watchkeeper's decoder. Please report it; the input is kept."


def wrong_type(path: str, expected: str, found: object) -> Rejected:
    """`found` is named by its JSON type only."""
    return Rejected(Reason.WRONG_TYPE, f"{path}: expected {expected}, found {json_type(found)}")


def missing(path: str, expected: str) -> Rejected:
    """A required field is absent or null."""
    return Rejected(Reason.MISSING_FIELD, f"{path}: expected {expected}, found nothing")


def within(path: str, fault: Rejected) -> Rejected:
    """The same fault, its place told from further up."""
    return Rejected(fault.reason, f"{path}: {fault.detail}" if fault.detail else path)


def json_type(value: object) -> str:
    """The JSON name of a value's type."""
    return _JSON_TYPES.get(type(value), "another type")


_JSON_TYPES: dict[type, str] = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
    bytes: "bytes",
}
