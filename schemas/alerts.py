"""An alert as it stands on safety.alerts: something that a person should know, when it began, and what to do.

Delivery is at least once, and a firing alert is sent again now and then: the id is the same every time. No user text, ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

import msgspec

from schemas.evidence import DriftEvidence

ALERT_SCHEMA: Final = 1

Severity = Literal["info", "warning", "critical"]
State = Literal["firing", "stale", "acknowledged", "resolved"]
"""stale: it fired, and its stream brings no data now, which is not an end. acknowledged: a person took it for the new normal,
or has taken note of it. acknowledged and resolved are ends."""


class Source(msgspec.Struct, frozen=True):
    """Who says it: the worker, and the release that it runs."""

    worker: str
    version: str


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert as it stood at `at`. The newest record of an id counts.

    `fleet`: the prefix of the consumer groups that it is about. `kind`: what is wrong, a slug of a bounded set. `place`: where
    (role, topic, group, tenant, model, category …), the same for as long as the alert lives. `facts`: figures as of `at`.
    `started_at` is when it began, as far as can be told; `ended_at` is null while it fires. `title` is one sentence, `remedy`
    the next step for a person. `drift`: what a shift of a rate rests on; null for all other kinds.
    """

    id: str
    fleet: str
    kind: str
    severity: Severity
    state: State
    started_at: datetime
    at: datetime
    ended_at: datetime | None
    title: str
    place: dict[str, str]
    facts: dict[str, float | str]
    remedy: str
    source: Source
    drift: DriftEvidence | None = None
    schema_version: Literal[1] = ALERT_SCHEMA

    @classmethod
    def from_bytes(cls, value: bytes) -> Alert:
        """Decode and validate one record. Raises msgspec.ValidationError or msgspec.DecodeError."""
        return _DECODER.decode(value)

    def to_bytes(self) -> bytes:
        """One JSON object, UTF-8, no newline inside."""
        return _ENCODER.encode(self)


def alert_id(fleet: str, kind: str, place: Mapping[str, str], started_at: datetime) -> str:
    """The id of the alert of this kind at this place that began then: 32 hexadecimal digits, the same wherever computed."""
    parts = [fleet, kind, *sorted(place.items()), started_at.isoformat()]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]


_DECODER = msgspec.json.Decoder(Alert)
_ENCODER = msgspec.json.Encoder()
