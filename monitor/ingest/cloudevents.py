"""CloudEvents 1.0 (and 0.3) around a chat log: binary mode in Kafka headers, structured mode and batches in JSON.

The envelope gives what its content lacks: `id` names an exchange without an id of its own, `time` one without
a time. `source` and `type` are not used.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from monitor.errors import Rejected
from monitor.ingest import identity, times
from monitor.ingest.outcomes import Origin
from monitor.ingest.reasons import Reason, json_type

_OTHER_FORMATS: Final = (b"application/cloudevents+", b"application/cloudevents-batch+")
_VERSIONS: Final = ("1.", "0.3")


def is_envelope(doc: dict[str, Any]) -> bool:
    """True where the keys are those of a structured CloudEvent."""
    return "specversion" in doc and (
        "data" in doc or "data_base64" in doc or "source" in doc or "type" in doc
    )


def from_headers(headers: Sequence[tuple[str, bytes]], origin: Origin) -> Origin:
    """The origin as the Kafka headers of binary mode amend it. Other headers change nothing."""
    event_id = ""
    time = origin.time
    for key, value in headers:
        raw = value or b""  # Kafka allows a header without a value
        if key == "ce_id":
            event_id = _text_id(raw)
        elif key == "ce_time":
            time = times.to_utc(raw[:64].decode("ascii", "replace"))
    if event_id:
        return msgspec.structs.replace(origin, base_id=event_id, is_shared=False, time=time)
    return origin if time is origin.time else msgspec.structs.replace(origin, time=time)


def refuse_other_formats(headers: Sequence[tuple[str, bytes]]) -> None:
    """Raise Rejected where the headers say that a value, found not to be JSON, is an event in another format."""
    for key, value in headers:
        if key.lower() == "content-type":
            media_type = (value or b"").split(b";", 1)[0].strip().lower()
            if media_type.startswith(_OTHER_FORMATS) and not media_type.endswith(b"+json"):
                raise Rejected(
                    Reason.BAD_ENVELOPE, "content-type: only the JSON format of CloudEvents is read"
                )


def open_envelope(doc: dict[str, Any], origin: Origin) -> tuple[Any, Origin]:
    """The content, a JSON value or raw bytes or text still to be parsed, and its origin. Raises Rejected."""
    version = doc["specversion"]
    if type(version) is not str or not version.startswith(_VERSIONS):
        raise Rejected(Reason.BAD_ENVELOPE, "specversion: expected 1.0")
    event_id = identity.event_id(doc.get("id"))
    time = times.to_utc(doc.get("time"))
    inner = msgspec.structs.replace(
        origin,
        base_id=event_id or origin.base_id,
        is_shared=origin.is_shared and not event_id,
        time=time or origin.time,
    )
    data = doc.get("data")
    if data is None:
        encoded = doc.get("data_base64")
        if encoded is None:
            raise Rejected(Reason.EMPTY, "data: the envelope holds none")
        if type(encoded) is not str:
            raise Rejected(Reason.BAD_ENVELOPE, f"data_base64: expected a string, found {json_type(encoded)}")
        try:
            return b64decode(encoded, validate=True), inner
        except ValueError:
            raise Rejected(Reason.BAD_ENVELOPE, "data_base64: not base64") from None
    return data, inner


def _text_id(raw: bytes) -> str:
    try:
        return identity.event_id(raw.decode())
    except UnicodeDecodeError:
        return identity.digest(raw)
