"""How streams stand, for people and dashboards."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from monitor.drift.detection import Detection
from monitor.drift.detector import log_m, log_threshold
from monitor.drift.measures import Measure
from monitor.drift.moments import DAY_US, at_us
from monitor.drift.planning import SHIFTS, hours_to_notice, told
from monitor.drift.roster import WEIGHTS_OF
from monitor.drift.streams import HELD, LEVELS, MEASURES, Ints, StreamKey
from monitor.drift.volume import EXPOSURE_PER_HOUR
from schemas.evidence import Planning

Floats = NDArray[np.float64]

StreamState = Literal["learning", "armed", "firing", "stale"]
_STATES: Final[tuple[StreamState, ...]] = ("learning", "armed", "firing", "stale")
_LEARNING, _ARMED, _FIRING, _STALE = range(len(_STATES))
_VOLUME: Final = MEASURES.index(Measure.VOLUME)


@dataclass(frozen=True, slots=True)
class StreamView:
    """A stream of a cell. `a`, `b`: its baseline's Beta counts; `rate`: a / (a + b), for the volume exchanges an hour.
    `ratio`: M / A, an alarm at 1. `events`: of its own, ever. `began_at`: when it
    came; `seen_at`: end of the last window with data."""

    key: StreamKey
    state: StreamState
    a: float
    b: float
    rate: float
    ratio: float
    events: float
    began_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class PlanRow:
    """After how many hours which odds ratio is noticed in a stream, on average, at the traffic of its last day; infinity
    where there is none."""

    key: StreamKey
    rate: float
    events_per_day: float
    noticed_after_h: dict[str, float]


def views_of(detection: Detection, stale: Collection[int]) -> Sequence[StreamView]:
    """All streams of cells, in the order in which they came. `stale`: the numbers of the incidents that are."""
    streams, size = detection.streams, detection.streams.size
    if not size:
        return ()
    weights = WEIGHTS_OF[streams.measure[:size]]
    log_a = log_threshold(detection.policy.budget_per_month, weights, streams.lump[:size])
    ratio = np.exp(np.minimum(log_m(streams.log_r[:size], weights) - log_a, 700.0))
    rate = _rates(detection, np.arange(size))
    states = _states(detection, stale)
    views = []
    for row, key in enumerate(streams.keys):
        views.append(
            StreamView(
                key=key,
                state=_STATES[states[row]],
                a=float(streams.a[row]),
                b=float(streams.b[row]),
                rate=float(rate[row]),
                ratio=float(ratio[row]),
                events=float(streams.events[row]),
                began_at=at_us(int(streams.began_at[row])),
                seen_at=at_us(int(streams.seen_at[row])),
            )
        )
    return views


def counts_by_state(detection: Detection, stale: Collection[int]) -> dict[str, dict[str, int]]:
    """How many streams of cells there are, by measure and state, without the states that none is in. `stale`: as of `views_of`."""
    measures = detection.streams.measure[: detection.streams.size].astype(np.int64)
    kinds = measures * len(_STATES) + _states(detection, stale)
    counts = np.bincount(kinds, minlength=len(MEASURES) * len(_STATES)).reshape(len(MEASURES), len(_STATES))
    return {
        measure.value: {state: int(n) for state, n in zip(_STATES, row, strict=True) if n}
        for measure, row in zip(MEASURES, counts, strict=True)
        if row.any()
    }


def _states(detection: Detection, stale: Collection[int]) -> Ints:
    """The number of each stream's state."""
    streams, size = detection.streams, detection.streams.size
    held = np.where(np.isin(streams.incident[:size], list(stale)), _STALE, _FIRING)
    states: Ints = np.where(
        streams.hold[:size] >= HELD, held, np.where(streams.is_armed[:size], _ARMED, _LEARNING)
    )
    return states


def plan_rows(detection: Detection, now: int) -> tuple[PlanRow, ...]:
    """All armed streams that have had data within a week."""
    streams, size = detection.streams, detection.streams.size
    rows = np.flatnonzero(streams.is_armed[:size] & streams.is_active[:size])
    if not rows.size:
        return ()
    daily, rate = _daily(detection, rows, now), _rates(detection, rows)
    hours = np.zeros((rows.size, len(SHIFTS)))
    shares = detection.shares_now()
    for measure in np.unique(streams.measure[rows]):
        same = streams.measure[rows] == measure
        hours[same] = _hours(
            detection,
            MEASURES[measure],
            rate=streams.a[rows[same]] / (streams.a[rows[same]] + streams.b[rows[same]]),
            reference=(streams.a[rows[same]] + streams.b[rows[same]]),
            daily=daily[same],
            share=np.full(int(same.sum()), shares[measure, 0]),
            phi=streams.phi[rows[same]],
        )
    return tuple(
        PlanRow(
            key=streams.keys[row],
            rate=float(rate[at]),
            events_per_day=float(daily[at]),
            noticed_after_h=dict(zip(SHIFTS, map(float, hours[at]), strict=True)),
        )
        for at, row in enumerate(rows)
    )


def planning_of(detection: Detection, rows: Ints, place: StreamKey, now: int) -> Planning | None:
    """The plan of the streams that an alert tells, as if they were one; None where they have no traffic."""
    streams = detection.streams
    daily = _daily(detection, rows, now)
    if not rows.size or not daily.sum() > 0:
        return None
    a, b = float(streams.a[rows].sum()), float(streams.b[rows].sum())
    share = detection.shares_now()[MEASURES.index(place.measure), LEVELS.index(place.level)]
    hours = _hours(
        detection,
        place.measure,
        rate=np.array([a / (a + b)]),
        reference=np.array([a + b]),
        daily=np.array([daily.sum()]),
        share=np.array([share]),
        phi=np.array([float(np.average(streams.phi[rows], weights=daily))]),
    )[0]
    return told(float(daily.sum()), hours)


def _hours(
    detection: Detection,
    measure: Measure,
    *,
    rate: Floats,
    reference: Floats,
    daily: Floats,
    share: Floats,
    phi: Floats,
) -> Floats:
    """Hours to notice, [m, shifts]. The volume has as many chances a day whatever comes."""
    if measure is Measure.VOLUME:
        daily = np.full_like(daily, 24.0 * EXPOSURE_PER_HOUR)
    return hours_to_notice(
        rate,
        reference,
        daily,
        share,
        phi,
        budget_per_month=detection.policy.budget_per_month,
        weights=WEIGHTS_OF[MEASURES.index(measure)],
    )


def _rates(detection: Detection, rows: Ints) -> Floats:
    streams = detection.streams
    rate = streams.a[rows] / (streams.a[rows] + streams.b[rows])
    shown: Floats = np.where(streams.measure[rows] == _VOLUME, rate * EXPOSURE_PER_HOUR, rate)
    return shown


def _daily(detection: Detection, rows: Ints, now: int) -> Floats:
    """Events a day, of what came lately."""
    streams = detection.streams
    lately = streams.daily[rows] * np.exp((streams.seen_at[rows] - now) / DAY_US)
    known = -np.expm1((streams.began_at[rows] - now) / DAY_US)
    daily: Floats = np.divide(lately, known, out=np.zeros_like(lately), where=known > 0)
    return daily
