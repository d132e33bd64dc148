"""Audits of a model's hidden states: what is asked for (safety.audit_requests), and what was found (safety.audits).

Neither holds a text that a user typed: anchors are a digest, a number and, in a picture, points.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

AUDIT_SCHEMA: Final = 1

RECORD_MAX_BYTES: Final = 1_000_000
REQUEST_MAX_BYTES: Final = 8_192
PICTURE_MAX_POINTS: Final = 2_000
MAX_LAYERS: Final = 256

Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
OptionalId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{0,64}$")]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Word = Annotated[str, Meta(max_length=200)]
Said = Annotated[str, Meta(max_length=1_000)]
Count = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]

BegunBy = Literal["schedule", "request"]
AuditState = Literal["done", "refused"]


class AuditValue(msgspec.Struct, frozen=True, kw_only=True):
    """One measure (monitor/audit/measures.py) of one layer or pooling (`pooled_…`), with its 95 % interval and the permutation p-value
    of "the labels tell nothing". `n`: anchors. Null where the figure is infinite, or none."""

    layer: Name
    measure: Name
    value: float | None
    low: float | None
    high: float | None
    p: Share | None
    n: Count


class AuditChange(msgspec.Struct, frozen=True, kw_only=True):
    """The paired change of J in one layer or pooling, from another audit of the series to this one. `low`, `high`: 95 % interval of
    the change. `p_adjusted`: for all layers and all compared audits together. An alert is due where it is both significant and large.
    """

    layer: Name
    before: float
    after: float
    low: float | None
    high: float | None
    p_adjusted: Share
    is_significant: bool
    is_large: bool


class AuditPicture(msgspec.Struct, frozen=True, kw_only=True):
    """The anchors of one layer on a plane: point i at (x[i], y[i]), in the anchors' canonical order (safe first), or evenly spaced
    among them where there are more than PICTURE_MAX_POINTS. `projection` names how; `shares`: of the variance, along x and y."""

    layer: Name
    projection: Name
    shares: tuple[Share, Share]
    x: Annotated[tuple[float, ...], Meta(max_length=PICTURE_MAX_POINTS)]
    y: Annotated[tuple[float, ...], Meta(max_length=PICTURE_MAX_POINTS)]
    is_safe: Annotated[tuple[bool, ...], Meta(max_length=PICTURE_MAX_POINTS)]


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One audit, done or refused. Audits of one `series` can be compared; its first fixed the references of its layers.

    `id` follows from the fleet and the request (`audit_id_of_request`), or from the fleet, model, anchor set and the moment of the
    schedule. `at`: when it was finished, by the broker. `due_at`: the moment of the schedule, or of the request. `model`: as the chat
    logs name it; `probe_model`: on Triton; `model_version`: its weights. `anchors`: digest of ids, labels and clusters. `is_live`: the
    anchors are a sample of live traffic, other ones at every audit: its changes are the traffic's as much as the model's.
    `changes` are against `previous_id`, `changes_since_baseline` against `baseline_id`: the first audit of the series, or the one
    whose level a person took for normal. All is empty that a refused audit doesn't have; `reason` (a slug) and `detail` say why.
    """

    fleet: Name
    id: Id
    series: Annotated[str, Meta(pattern=r"^([0-9a-f]{16})?$")]
    at: datetime
    due_at: datetime
    begun_by: BegunBy
    request_id: OptionalId
    model: Name
    probe_model: Word
    model_version: Said
    tokenizer_hash: Word
    template_hash: Word
    token_pooling: Word
    template: Word
    projection: Word
    dimensions: Count
    max_tokens: Count
    dtype: Word
    anchor_set: Name
    anchors: Word
    is_live: bool
    safe: Count
    unsafe: Count
    clusters: Count
    truncated: Count
    draws: Count
    seed: int
    state: AuditState
    reason: Word
    detail: Said
    values: Annotated[tuple[AuditValue, ...], Meta(max_length=16 * MAX_LAYERS)]
    previous_id: OptionalId
    changes: Annotated[tuple[AuditChange, ...], Meta(max_length=MAX_LAYERS)]
    baseline_id: OptionalId
    changes_since_baseline: Annotated[tuple[AuditChange, ...], Meta(max_length=MAX_LAYERS)]
    picture: AuditPicture | None
    seconds: Annotated[float, Meta(ge=0)]
    version: Word
    schema_version: Literal[1] = AUDIT_SCHEMA

    @classmethod
    def from_bytes(cls, value: bytes) -> AuditRecord:
        """Decode and validate one record. Raises msgspec.ValidationError or msgspec.DecodeError, for one that is too large as well."""
        if len(value) > RECORD_MAX_BYTES:
            raise msgspec.ValidationError(f"a record of {len(value)} bytes; at most {RECORD_MAX_BYTES}")
        return _RECORD.decode(value)

    def to_bytes(self) -> bytes:
        """One JSON object, UTF-8, no newline inside."""
        return _ENCODER.encode(self)


class AuditRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wants `model` audited on `anchor_set`, once. `id`: unique among requests; a second record of one id asks for nothing
    more. How old it is counts by the broker's time of the record, not by `at`."""

    id: Id
    fleet: Name
    model: Name
    anchor_set: Name
    at: datetime
    by: Word
    schema_version: Literal[1] = AUDIT_SCHEMA

    @classmethod
    def from_bytes(cls, value: bytes) -> AuditRequest:
        """Decode and validate one record. Raises msgspec.ValidationError or msgspec.DecodeError, for one that is too large as well."""
        if len(value) > REQUEST_MAX_BYTES:
            raise msgspec.ValidationError(f"a request of {len(value)} bytes; at most {REQUEST_MAX_BYTES}")
        return _REQUEST.decode(value)

    def to_bytes(self) -> bytes:
        """One JSON object, UTF-8, no newline inside."""
        return _ENCODER.encode(self)


def audit_id_of_request(fleet: str, request_id: str) -> str:
    """The id of the audit that answers this request: 32 hexadecimal digits."""
    return _digest("request", fleet, request_id)


def audit_id_of_schedule(fleet: str, model: str, anchor_set: str, due_at: datetime) -> str:
    """The id of the audit that was due at that moment of the schedule: 32 hexadecimal digits."""
    return _digest("schedule", fleet, model, anchor_set, due_at.isoformat())


def _digest(*parts: str) -> str:
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]


_RECORD = msgspec.json.Decoder(AuditRecord)
_REQUEST = msgspec.json.Decoder(AuditRequest)
_ENCODER = msgspec.json.Encoder()
