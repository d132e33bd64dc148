"""Records of audits, made up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from schemas.audits import AuditChange, AuditPicture, AuditRecord, AuditValue

AT = datetime(2026, 3, 2, 3, 17, tzinfo=UTC)


def a_record(**given: Any) -> AuditRecord:
    """A done audit of two layers, of which the second has an infinite DBI, with a fall of J in the first."""
    record = AuditRecord(
        fleet="wk",
        id="a1",
        series="0123456789abcdef",
        at=AT,
        due_at=AT,
        begun_by="schedule",
        request_id="",
        model="atlas",
        probe_model="probe",
        model_version="weights@0123456789ab",
        tokenizer_hash="a" * 16,
        template_hash="b" * 16,
        token_pooling="last",
        template="chat",
        projection="none",
        dimensions=16,
        max_tokens=512,
        dtype="float32",
        anchor_set="matched",
        anchors="c" * 16,
        is_live=False,
        safe=64,
        unsafe=64,
        clusters=64,
        truncated=0,
        draws=999,
        seed=0,
        state="done",
        reason="",
        detail="",
        values=(
            AuditValue(layer="layer_00", measure="j", value=0.5, low=0.4, high=0.6, p=0.001, n=128),
            AuditValue(layer="layer_00", measure="dbi", value=1.5, low=1.4, high=1.6, p=0.002, n=128),
            AuditValue(layer="layer_01", measure="j", value=0.25, low=0.2, high=0.3, p=0.001, n=128),
            AuditValue(layer="layer_01", measure="dbi", value=None, low=None, high=None, p=None, n=128),
        ),
        previous_id="a0",
        changes=(
            AuditChange(
                layer="layer_00",
                before=1.0,
                after=0.5,
                low=-0.6,
                high=-0.4,
                p_adjusted=0.001,
                is_significant=True,
                is_large=True,
            ),
        ),
        baseline_id="a0",
        changes_since_baseline=(
            AuditChange(
                layer="layer_00",
                before=0.52,
                after=0.5,
                low=-0.03,
                high=-0.01,
                p_adjusted=0.01,
                is_significant=True,
                is_large=False,
            ),
        ),
        picture=AuditPicture(
            layer="layer_00",
            projection="pca",
            shares=(0.5, 0.25),
            x=(0.5, -0.5),
            y=(1.0, -1.0),
            is_safe=(True, False),
        ),
        seconds=1.5,
        version="0.1.0",
    )
    return msgspec.structs.replace(record, **given)


def refused(**given: Any) -> AuditRecord:
    """One that couldn't be made."""
    nothing: dict[str, Any] = {
        "values": (), "changes": (), "changes_since_baseline": (), "previous_id": "", "baseline_id": "", "picture": None,
        "series": "", "state": "refused", "reason": "one_class", "detail": "128 safe and 0 unsafe anchors",
    }  # fmt: skip
    return a_record(**{**nothing, **given})
