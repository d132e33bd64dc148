"""From an explained shift to the place and the evidence that an alert tells. No user text in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from monitor.drift.detection import Detection
from monitor.drift.explanation import Explanation
from monitor.drift.groups import levels_of
from monitor.drift.instruments import Instrument, Jump
from monitor.drift.kinds import DriftKind
from monitor.drift.measures import Measure
from monitor.drift.moments import at_us
from monitor.drift.needs import Scope
from monitor.drift.policy import Level
from monitor.drift.streams import StreamKey, watched_by
from monitor.drift.wording import remedy, title
from schemas.alerts import Alert, Source, alert_id
from schemas.evidence import DriftEvidence, Planning
from schemas.windows import Window

SOURCE: Final = Source("watch", "")
"""The watch says the same wherever it runs; the worker that sends it on says which it is."""
ENOUGH_EVIDENCE: Final = 0.8
"""The narrowest scope with so much of the evidence is the place."""
_NARROW_FIRST: Final[tuple[Level, ...]] = ("cell", "tenant_model", "category", "tenant", "model", "all")


def place_of(key: StreamKey, explanation: Explanation) -> StreamKey:
    """Where it shifted: the narrowest of a cell, or of the groups of cells, that has 80 % of the evidence of the scope that
    has most. Cells that did not shift speak against a scope that holds them. Where nothing has any, what crossed (`key`)."""
    evidence: dict[Scope, float] = {}
    for stratum in explanation.strata:
        cell = _cell(key.measure, Scope(stratum.tenant, stratum.model, stratum.category))
        evidence[cell] = evidence.get(cell, 0.0) + stratum.evidence
    found: list[tuple[float, StreamKey]] = []
    possible = ("cell", *levels_of(key.measure))
    for level in _NARROW_FIRST if evidence else ():
        if level not in possible:
            continue
        sums: dict[Scope, float] = defaultdict(float)
        for cell, value in evidence.items():
            sums[_at(level, cell)] += value
        scope, most = max(sums.items(), key=lambda item: item[1])
        place = StreamKey(key.measure, level, scope.tenant, scope.model, scope.category, key.watched_by)
        found.append((most, place))
    best = max((most for most, _ in found), default=0.0)
    if best <= 0.0:
        return key
    return next(place for most, place in found if most >= ENOUGH_EVIDENCE * best)


def _cell(measure: Measure, scope: Scope) -> Scope:
    """The finest scope that `measure` has."""
    return Scope(
        None if measure.grain == "topic" else scope.tenant,
        None if measure.grain == "topic" else scope.model,
        scope.category if measure.grain == "category" else None,
    )


def _at(level: Level, cell: Scope) -> Scope:
    match level:
        case "cell":
            return cell
        case "tenant_model":
            return Scope(cell.tenant, cell.model)
        case "category":
            return Scope(None, None, cell.category)
        case "tenant":
            return Scope(cell.tenant)
        case "model":
            return Scope(None, cell.model)
        case "all":
            return Scope()


def evidence_of(
    place: StreamKey,
    explanation: Explanation,
    *,
    window: Window,
    ratio: float,
    planning: Planning | None,
    budget_per_month: float,
) -> DriftEvidence:
    """What an alert at `place` rests on. The ids of events are filled in by who can look them up."""
    return DriftEvidence(
        measure=place.measure.value,
        direction=explanation.direction,
        window_begins_at=window.begins_at,
        window_ends_at=window.ends_at,
        k=explanation.k,
        n=explanation.n,
        expected=explanation.expected,
        crossing=ratio,
        changed_at=explanation.changed_at,
        changed_from=explanation.changed_from,
        changed_until=explanation.changed_until,
        odds_ratio=explanation.odds_ratio,
        rate_before=explanation.rate_before,
        rate_after=explanation.rate_after,
        rate_change=explanation.rate_change,
        strata=list(explanation.strata),
        mix=explanation.mix,
        also=[],
        event_ids=[],
        query=query_of(place, explanation.changed_at, window.ends_at),
        series=list(explanation.series),
        planning=planning,
        watched_by=watched_by(place),
        budget_per_month=budget_per_month,
    )


def jump_alert(
    jumps: Sequence[Jump], instrument: Instrument, detection: Detection, *, window: Window, fleet: str
) -> Alert:
    """A change of instrument: the clearest jump as evidence, all of them as facts."""
    clearest, kind = jumps[0], DriftKind.INSTRUMENT_CHANGE
    key = StreamKey(clearest.measure, "all", watched_by=list(detection.guards)[instrument.by])
    began = at_us(instrument.began_at)
    evidence = DriftEvidence(
        measure=clearest.measure.value,
        direction="up" if clearest.z >= 0 else "down",
        window_begins_at=window.begins_at,
        window_ends_at=window.ends_at,
        k=clearest.k,
        n=clearest.n,
        expected=clearest.expected,
        crossing=1.0,
        changed_at=began,
        changed_from=began,
        changed_until=began,
        odds_ratio=clearest.odds_ratio,
        rate_before=clearest.rate_before,
        rate_after=clearest.rate_after,
        rate_change=clearest.rate_change,
        strata=list(clearest.strata),
        mix=None,
        also=[{"measure": jump.measure.value} for jump in jumps[1:]],
        event_ids=[],
        query=query_of(key, began, window.ends_at),
        series=[],
        planning=None,
        watched_by=watched_by(key),
        budget_per_month=detection.policy.budget_per_month,
    )
    facts: dict[str, float | str] = {
        f"{jump.measure.value}_odds_ratio": round(jump.odds_ratio.value, 4) for jump in jumps
    }
    return Alert(
        id=alert_id(fleet, kind.value, key.place, window.ends_at),
        fleet=fleet,
        kind=kind.value,
        severity=kind.severity,
        state="firing",
        started_at=window.ends_at,
        at=window.ends_at,
        ended_at=None,
        title=title(kind.value, clearest.measure, key.place, evidence),
        place=key.place,
        facts=facts,
        remedy=remedy(kind.value, clearest.measure),
        source=SOURCE,
        drift=evidence,
    )


def query_of(place: StreamKey, since: datetime, until: datetime) -> str:
    """SQL that brings the rows of `place` that arrived in [since, until)."""
    parts = {"tenant": place.tenant, "model": place.model, "category": place.category}
    where = [f"{name} = {_literal(part)}" for name, part in parts.items() if part is not None]
    if place.watched_by is not None:
        names = ("guard_name", "guard_version", "guard_prompt_hash")
        where += [
            f"{name} = {_literal(part)}" for name, part in zip(names, place.watched_by[:3], strict=True)
        ]
        where.append(f"calibration_version = {place.watched_by[3]}")
    where += [f"arrived_at >= {_moment(since)}", f"arrived_at < {_moment(until)}"]
    return f"SELECT * FROM verdicts WHERE {' AND '.join(where)} ORDER BY arrived_at"  # noqa: S608  # read by people


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _moment(at: datetime) -> str:
    return f"toDateTime64('{at.strftime('%Y-%m-%d %H:%M:%S.%f')}', 6, 'UTC')"
