"""A record of the calibrations topic as its row (schemas/clickhouse/0019): of one whose signature is good. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import get_args

import msgspec

from monitor.recalibration.signing import verify
from schemas.calibrations import CalibrationState

_RANK = {state: place for place, state in enumerate(get_args(CalibrationState), start=1)}
_AS_THEY_ARE = (
    *("fleet", "model", "version", "state", "at", "by", "reason", "tokenizer_hash", "template_hash"),
    *("before_version", "published_at", "calls_from", "calls_until", "schema_version"),
)


def calibration_row(
    value: bytes, secrets: Mapping[str, bytes], *, partition: int, offset: int, timestamp_ms: int
) -> bytes:
    """Raises Rejected, reason a Distrust, where it isn't signed by one of the secrets."""
    found = verify(value, secrets)
    row = {name: getattr(found, name) for name in _AS_THEY_ARE} | {
        "state_rank": _RANK[found.state],
        "rule": found.now.rule,
        "selected": found.now.selected,
        "temperature": found.now.temperature,
        "thresholds": found.now.values,
        "rule_before": "" if found.before is None else found.before.rule,
        "thresholds_before": {} if found.before is None else found.before.values,
        "outcome": found.outcome or "",
        "evidence": msgspec.json.encode(found.evidence).decode(),
        "text_bounds": "" if found.text is None else msgspec.json.encode(found.text).decode(),
        "signed": value.decode(),
        "appended_at": datetime.fromtimestamp(max(timestamp_ms, 0) / 1000, UTC),
        "log_partition": partition,
        "log_offset": offset,
    }
    return msgspec.json.encode(row)
