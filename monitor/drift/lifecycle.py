"""What fires: from crossings to incidents, one a cause, and each incident's way until it is over.

While an incident fires the streams that shifted are held: they don't learn, what they counted since the change is taken out of
their baselines, their R is 0, and groups go on without them. Other measures of the same family in the same cells don't learn
either, but are watched on: where they cross too, with a change at the same time, they are told as a part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
import numpy as np

from monitor.drift.ageing import SEVERITIES, age, look_again
from monitor.drift.cells import sort_key
from monitor.drift.detection import Crossing, Detection, Seen
from monitor.drift.explanation import Explanation, explain
from monitor.drift.holding import hold, main_rows, quieten, release, scope_of, take_as_normal
from monitor.drift.incidents import Incident
from monitor.drift.instruments import UNCOMPARED_AFTER_US, Instrument, Jump, jumps_of, notice
from monitor.drift.kinds import kind_of, severity_of
from monitor.drift.lookback import need_of, rows_of, series_of
from monitor.drift.measures import MEASURE_OF
from monitor.drift.moments import us
from monitor.drift.needs import Need
from monitor.drift.streams import LEVELS, MEASURES, Ints, StreamKey
from monitor.drift.telling import SOURCE, evidence_of, jump_alert, place_of
from monitor.drift.views import planning_of
from monitor.drift.wording import remedy, title
from schemas.alert_actions import AlertAction
from schemas.alerts import Alert, State, alert_id
from schemas.windows import Window

SAY_AGAIN_US: Final = 300 * 1_000_000
"""What fires is said again so often, with its newest facts."""
ALSO_AT_MOST: Final = 50
"""So many other streams an alert names."""
INSTRUMENT: Final = "instrument"
"""The family of the incidents that tell a change of instrument: they hold no streams, and end after the dwell."""


@dataclass
class Lifecycle:
    """The incidents of one fleet that fire, oldest first."""

    detection: Detection
    fleet: str

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
            told = self._cross(crossing, window, history, opened=opened)
            if told is not None:
                changed[told.number] = told
        self._clear(seen.crossings, now)
        for incident in self._compare_instruments(window):
            changed[incident.number] = incident
        for incident in self.incidents:
            if incident.number in changed or now - incident.told_at >= SAY_AGAIN_US:
                incident.told_at = now
                incident.alert = self._as_of(incident, window.ends_at)
                changed[incident.number] = incident
        return (*over, *(changed[number].alert for number in sorted(changed)))

    def look_again(self, window: Window) -> tuple[Alert, ...]:
        """The seasons were fitted anew: end what they explain."""
        ended = []
        for incident in tuple(self.incidents):
            if incident.family != INSTRUMENT and not look_again(incident, self.detection):
                self._end(incident, "resolved", window.ends_at, since=window.ends_at)
                ended.append(incident.alert)
        return tuple(ended)

    def act(self, action: AlertAction, at: datetime, *, position: datetime | None) -> tuple[Alert, ...]:
        """End what a person says is over, or the new normal. All windows until `position` were taken."""
        for incident in self.incidents:
            if incident.alert.id == action.alert_id and action.verb in ("acknowledge", "resolve"):
                if action.verb == "acknowledge":
                    take_as_normal(incident, self.detection)
                state: State = "acknowledged" if action.verb == "acknowledge" else "resolved"
                self._end(incident, state, at, since=max(at, position or at))
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
            if self._overlaps(incident, key):  # both crossed in this window: that is the same time
                return self._join(incident, crossing, affected=(), window=window, windows=())
        windows = history.get(need_of(crossing, detection, window.ends_at), ())
        rows = rows_of(crossing, detection)
        if not rows.size or not windows:
            windows, rows = (window,), rows if rows.size else self._row(key)
        if not rows.size:
            return None
        explanation = explain(series_of(windows, rows, detection))
        row = self._row(key)
        if key.level == "cell" and rows.size > 1 and row[0] not in rows[list(explanation.affected)]:
            # The others have no part in it, so the figures must not be theirs.
            rows = row
            explanation = explain(series_of(windows, rows, detection))
        place = place_of(key, explanation)
        if not place.scope.overlaps(key.scope) or (key.level == "cell" and not place.scope.holds(key.scope)):
            place = key
        inside = np.array([place.scope.holds(detection.streams.keys[row].scope) for row in rows])
        if not inside.all() and inside.any():
            # It is told of its place, and so are its figures.
            rows = rows[inside]
            explanation = explain(series_of(windows, rows, detection))
        affected = rows[list(explanation.affected)] if explanation.affected else self._told(key, rows)
        for incident in self.incidents:
            if self._overlaps(incident, place) and _is_same_time(incident, explanation):
                opened.append(incident)
                return self._join(incident, crossing, affected=affected, window=window, windows=windows)
        incident = self._open(
            crossing, place, explanation=explanation, affected=affected, window=window, windows=windows
        )
        opened.append(incident)
        return incident

    def _told(self, key: StreamKey, rows: Ints) -> Ints:
        """Whom it is told of where none stands out: the cell that crossed, or all of the group."""
        return (
            self._row(key)
            if key.level == "cell" and key in {self.detection.streams.keys[r] for r in rows}
            else rows
        )

    def _row(self, key: StreamKey) -> Ints:
        row = self.detection.streams.index.get(key)
        return np.zeros(0, dtype=np.int64) if row is None else np.array([row], dtype=np.int64)

    def _overlaps(self, incident: Incident, key: StreamKey) -> bool:
        """Whether a shift of `key` could have the incident's cause, by its family and place."""
        if incident.family != key.measure.family:
            return False
        place = incident.alert.place
        names = place.get("tenant"), place.get("model"), place.get("category")
        mine = StreamKey(MEASURE_OF[place["measure"]], key.level, *names)
        return scope_of(mine).overlaps(scope_of(key))

    def _open(
        self,
        crossing: Crossing,
        place: StreamKey,
        *,
        explanation: Explanation,
        affected: Ints,
        window: Window,
        windows: Sequence[Window],
    ) -> Incident:
        """A new incident, with its streams held."""
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
            title=title(kind.value, measure, place.place, evidence),
            place=place.place,
            facts={},
            remedy=remedy(kind.value, measure),
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
        hold(incident, detection, affected, is_rise=incident.is_rise, windows=windows, now=now)
        leaning = sum(stratum.evidence > 0 for stratum in explanation.strata)
        quieten(incident, detection, place, held=affected, leaning=leaning, windows=windows)
        if crossing.key != place:
            evidence.also.append(crossing.key.place)
        return incident

    def _join(
        self,
        incident: Incident,
        crossing: Crossing,
        *,
        affected: Ints | tuple[()],
        window: Window,
        windows: Sequence[Window],
    ) -> Incident:
        """Tell a crossing as a part of an incident."""
        now, key = us(window.ends_at), crossing.key
        held = np.asarray(affected, dtype=np.int64)
        if not held.size and key.level == "cell":
            held = self._row(key)
        is_rise = crossing.direction == "up"
        hold(incident, self.detection, held, is_rise=is_rise, windows=windows, now=now)
        alert, evidence = incident.alert, incident.alert.drift
        if (
            evidence is not None
            and len(evidence.also) < ALSO_AT_MOST
            and key.place not in evidence.also
            and key.place != alert.place
        ):
            evidence.also.append(key.place)
        mine = severity_of(key.measure, is_rise=is_rise, level=1)
        worst = max(alert.severity, mine, key=SEVERITIES.index)
        incident.alert = msgspec.structs.replace(alert, severity=worst)
        return incident

    def _clear(self, crossings: Iterable[Crossing], now: int) -> None:
        """R of all that crossed is 0 again: that is what the budget rests on."""
        streams, groups = self.detection.streams, self.detection.groups.rows
        keys = [crossing.key for crossing in crossings]
        rows = [streams.index[key] for key in keys if key.level == "cell"]
        those = [groups.index[key] for key in keys if key.level != "cell"]
        self.detection.reset(np.array(rows, dtype=np.int64), now)
        self.detection.empty(np.array(those, dtype=np.int64))

    def _compare_instruments(self, window: Window) -> list[Incident]:
        """Tell by how much the labels of another guard differ, once each."""
        now, detection = us(window.ends_at), self.detection
        notice(self.instruments, detection, us(window.begins_at))
        opened: list[Incident] = []
        for instrument in self.instruments:
            if instrument.is_told:
                continue
            jumps = jumps_of(instrument, detection, now)
            if jumps and not opened:  # one a window, so that each has an id of its own
                opened.append(self._tell_jump(jumps, instrument, window))
            elif jumps:
                continue
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

    def _age(self, incident: Incident, window: Window, seen: Seen) -> bool:
        """Go on with what fires. True where there is news; where it is over it is gone from `incidents`."""
        now, policy = us(window.ends_at), self.detection.policy
        if incident.family == INSTRUMENT:
            if now - incident.opened_at >= policy.dwell_s * 1e6:
                self._end(incident, "resolved", window.ends_at, since=window.ends_at)
            return False
        course = age(incident, self.detection, seen, now)
        if course == "over":
            self._end(incident, "resolved", window.ends_at, since=window.ends_at)
            return True
        if course == "silent":
            is_stale = now - incident.data_at > policy.stale_after_s * 1e6
            return is_stale and self._become(incident, "stale")
        return self._become(incident, "firing") or course == "further"

    def _become(self, incident: Incident, state: State) -> bool:
        if incident.alert.state == state:
            return False
        incident.alert = msgspec.structs.replace(incident.alert, state=state)
        return True

    # Ends

    def _end(self, incident: Incident, state: State, at: datetime, *, since: datetime) -> None:
        """Over, at `at`; its streams are watched anew `since` then."""
        alert = self._as_of(incident, at)
        incident.alert = msgspec.structs.replace(alert, state=state, ended_at=at)
        self.incidents.remove(incident)
        release(incident, self.detection, us(since))

    # Telling

    def _as_of(self, incident: Incident, at: datetime) -> Alert:
        """The alert with its newest figures."""
        streams, alert, evidence = self.detection.streams, incident.alert, incident.alert.drift
        rows = main_rows(incident, self.detection)
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
