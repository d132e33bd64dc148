"""A record of an audit as rows (schemas/clickhouse): pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from schemas.audits import AuditChange, AuditRecord

_AS_THEY_ARE = (
    *(
        "fleet",
        "model",
        "anchor_set",
        "at",
        "id",
        "series",
        "state",
        "reason",
        "begun_by",
        "is_live",
        "anchors",
    ),
    *("safe", "unsafe", "clusters", "probe_model", "model_version", "tokenizer_hash", "template_hash"),
    *("token_pooling", "template", "dimensions", "version"),
)
_OF_RECORD = ("fleet", "id", "at", "model", "anchor_set", "series", "state")


def value_rows(record: AuditRecord) -> list[bytes]:
    """Of the table audit_rows: one a value; one without a value for an audit that was refused."""
    own = {name: getattr(record, name) for name in _AS_THEY_ARE} | {"state_projection": record.projection}
    since_last = {change.layer: change for change in record.changes}
    since_first = {change.layer: change for change in record.changes_since_baseline}
    rows = [
        own
        | {name: getattr(one, name) for name in one.__struct_fields__}
        | _changes(since_last.get(one.layer), _LAST if one.measure == "j" else ())
        | _changes(since_first.get(one.layer), _FIRST if one.measure == "j" else ())
        for one in record.values
    ]
    if not rows:
        nothing = {"layer": "", "measure": "", "n": record.safe + record.unsafe}
        rows = [own | nothing | dict.fromkeys(("value", "low", "high", "p"))]
    return [msgspec.json.encode(row) for row in rows]


def record_row(record: AuditRecord) -> bytes:
    """Of the table audit_records."""
    row = {name: getattr(record, name) for name in _OF_RECORD}
    return msgspec.json.encode(row | {"record": record.to_bytes().decode()})


_LAST = ("before", "change_low", "change_high", "change_p", "has_changed")
_FIRST = ("baseline", "since_low", "since_high", "since_p", "has_changed_since")


def _changes(change: AuditChange | None, columns: Sequence[str]) -> dict[str, float | bool | None]:
    """A change in the columns of that name; without one the row says nothing of them, and they are null."""
    if change is None or not columns:
        return {}
    figures = (change.before, change.low, change.high, change.p_adjusted)
    return dict(zip(columns, (*figures, change.is_significant and change.is_large), strict=True))
