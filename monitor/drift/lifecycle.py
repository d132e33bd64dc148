"""What fires: from crossings to incidents, one a cause, and each incident's way until it is over.

While an incident fires the streams that shifted are held: they don't learn, what they counted since the change is taken out of
their baselines, their R is 0, and groups go on without them. Other measures of the same family in the same cells don't learn
either, but are watched on: where they cross too, with a change at the same time, they are told as a part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.drift.baseline import PRIOR_EVENTS, expected
from monitor.drift.cells import sort_key
from monitor.drift.detection import DAY_US, MONTH_US, Crossing, Detection, Seen, us
from monitor.drift.detector import HARM_WEIGHTS, ODDS, WEIGHTS, drip, log_m, log_ratios, log_threshold
from monitor.drift.explanation import Explanation, Series, explain
from monitor.drift.incidents import BACK_PER_MONTH, NOTHING, Incident, estimate, log_back_ratio
from monitor.drift.instruments import UNCOMPARED_AFTER_US, Instrument, Jump, jumps_of, notice
from monitor.drift.kinds import kind_of, severity_of
from monitor.drift.lookback import counts_of, learned_in, need_of, rows_of, series_of
from monitor.drift.measures import Measure
from monitor.drift.needs import Need, Scope
from monitor.drift.streams import FOREVER, FREE, HELD, LEVELS, MEASURES, QUIET, Ints, StreamKey
from monitor.drift.telling import SOURCE, evidence_of, jump_alert, place_of
from monitor.drift.views import planning_of
from monitor.drift.wording import remedy, title
from schemas.alert_actions import AlertAction
from schemas.alerts import Alert, Severity, State, alert_id
from schemas.windows import Window

Floats = NDArray[np.float64]

SAY_AGAIN_US: Final = 300 * 1_000_000
"""What fires is said again so often, with its newest facts."""
INSTRUMENT: Final = "instrument"
"""The family of the incidents that tell a change of instrument: they hold no streams, and end after the dwell."""
_SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "critical")
_SURE_SDS: Final = 2.0
"""Back means nearer to the baseline than the level's estimate less so many of its deviations, and further beyond it by so many:
held against the estimate itself, a level that was estimated too high would soon seem to be back."""


@dataclass
class Lifecycle:
    """The incidents of one fleet that fire, oldest first."""

    detection: Detection
    fleet: str
    explain: Callable[[Series], Explanation] = explain

    def __post_init__(self) -> None:
        self.incidents: list[Incident] = []
        self.instruments: list[Instrument] = []
        self.next_number = 1

    def restore(
        self, incidents: Sequence[Incident], instruments: Sequence[Instrument], next_number: int
    ) -> None:
        """Go on with these."""
        self.incidents, self.instruments = list(incidents), list(instruments)
        self.next_number = next_number

    def go_on(
        self, window: Window, seen: Seen, history: Mapping[Need, Sequence[Window]]
    ) -> tuple[Alert, ...]:
        """All that a window changes, each alert once, as it stands at the window's end."""
        changed: dict[int, Incident] = {}
        over: list[Alert] = []
        now = us(window.ends_at)
        for incident in tuple(self.incidents):
            news = self._age(incident, window, seen)
            if incident not in self.incidents:
                over.append(incident.alert)
            elif news:
                changed[incident.number] = incident
        opened: list[Incident] = []
        for crossing in sorted(seen.crossings, key=_wide_and_strong_first):
            incident = self._cross(crossing, window, history, opened=opened)
            if incident is not None:
                changed[incident.number] = incident
        self._clear(seen.crossings, now)
        for incident in self._compare_instruments(window):
            changed[incident.number] = incident
        for incident in self.incidents:
            if incident.number in changed or now - incident.told_at >= SAY_AGAIN_US:
                incident.told_at = now
                incident.alert = self._as_of(incident, window.ends_at)
                changed[incident.number] = incident
        return (*over, *(changed[number].alert for number in sorted(changed)))

    def act(self, action: AlertAction, at: datetime) -> tuple[Alert, ...]:
        """End what a person says is over, or the new normal."""
        for incident in self.incidents:
            if incident.alert.id == action.alert_id and action.verb in ("acknowledge", "resolve"):
                if action.verb == "acknowledge":
                    self._take_as_normal(incident)
                self._end(incident, "acknowledged" if action.verb == "acknowledge" else "resolved", at)
                return (incident.alert,)
        return ()

    # Crossings

    def _cross(
        self,
        crossing: Crossing,
        window: Window,
        history: Mapping[Need, Sequence[Window]],
        *,
        opened: list[Incident],
    ) -> Incident | None:
        """The incident that tells this crossing: a new one, or the one whose cause it shares."""
        key, detection = crossing.key, self.detection
        for incident in opened:
            if incident.family == key.measure.family and self._overlaps(incident, key.scope, key.measure):
                return self._join(incident, crossing, (), window, ())
        windows = history.get(need_of(crossing, detection, window.ends_at), ())
        rows = rows_of(crossing, detection)
        if not rows.size or not windows:
            windows, rows = (window,), rows if rows.size else self._row(key)
        if not rows.size:
            return None
        explanation = self.explain(series_of(windows, rows, detection))
        affected = rows[list(explanation.affected)] if explanation.affected else self._told(key, rows)
        place = place_of(key, explanation)
        for incident in self.incidents:
            if (
                incident.family == key.measure.family
                and self._overlaps(incident, place.scope, key.measure)
                and _is_same_time(incident, explanation)
            ):
                return self._join(incident, crossing, affected, window, windows)
        incident = self._open(crossing, place, explanation, affected, window, windows)
        opened.append(incident)
        return incident

    def _told(self, key: StreamKey, rows: Ints) -> Ints:
        """Whom it is told of where none stands out: the cell that crossed, or all of the group."""
        return self._row(key) if key.level == "cell" else rows

    def _row(self, key: StreamKey) -> Ints:
        row = self.detection.streams.index.get(key)
        return np.zeros(0, dtype=np.int64) if row is None else np.array([row], dtype=np.int64)

    def _overlaps(self, incident: Incident, scope: Scope, measure: Measure) -> bool:
        """Whether a shift of `measure` in `scope` could have the incident's cause: it is at its place, or at a stream that it
        holds. Traffic is of a tenant's model as a whole: one category can't become more alone."""
        place = incident.alert.place
        mine = Scope(place.get("tenant"), place.get("model"), place.get("category"))
        if measure.family == "traffic":
            mine, scope = Scope(mine.tenant, mine.model), Scope(scope.tenant, scope.model)
        return mine.overlaps(scope)

    def _open(
        self,
        crossing: Crossing,
        place: StreamKey,
        explanation: Explanation,
        affected: Ints,
        window: Window,
        windows: Sequence[Window],
    ) -> Incident:
        detection, measure, now = self.detection, place.measure, us(window.ends_at)
        is_rise = explanation.direction == "up"
        evidence = evidence_of(
            place,
            explanation,
            window=window,
            ratio=crossing.ratio,
            planning=planning_of(detection, affected, place, now),
            budget_per_month=detection.policy.budget_per_month,
        )
        kind = kind_of(measure)
        alert = Alert(
            id=alert_id(self.fleet, kind.value, place.place, window.ends_at),
            fleet=self.fleet,
            kind=kind.value,
            severity=severity_of(measure, is_rise=is_rise, level=1),
            state="firing",
            started_at=window.ends_at,
            at=window.ends_at,
            ended_at=None,
            title=title(kind.value, measure.value, place.place, evidence),
            place=place.place,
            facts={},
            remedy=remedy(kind.value, measure.value),
            source=SOURCE,
            drift=evidence,
        )
        shift = float(np.log(explanation.odds_ratio.value))
        incident = Incident(
            number=self.next_number,
            alert=alert,
            family=measure.family,
            shift=shift or (1e-6 if is_rise else -1e-6),
            further_dripped=float(detection.integral[MEASURES.index(measure), 0]),
            opened_at=now,
            data_at=now,
            told_at=now,
        )
        self.next_number += 1
        self.incidents.append(incident)
        self._hold(incident, affected, windows, now)
        self._quieten(incident, place, affected, windows=windows, now=now)
        if crossing.key != place:
            evidence.also.append(crossing.key.place)
        return incident

    def _join(
        self,
        incident: Incident,
        crossing: Crossing,
        affected: Ints | tuple[()],
        window: Window,
        windows: Sequence[Window],
    ) -> Incident:
        """Tell a crossing as a part of an incident."""
        now, key = us(window.ends_at), crossing.key
        held = np.asarray(affected, dtype=np.int64)
        if not held.size and key.level == "cell":
            held = self._row(key)
        self._hold(incident, held, windows, now)
        alert, evidence = incident.alert, incident.alert.drift
        if evidence is not None and key.place not in evidence.also and key.place != alert.place:
            evidence.also.append(key.place)
        mine = severity_of(key.measure, is_rise=crossing.direction == "up", level=1)
        worst = max(alert.severity, mine, key=_SEVERITIES.index)
        incident.alert = msgspec.structs.replace(alert, severity=worst)
        return incident

    def _hold(self, incident: Incident, rows: Ints, windows: Sequence[Window], now: int) -> None:
        """Take streams out: what they learned since the change isn't normal."""
        streams = self.detection.streams
        rows = rows[streams.hold[rows] != HELD]
        if rows.size:
            self._unlearn(incident, rows[streams.hold[rows] == FREE], windows)
            streams.hold[rows] = HELD
            streams.incident[rows] = incident.number
            self.detection.reset(rows, self.detection.groups.overlapping(rows), now)

    def _quieten(
        self, incident: Incident, place: StreamKey, rows: Ints, *, windows: Sequence[Window], now: int
    ) -> None:
        """Let those that may share the cause learn no more: the family's measures in the same cells as the held `rows`, and in
        the whole place where half of it shifted or more. They are watched on, alone; groups go on without them."""
        streams, groups = self.detection.streams, self.detection.groups
        family = [at for at, measure in enumerate(MEASURES) if measure.family == incident.family]
        is_traffic = incident.family == "traffic"
        where = {_cell_of(streams.keys[row], is_traffic=is_traffic) for row in rows}
        whole = None
        if place.level != "cell":
            inside = groups.members(groups.rows.index[place], streams.size)
            inside = inside[streams.is_armed[inside] & streams.is_active[inside]]
            if 2 * rows.size >= inside.size:
                whole = _cell_of(place, is_traffic=is_traffic)
        quiet = []
        for row in np.flatnonzero(np.isin(streams.measure[: streams.size], family)):
            if streams.hold[row] != FREE:
                continue
            cell = _cell_of(streams.keys[row], is_traffic=is_traffic)
            if cell in where or (whole is not None and whole.holds(cell)):
                quiet.append(row)
        found = np.array(quiet, dtype=np.int64)
        if found.size:
            self._unlearn(incident, found, windows)
            streams.hold[found] = QUIET
            streams.incident[found] = incident.number
            none = np.zeros(0, dtype=np.int64)
            self.detection.reset(none, groups.overlapping(found), now)

    def _unlearn(self, incident: Incident, rows: Ints, windows: Sequence[Window]) -> None:
        """Take what free streams counted since the change out of their baselines, and count it as held."""
        streams, detection = self.detection.streams, self.detection
        evidence = incident.alert.drift
        since = 0 if evidence is None else us(evidence.changed_at)
        windows = [window for window in windows if us(window.begins_at) >= since]
        for measure in np.unique(streams.measure[rows]) if windows else ():
            same = rows[streams.measure[rows] == measure]
            k, n = counts_of(windows, [streams.keys[row] for row in same])
            begins = np.array([us(window.begins_at) for window in windows], dtype=np.int64)
            ends = np.array([us(window.ends_at) for window in windows], dtype=np.int64)
            is_old = begins[:, None] < streams.reset_at[same][None, :]
            k[is_old], n[is_old] = 0.0, 0.0
            offset = np.stack([detection.offset(same, int(at)) for at in (begins + ends) // 2])
            a, b = learned_in(same, detection, k=k, n=n, offset=offset, ends=ends)
            streams.a[same] = np.maximum(streams.a[same] - a, streams.a0[same])
            streams.b[same] = np.maximum(streams.b[same] - b, streams.b0[same])
            streams.learned_to[same] = since
            streams.k_held[same] = k.sum(axis=0)
            streams.n_held[same] = n.sum(axis=0)
            streams.e_held[same] = (n * expected(streams.a[same], streams.b[same], offset)).sum(axis=0)

    def _clear(self, crossings: Iterable[Crossing], now: int) -> None:
        """R of all that crossed is 0 again: that is what the budget rests on."""
        streams, groups = self.detection.streams, self.detection.groups.rows
        keys = [crossing.key for crossing in crossings]
        rows = [streams.index[key] for key in keys if key.level == "cell"]
        those = [groups.index[key] for key in keys if key.level != "cell"]
        self.detection.reset(np.array(rows, dtype=np.int64), np.array(those, dtype=np.int64), now)

    def _compare_instruments(self, window: Window) -> list[Incident]:
        """Tell by how much the labels of another guard differ, once each."""
        now, detection = us(window.ends_at), self.detection
        notice(self.instruments, detection, us(window.begins_at))
        opened = []
        for instrument in self.instruments:
            if instrument.is_told:
                continue
            jumps = jumps_of(instrument, detection, now)
            if jumps:
                opened.append(self._tell_jump(jumps, instrument, window))
            instrument.is_told = bool(jumps) or now - instrument.began_at > UNCOMPARED_AFTER_US
        return opened

    def _tell_jump(self, jumps: Sequence[Jump], instrument: Instrument, window: Window) -> Incident:
        alert = jump_alert(jumps, instrument, self.detection, window=window, fleet=self.fleet)
        now = us(window.ends_at)
        incident = Incident(
            number=self.next_number,
            alert=alert,
            family=INSTRUMENT,
            shift=float(np.log(jumps[0].odds_ratio.value)),
            opened_at=now,
            data_at=now,
            told_at=now,
        )
        self.next_number += 1
        self.incidents.append(incident)
        return incident

    # What fires

    def _main(self, incident: Incident) -> Ints:
        """The held streams of the incident's own measure."""
        streams = self.detection.streams
        held = np.flatnonzero(streams.incident[: streams.size] == incident.number)
        measure = Measure(incident.alert.place["measure"])
        return held[(streams.measure[held] == MEASURES.index(measure)) & (streams.hold[held] == HELD)]

    def _age(self, incident: Incident, window: Window, seen: Seen) -> bool:
        """Go on with what fires. True where there is news; where it is over it is gone from `incidents`."""
        now = us(window.ends_at)
        if incident.family == INSTRUMENT:
            if now - incident.opened_at >= self.detection.policy.dwell_s * 1e6:
                self._end(incident, "resolved", window.ends_at)
            return False
        rows = self._main(incident)
        touched, at, _ = np.intersect1d(seen.touched.rows, rows, assume_unique=True, return_indices=True)
        k, n, offset = seen.touched.k[at], seen.touched.n[at], seen.offset[at]
        policy = self.detection.policy
        if n.sum() > 0:
            was_stale = incident.alert.state == "stale"
            elapsed = min(now - incident.data_at, DAY_US)
            incident.data_at = now
            if not incident.is_settled:
                if now - incident.opened_at < policy.dwell_s * 1e6:
                    return self._become(incident, "firing") or was_stale
                if not self._settle(incident, rows):
                    self._end(incident, "resolved", window.ends_at)
                    return True
                return self._become(incident, "firing") or was_stale
            if self._is_back(incident, touched, k=k, n=n, offset=offset, elapsed=elapsed):
                self._end(incident, "resolved", window.ends_at)
                return True
            if self._went_further(incident, touched, k=k, n=n, offset=offset, now=now):
                return True
            return self._become(incident, "firing") or was_stale
        if now - incident.data_at > policy.stale_after_s * 1e6:
            return self._become(incident, "stale")
        return False

    def _become(self, incident: Incident, state: State) -> bool:
        if incident.alert.state == state:
            return False
        incident.alert = msgspec.structs.replace(incident.alert, state=state)
        return True

    def _settle(self, incident: Incident, rows: Ints) -> bool:
        """Estimate the level once more. False where there turns out to be no shift, or one the other way."""
        streams = self.detection.streams
        n = streams.n_held[rows] / streams.phi[rows]
        k = streams.k_held[rows] / streams.phi[rows]
        p = np.clip(streams.e_held[rows] / np.maximum(streams.n_held[rows], 1e-300), 1e-15, 1.0 - 1e-15)
        was_rise = incident.is_rise
        incident.shift, incident.shift_sd = estimate(k, n, p, incident.shift)
        incident.is_settled = True
        return incident.is_rise == was_rise and abs(incident.shift) >= NOTHING

    def _is_back(
        self, incident: Incident, rows: Ints, *, k: Floats, n: Floats, offset: Floats, elapsed: int
    ) -> bool:
        streams = self.detection.streams
        p = expected(streams.a[rows], streams.b[rows], offset)
        phi = streams.phi[rows]
        dripped = float(np.logaddexp(incident.log_back, np.log(elapsed / MONTH_US)))
        nearest = incident.shift - np.copysign(
            min(_SURE_SDS * incident.shift_sd, abs(incident.shift) / 2.0), incident.shift
        )
        incident.log_back = dripped + log_back_ratio(k / phi, n / phi, p, nearest)
        return incident.log_back >= -np.log(BACK_PER_MONTH) and incident.log_back > dripped

    def _went_further(
        self, incident: Incident, rows: Ints, *, k: Floats, n: Floats, offset: Floats, now: int
    ) -> bool:
        """Whether it shifted further the same way. Its drip is the share that its measure's cell had."""
        detection, streams = self.detection, self.detection.streams
        measure = Measure(incident.alert.place["measure"])
        weights = np.where(
            (ODDS > 1.0) == incident.is_rise, HARM_WEIGHTS if measure.is_harm else WEIGHTS, 0.0
        )
        weights /= weights.sum()
        beyond = incident.shift + np.copysign(_SURE_SDS * incident.shift_sd, incident.shift)
        log_l = log_ratios(
            k, n, a=streams.a[rows], b=streams.b[rows], offset=offset + beyond, phi=streams.phi[rows]
        ).sum(axis=0)
        integral = float(detection.integral[MEASURES.index(measure), 0])
        due = detection.drip_at_most(measure, integral - incident.further_dripped)
        before = drip(np.array([incident.log_further]), np.array([due]))
        after = before + log_l
        incident.log_further = after[0].tolist()
        incident.further_dripped = integral
        log_a = log_threshold(detection.policy.budget_per_month, weights)
        total = log_m(after, weights)[0]
        if not (total >= log_a and total > log_m(before, weights)[0]):
            return False
        evidence = incident.alert.drift
        if evidence is not None:
            level = evidence.level + 1
            severity = severity_of(measure, is_rise=incident.is_rise, level=level)
            incident.alert = msgspec.structs.replace(
                incident.alert,
                severity=max(severity, incident.alert.severity, key=_SEVERITIES.index),
                drift=msgspec.structs.replace(evidence, level=level),
            )
        main = self._main(incident)
        streams.k_held[main] = streams.n_held[main] = streams.e_held[main] = 0.0
        incident.is_settled = False
        incident.opened_at = now
        incident.log_back = -np.inf
        incident.log_further = [-np.inf] * ODDS.size
        return True

    # Ends

    def _end(self, incident: Incident, state: State, at: datetime) -> None:
        """Over: what was held is watched again from now on, on the baseline that it has."""
        streams, detection = self.detection.streams, self.detection
        rows = np.flatnonzero(streams.incident[: streams.size] == incident.number)
        streams.hold[rows], streams.incident[rows], streams.learned_to[rows] = FREE, 0, FOREVER
        for column in (streams.k_held, streams.n_held, streams.e_held):
            column[rows] = 0.0
        detection.reset(rows, detection.groups.overlapping(rows), us(at))
        self.incidents.remove(incident)
        alert = self._as_of(incident, at)
        incident.alert = msgspec.structs.replace(alert, state=state, ended_at=at)

    def _take_as_normal(self, incident: Incident) -> None:
        """The level of what was held moves by the shift, as far as it is known; what came since the change counts. Where
        too little came, the stream learns on before it can fire."""
        streams, detection = self.detection.streams, self.detection
        held = np.flatnonzero(
            (streams.incident[: streams.size] == incident.number) & (streams.hold[: streams.size] == HELD)
        )
        main = self._main(incident)
        shift = np.where(np.isin(held, main), incident.shift, 0.0)
        level = streams.a[held] / (streams.a[held] + streams.b[held])
        odds = level / (1.0 - level) * np.exp(shift)
        new = odds / (1.0 + odds)
        scale = streams.n_held[held]
        streams.a[held] = streams.a0[held] = PRIOR_EVENTS * new
        streams.b[held] = streams.b0[held] = PRIOR_EVENTS * (1.0 - new)
        streams.a[held] += streams.k_held[held]
        streams.b[held] += scale - streams.k_held[held]
        others = held[~np.isin(held, main)]
        streams.events[others] = streams.n_held[others]
        streams.is_armed[others] = streams.events[others] >= detection.policy.learn_events
        detection.is_stale = True

    # Telling

    def _as_of(self, incident: Incident, at: datetime) -> Alert:
        """The alert with its newest figures."""
        streams, alert, evidence = self.detection.streams, incident.alert, incident.alert.drift
        rows = self._main(incident)
        facts: dict[str, float | str] = dict(alert.facts)
        if rows.size and evidence is not None:
            facts |= {
                "k": float(streams.k_held[rows].sum()),
                "n": float(streams.n_held[rows].sum()),
                "expected": round(float(streams.e_held[rows].sum()), 3),
                "odds_ratio": round(evidence.odds_ratio.value, 4),
                "crossing": round(evidence.crossing, 3),
                "level": float(evidence.level),
                "streams": float(rows.size),
            }
        return msgspec.structs.replace(alert, at=at, facts=facts)


def _cell_of(key: StreamKey, *, is_traffic: bool) -> Scope:
    return Scope(key.tenant, key.model) if is_traffic else key.scope


def _is_same_time(incident: Incident, explanation: Explanation) -> bool:
    """Whether both could have begun at once."""
    evidence = incident.alert.drift
    return (
        evidence is not None
        and evidence.changed_from <= explanation.changed_until
        and explanation.changed_from <= evidence.changed_until
    )


def _wide_and_strong_first(crossing: Crossing) -> tuple[object, ...]:
    return (-LEVELS.index(crossing.key.level), -crossing.ratio, sort_key(crossing.key))
