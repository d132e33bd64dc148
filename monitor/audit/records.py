"""Records of audits, done and refused: pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from monitor.audit.comparison import LayerChange
from monitor.audit.estimates import Estimate
from monitor.audit.faults import AuditFault
from monitor.audit.kept import Audit
from monitor.audit.measures import AuditMeasure
from monitor.audit.ports import ProbeFacts
from monitor.audit.probe_faults import ProbeFault
from schemas.audits import AuditChange, AuditPicture, AuditRecord, AuditValue, BegunBy

_MEANINGS = {fault.value: fault.meaning for fault in (*ProbeFault, *AuditFault)}
OTHER_REASON = "other"
_LONGEST = 200
_LONGEST_DETAIL = 1_000


@dataclass(frozen=True, slots=True)
class Job:
    """An audit that is due: of which model on which anchors, for which moment of the schedule or which request."""

    id: str
    model: str
    anchor_set: str
    due_at: datetime
    begun_by: BegunBy
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What was probed: the facts, how many texts were cut, and of which anchors. Empty as far as it isn't known."""

    facts: ProbeFacts | None = None
    truncated: int = 0
    anchors: str = ""
    is_live: bool = False
    safe: int = 0
    unsafe: int = 0
    clusters: int = 0


@dataclass(frozen=True, slots=True)
class Signed:
    """Whose record it is: fleet and release; when it was finished, and how long it took."""

    fleet: str
    version: str
    at: datetime
    seconds: float
    draws: int
    seed: int


def done_record(
    job: Job,
    subject: Subject,
    signed: Signed,
    audit: Audit,
    picture: AuditPicture,
    *,
    series: str,
    changes: Mapping[str, Sequence[LayerChange]],
    previous_id: str,
    baseline_id: str,
) -> AuditRecord:
    """Of an audit that was made. `changes`: by the audit compared with."""
    values = tuple(
        _value(layer, measure, estimate, audit.p[layer].get(measure), subject.safe + subject.unsafe)
        for layer, by in audit.estimates.items()
        for measure, estimate in by.items()
    )
    return msgspec.structs.replace(
        _blank(job, subject, signed),
        series=series,
        state="done",
        values=values,
        previous_id=previous_id if previous_id in changes else "",
        changes=tuple(map(_change, changes.get(previous_id, ()))),
        baseline_id=baseline_id if baseline_id in changes else "",
        changes_since_baseline=tuple(map(_change, changes.get(baseline_id, ()))),
        picture=picture,
    )


def refused_record(
    job: Job, subject: Subject, signed: Signed, *, series: str, reason: str, detail: str
) -> AuditRecord:
    """Of an audit that could not be made. `reason`: an AuditFault or a ProbeFault; others become `other`. `detail`: ours, without
    anything that a user typed."""
    return msgspec.structs.replace(
        _blank(job, subject, signed),
        series=series,
        reason=reason if reason in _MEANINGS else OTHER_REASON,
        detail=detail[:_LONGEST_DETAIL],
    )


def meaning_of(reason: str) -> str:
    """What a reason means, as the end of a sentence."""
    meaning = _MEANINGS.get(reason, "The probe or the anchors can't be used.")
    return f"{meaning[0].lower()}{meaning[1:].rstrip('.')}"


def _blank(job: Job, subject: Subject, signed: Signed) -> AuditRecord:
    """Refused, without a reason yet."""
    facts = subject.facts
    return AuditRecord(
        fleet=signed.fleet,
        id=job.id,
        series="",
        at=signed.at,
        due_at=job.due_at,
        begun_by=job.begun_by,
        request_id=job.request_id,
        model=job.model,
        probe_model=_cut(facts.model if facts else ""),
        model_version=_cut(facts.version if facts else "", _LONGEST_DETAIL),
        tokenizer_hash=_cut(facts.tokenizer_hash if facts else ""),
        template_hash=_cut(facts.template_hash if facts else ""),
        token_pooling=facts.pooling if facts else "",
        template=facts.template if facts else "",
        projection=_cut(facts.projection if facts else ""),
        dimensions=facts.dimensions if facts else 0,
        max_tokens=facts.max_tokens if facts else 0,
        dtype=_cut(facts.dtype if facts else ""),
        anchor_set=job.anchor_set,
        anchors=subject.anchors,
        is_live=subject.is_live,
        safe=subject.safe,
        unsafe=subject.unsafe,
        clusters=subject.clusters,
        truncated=subject.truncated,
        draws=signed.draws,
        seed=signed.seed,
        state="refused",
        reason="",
        detail="",
        values=(),
        previous_id="",
        changes=(),
        baseline_id="",
        changes_since_baseline=(),
        picture=None,
        seconds=round(signed.seconds, 3),
        version=signed.version,
    )


def _value(layer: str, measure: AuditMeasure, estimate: Estimate, p: float | None, n: int) -> AuditValue:
    low, high = estimate.interval
    return AuditValue(
        layer=layer,
        measure=str(measure),
        value=_finite(estimate.value),
        low=_finite(low),
        high=_finite(high),
        p=p,
        n=n,
    )


def _change(one: LayerChange) -> AuditChange:
    change = one.change
    return AuditChange(
        layer=change.layer,
        before=change.before,
        after=change.after,
        low=_finite(change.low),
        high=_finite(change.high),
        p_adjusted=one.p_adjusted,
        is_significant=one.is_significant,
        is_large=one.is_large,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _cut(text: str, longest: int = _LONGEST) -> str:
    return text[:longest]
