"""What an audit, a person, or a probe that is away makes of a target's alerts: pure. The same steps give the same alerts.

An audit is held against three others at once (comparison.changed_from): the previous one, the baseline (so that slow erosion in
small steps adds up), and the one that an alert which fires holds against. So an alert goes on until an audit no longer shows the change
that began it, however small the steps were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from monitor.audit.comparison import LayerChange
from monitor.audit.kinds import CHANGES, AuditKind
from monitor.audit.state import Firing, TargetState
from monitor.audit.wording import REMEDIES, change_title, overdue_title, refused_title, series_title
from schemas.alert_actions import AlertAction
from schemas.alerts import Alert, Severity, Source, State, alert_id

CRITICAL_SHARE: Final = 0.5
"""A fall of J by this part of what it was, in any layer or pooling, is critical."""
_OPPOSITE: Final = {
    AuditKind.SEPARATION_FELL: AuditKind.SEPARATION_ROSE,
    AuditKind.SEPARATION_ROSE: AuditKind.SEPARATION_FELL,
}


@dataclass(frozen=True, slots=True)
class Teller:
    """Whose alerts they are, and who says them."""

    fleet: str
    source: Source


@dataclass(frozen=True, slots=True)
class Done:
    """An audit that was made. `changes`: of each audit that it was compared with, by id. `began`: in words what is another since the series
    before; None where the series goes on, or is the target's first."""

    id: str
    at: datetime
    series: str
    parts: Mapping[str, str]
    beginning: int
    model_version: str
    is_live: bool
    changes: Mapping[str, Sequence[LayerChange]]
    previous_id: str
    baseline_id: str
    began: Sequence[str] | None


def after_done(state: TargetState, done: Done, teller: Teller) -> TargetState:
    """The audit is the series' newest. A series without a baseline begins with it."""
    book = _Book(state, teller, done.at)
    book.end(AuditKind.AUDIT_REFUSED, AuditKind.AUDIT_OVERDUE, AuditKind.AUDIT_SERIES_BEGAN)
    if done.began is not None:
        book.stale(except_series=done.series)
        book.put(
            AuditKind.AUDIT_SERIES_BEGAN,
            title=series_title(state.model, state.anchor_set, done.began),
            facts={"audit_id": done.id, "series": done.series, "model_version": done.model_version},
        )
    falls, rises = AuditKind.SEPARATION_FELL, AuditKind.SEPARATION_ROSE
    for kind in (AuditKind.LIVE_SEPARATION_SHIFT,) if done.is_live else (falls, rises):
        _look(kind, state, done, book)
    return msgspec.structs.replace(
        state,
        series=done.series,
        parts=dict(done.parts),
        beginning=done.beginning,
        previous_id=done.id,
        baseline_id=done.baseline_id or done.id,
        overdue_since=None,
        firing=tuple(book.firing),
        told=tuple(book.told),
    )


def after_refused(
    state: TargetState, *, id_: str, at: datetime, reason: str, meaning: str, teller: Teller
) -> TargetState:
    """Nothing is known but that it could not be made: what fires about changes goes on."""
    book = _Book(state, teller, at)
    book.end(AuditKind.AUDIT_OVERDUE)
    book.put(
        AuditKind.AUDIT_REFUSED,
        title=refused_title(state.model, state.anchor_set, meaning),
        facts={"audit_id": id_, "reason": reason},
    )
    return msgspec.structs.replace(
        state, overdue_since=None, firing=tuple(book.firing), told=tuple(book.told)
    )


def after_action(state: TargetState, action: AlertAction, at: datetime, teller: Teller) -> TargetState | None:
    """What a person did; None where it is about no alert of this target that goes on. Acknowledging a change makes the newest audit the
    baseline; resolving one leaves the baseline, so that an audit that shows it again tells it again."""
    found = next((one for one in state.firing if one.alert.id == action.alert_id), None)
    if found is None or action.verb not in ("acknowledge", "resolve"):
        return None
    over: State = "acknowledged" if action.verb == "acknowledge" else "resolved"
    book = _Book(state, teller, at)
    book.finish(found, over)
    takes = over == "acknowledged" and found.alert.kind in CHANGES and found.series == state.series
    return msgspec.structs.replace(
        state,
        baseline_id=state.previous_id if takes else state.baseline_id,
        firing=tuple(book.firing),
        told=tuple(book.told),
    )


def after_overdue(
    state: TargetState, *, since: datetime, at: datetime, cause: str, teller: Teller
) -> TargetState | None:
    """It has been due for too long; None where that was told already, even if a person has taken note of it since."""
    if state.overdue_since is not None:
        return None
    book = _Book(state, teller, at)
    book.put(
        AuditKind.AUDIT_OVERDUE,
        title=overdue_title(state.model, state.anchor_set, since),
        facts={"due_at": since.isoformat(), "cause": cause},
        started_at=since,
    )
    return msgspec.structs.replace(
        state, overdue_since=since, firing=tuple(book.firing), told=tuple(book.told)
    )


def said_again(state: TargetState, at: datetime, source: Source) -> Iterator[Alert]:
    """What goes on, as of now: whoever reads the log of alerts from somewhere on learns of it."""
    for one in state.firing:
        yield msgspec.structs.replace(one.alert, at=max(at, one.alert.at), source=source)


def _look(kind: AuditKind, state: TargetState, done: Done, book: _Book) -> None:
    firing = state.fires(kind)
    against = [done.baseline_id]
    if firing is not None and firing.series == done.series:
        against.insert(0, firing.against_id)
    opposite = _OPPOSITE.get(kind)
    # a change back to where the opposite alert began is its end, and no news of its own
    if opposite is None or state.fires(opposite) is None:
        against.append(done.previous_id)
    for id_ in against:
        found = [one for one in done.changes.get(id_, ()) if one.has_changed and _is_of(kind, one)]
        if found:
            found.sort(key=lambda one: -abs(one.change.change))
            book.put(
                kind,
                title=change_title(kind, state.model, state.anchor_set, found),
                facts=_facts(found, len(done.changes[id_]), done, against_id=id_),
                severity=_severity(kind, found),
                series=done.series,
                against_id=id_,
            )
            return
    if firing is not None and firing.series == done.series and firing.against_id in done.changes:
        book.end(kind)


def _is_of(kind: AuditKind, change: LayerChange) -> bool:
    return kind is AuditKind.LIVE_SEPARATION_SHIFT or change.is_fall == (kind is AuditKind.SEPARATION_FELL)


def _severity(kind: AuditKind, changes: Sequence[LayerChange]) -> Severity:
    if kind is AuditKind.SEPARATION_FELL and any(
        one.change.before > 0 and one.change.after <= (1 - CRITICAL_SHARE) * one.change.before
        for one in changes
    ):
        return "critical"
    return kind.severity


def _facts(
    changes: Sequence[LayerChange], layers: int, done: Done, *, against_id: str
) -> dict[str, float | str]:
    first = changes[0]
    return {
        "layer": first.change.layer,
        "before": first.change.before,
        "after": first.change.after,
        "change_low": first.change.low,
        "change_high": first.change.high,
        "p_adjusted": first.p_adjusted,
        "layers_changed": float(len(changes)),
        "layers": float(layers),
        "audit_id": done.id,
        "against_id": against_id,
        "model_version": done.model_version,
    }


class _Book:
    """The alerts of a target in one step."""

    def __init__(self, state: TargetState, teller: Teller, at: datetime) -> None:
        self.firing = list(state.firing)
        self.told: list[Alert] = []
        self._state, self._teller, self._at = state, teller, at

    def put(
        self,
        kind: AuditKind,
        *,
        title: str,
        facts: dict[str, float | str],
        severity: Severity | None = None,
        started_at: datetime | None = None,
        series: str = "",
        against_id: str = "",
    ) -> None:
        """It fires: anew, or on with these figures."""
        known = next((one for one in self.firing if one.alert.kind == kind), None)
        began = known.alert.started_at if known is not None else (started_at or self._at)
        place = self._state.place
        alert = Alert(
            id=known.alert.id
            if known is not None
            else alert_id(self._teller.fleet, kind.value, place, began),
            fleet=self._teller.fleet,
            kind=kind.value,
            severity=severity or kind.severity,
            state="firing",
            started_at=began,
            at=self._at,
            ended_at=None,
            title=title,
            place=place,
            facts=facts,
            remedy=REMEDIES[kind],
            source=self._teller.source,
        )
        if known is not None:
            self.firing.remove(known)
        self.firing.append(Firing(alert=alert, series=series, against_id=against_id))
        self.told.append(alert)

    def end(self, *kinds: AuditKind) -> None:
        """Those of these kinds are over."""
        for one in tuple(self.firing):
            if one.alert.kind in kinds:
                self.finish(one, "resolved")

    def finish(self, one: Firing, state: State) -> None:
        """This one has ended."""
        self.firing.remove(one)
        self.told.append(
            msgspec.structs.replace(
                one.alert,
                state=state,
                at=self._at,
                ended_at=max(self._at, one.alert.started_at),
                source=self._teller.source,
            )
        )

    def stale(self, *, except_series: str) -> None:
        """What holds against another series can't be looked at: that is no end."""
        for place, one in enumerate(self.firing):
            if one.alert.kind in CHANGES and one.series != except_series and one.alert.state != "stale":
                alert = msgspec.structs.replace(
                    one.alert, state="stale", at=self._at, source=self._teller.source
                )
                self.firing[place] = msgspec.structs.replace(one, alert=alert)
                self.told.append(alert)
