"""What an incident does to the streams that it concerns: it holds those that shifted, and quietens those that may have.

Who is held doesn't learn, its R stays 0, and what it learned since the change is taken out of its baseline. Who is quiet doesn't
learn either, and is watched on. Groups go on without both.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monitor.drift.baseline import PRIOR_EVENTS, expected
from monitor.drift.detection import Detection
from monitor.drift.incidents import Incident
from monitor.drift.lookback import counts_of, learned_in
from monitor.drift.moments import us
from monitor.drift.needs import Scope
from monitor.drift.streams import ALSO, FOREVER, FREE, HELD, MEASURES, QUIET, Ints, StreamKey
from schemas.windows import Window


def main_rows(incident: Incident, detection: Detection) -> Ints:
    """The held streams that shifted as the incident's place did, ascending."""
    streams = detection.streams
    mine = streams.incident[: streams.size] == incident.number
    held: Ints = np.flatnonzero(mine & (streams.hold[: streams.size] == HELD))
    return held


def hold(
    incident: Incident,
    detection: Detection,
    rows: Ints,
    *,
    is_rise: bool,
    windows: Sequence[Window],
    now: int,
) -> None:
    """Hold streams of one measure, but for those that are held already. `windows`: the past, oldest first."""
    streams = detection.streams
    rows = rows[streams.hold[rows] < HELD]
    if rows.size:
        is_same = (
            streams.keys[rows[0]].measure == incident.alert.place["measure"] and is_rise == incident.is_rise
        )
        _unlearn(incident, detection, rows[streams.hold[rows] == FREE], windows)
        streams.hold[rows] = HELD if is_same else ALSO
        streams.incident[rows] = incident.number
        detection.reset(rows, now)
        detection.calm(rows)


def quieten(
    incident: Incident,
    detection: Detection,
    place: StreamKey,
    *,
    held: Ints,
    leaning: int,
    windows: Sequence[Window],
) -> None:
    """Quieten the family's measures in the same cells as those `held`, and in all of `place` where half of it or more seems to
    have shifted, `leaning` streams."""
    streams, groups = detection.streams, detection.groups
    family = [at for at, measure in enumerate(MEASURES) if measure.family == incident.family]
    where = {scope_of(streams.keys[row]) for row in held}
    whole = None
    if place.level != "cell":
        inside = groups.members(groups.rows.index[place], streams.size)
        inside = inside[streams.is_armed[inside] & streams.is_active[inside]]
        if 2 * max(leaning, held.size) >= inside.size:
            whole = scope_of(place)
    quiet = []
    for row in np.flatnonzero(np.isin(streams.measure[: streams.size], family)):
        if streams.hold[row] == FREE:
            scope = scope_of(streams.keys[row])
            if scope in where or (whole is not None and whole.holds(scope)):
                quiet.append(row)
    rows = np.array(quiet, dtype=np.int64)
    if rows.size:
        _unlearn(incident, detection, rows, windows)
        streams.hold[rows] = QUIET
        streams.incident[rows] = incident.number
        detection.calm(rows)


def scope_of(key: StreamKey) -> Scope:
    """Which streams of its family may have the same cause: traffic is of a tenant's model as a whole, since one category can't
    become a larger part alone."""
    return Scope(key.tenant, key.model) if key.measure.family == "traffic" else key.scope


def release(incident: Incident, detection: Detection, now: int) -> None:
    """All of the incident's streams are watched again from now on, on the baselines that they have."""
    streams = detection.streams
    rows = np.flatnonzero(streams.incident[: streams.size] == incident.number)
    streams.hold[rows], streams.incident[rows], streams.learned_to[rows] = FREE, 0, FOREVER
    for column in (streams.k_held, streams.n_held, streams.e_held):
        column[rows] = 0.0
    detection.reset(rows, now)
    detection.calm(rows)


def take_as_normal(incident: Incident, detection: Detection) -> None:
    """The level of what is held moves by the shift, as far as it is known, and what came since the change counts; the season
    stays. What shifted with it, by how much nobody worked out, is known by what came since alone: with too little of that it
    learns on before it can fire."""
    streams = detection.streams
    size = streams.size
    held = np.flatnonzero((streams.incident[:size] == incident.number) & (streams.hold[:size] >= HELD))
    is_main = np.isin(held, main_rows(incident, detection))
    odds = streams.a[held] / streams.b[held] * np.exp(np.where(is_main, incident.shift, 0.0))
    new = odds / (1.0 + odds)
    came = streams.n_held[held]
    # Of a season's hour that expects more than the level, as much more came: counted at the level.
    level = streams.a[held] / (streams.a[held] + streams.b[held])
    usual = np.divide(streams.e_held[held], came, out=level.copy(), where=came > 0)
    rate = np.divide(streams.k_held[held], came, out=new.copy(), where=came > 0)
    rate = np.clip(rate * level / np.maximum(usual, 1e-300), 0.0, 1.0)
    streams.a0[held], streams.b0[held] = PRIOR_EVENTS * new, PRIOR_EVENTS * (1.0 - new)
    streams.a[held] = streams.a0[held] + came * rate
    streams.b[held] = streams.b0[held] + came * (1.0 - rate)
    # The shift is known better than by half of what a stream learns from, or it would not have fired.
    short = np.where(is_main, np.maximum(detection.policy.learn_events / 2.0 - came, 0.0), 0.0)
    streams.a[held] += short * new
    streams.b[held] += short * (1.0 - new)
    others = held[~is_main]
    streams.is_armed[others] = came[~is_main] >= detection.policy.learn_events
    detection.is_stale = True


def _unlearn(incident: Incident, detection: Detection, rows: Ints, windows: Sequence[Window]) -> None:
    """Take what streams counted since the change out of their baselines, and count it as held."""
    streams, evidence = detection.streams, incident.alert.drift
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
