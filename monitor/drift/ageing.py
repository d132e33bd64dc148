"""How an incident goes on from window to window: whether it is over, or went further."""

from __future__ import annotations

from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.drift.baseline import expected
from monitor.drift.detection import Detection, Seen
from monitor.drift.detector import ODDS, drip, log_m, log_ratios, log_threshold
from monitor.drift.holding import main_rows
from monitor.drift.incidents import BACK_PER_MONTH, NOTHING, Incident, estimate, log_back_ratio
from monitor.drift.kinds import severity_of
from monitor.drift.measures import MEASURE_OF
from monitor.drift.moments import DAY_US, MONTH_US
from monitor.drift.roster import WEIGHTS_OF
from monitor.drift.streams import MEASURES, Ints
from schemas.alerts import Severity

Floats = NDArray[np.float64]

SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "critical")
_SURE_SDS: Final = 2.0
"""Back means nearer to the baseline than the level's estimate less so many of its deviations, and further beyond it by so many:
held against the estimate itself, a level that was estimated too high would soon seem to be back."""

Course = Literal["on", "further", "over", "silent"]


def age(incident: Incident, detection: Detection, seen: Seen, now: int) -> Course:
    """What a window that ends at `now` says of an incident; `silent`: nothing, for its streams had no data."""
    rows, at, _ = np.intersect1d(
        seen.touched.rows, main_rows(incident, detection), assume_unique=True, return_indices=True
    )
    k, n, offset = seen.touched.k[at], seen.touched.n[at], seen.offset[at]
    if not n.sum() > 0:
        return "silent"
    elapsed = min(now - incident.data_at, DAY_US)
    incident.data_at = now
    if not incident.is_settled:
        if now - incident.opened_at < detection.policy.dwell_s * 1e6:
            return "on"
        return "on" if _settle(incident, detection) else "over"
    if _is_back(incident, detection, rows, k=k, n=n, offset=offset, elapsed=elapsed):
        return "over"
    if _went_further(incident, detection, rows, k=k, n=n, offset=offset):
        _go_further(incident, detection, now)
        return "further"
    return "on"


def look_again(incident: Incident, detection: Detection) -> bool:
    """Whether it is still a shift, after the seasons were fitted anew: False where by now it is less than chance makes."""
    if not _settle(incident, detection):
        return False
    incident.log_back = -np.inf
    incident.log_further = [-np.inf] * ODDS.size
    return abs(incident.shift) >= _SURE_SDS * incident.shift_sd


def _settle(incident: Incident, detection: Detection) -> bool:
    """Estimate the level once more. False where there turns out to be no shift, or one the other way."""
    streams, rows = detection.streams, main_rows(incident, detection)
    n, k = streams.n_held[rows] / streams.phi[rows], streams.k_held[rows] / streams.phi[rows]
    p = np.clip(streams.e_held[rows] / np.maximum(streams.n_held[rows], 1e-300), 1e-15, 1.0 - 1e-15)
    was_rise = incident.is_rise
    incident.shift, incident.shift_sd = estimate(k, n, p, incident.shift)
    incident.is_settled = True
    return incident.is_rise == was_rise and abs(incident.shift) >= NOTHING


def _is_back(
    incident: Incident,
    detection: Detection,
    rows: Ints,
    *,
    k: Floats,
    n: Floats,
    offset: Floats,
    elapsed: int,
) -> bool:
    streams = detection.streams
    p = expected(streams.a[rows], streams.b[rows], offset)
    phi = streams.phi[rows]
    size = abs(incident.shift)
    nearest = np.copysign(size - min(_SURE_SDS * incident.shift_sd, size / 2.0), incident.shift)
    dripped = float(np.logaddexp(incident.log_back, np.log(elapsed / MONTH_US)))
    incident.log_back = dripped + log_back_ratio(k / phi, n / phi, p, float(nearest))
    return incident.log_back >= -np.log(BACK_PER_MONTH) and incident.log_back > dripped


def _went_further(
    incident: Incident, detection: Detection, rows: Ints, *, k: Floats, n: Floats, offset: Floats
) -> bool:
    """Whether it shifted further the same way. Its drip is the share that its measure's cell had."""
    streams = detection.streams
    measure = MEASURE_OF[incident.alert.place["measure"]]
    weights = np.where((ODDS > 1.0) == incident.is_rise, WEIGHTS_OF[MEASURES.index(measure)], 0.0)
    weights /= weights.sum()
    beyond = incident.shift + np.copysign(_SURE_SDS * incident.shift_sd, incident.shift)
    phi = streams.phi[rows]
    log_l = log_ratios(
        k, n, a=streams.a[rows] / phi, b=streams.b[rows] / phi, offset=offset + beyond, phi=phi
    ).sum(axis=0)
    integral = float(detection.integral[MEASURES.index(measure), 0])
    due = detection.drip_at_most(measure, integral - incident.further_dripped)
    before = drip(np.array([incident.log_further]), np.array([due]))
    after = before + log_l
    incident.log_further = after[0].tolist()
    incident.further_dripped = integral
    total = log_m(after, weights)[0]
    log_a = log_threshold(detection.policy.budget_per_month, weights)
    return bool(total >= log_a and total > log_m(before, weights)[0])


def _go_further(incident: Incident, detection: Detection, now: int) -> None:
    """One level more. How far it went is estimated after another dwell, from what comes from now on."""
    measure, evidence = MEASURE_OF[incident.alert.place["measure"]], incident.alert.drift
    if evidence is not None:
        level = evidence.level + 1
        severity = severity_of(measure, is_rise=incident.is_rise, level=level)
        incident.alert = msgspec.structs.replace(
            incident.alert,
            severity=max(severity, incident.alert.severity, key=SEVERITIES.index),
            drift=msgspec.structs.replace(evidence, level=level),
        )
    streams, rows = detection.streams, main_rows(incident, detection)
    streams.k_held[rows] = streams.n_held[rows] = streams.e_held[rows] = 0.0
    incident.is_settled = False
    incident.opened_at = now
    incident.log_back = -np.inf
    incident.log_further = [-np.inf] * ODDS.size
