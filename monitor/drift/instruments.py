"""Another guard, prompt or calibration: by how much its labels differ, which is no drift of the traffic.

Its streams begin anew and learn. Once they have, each rate under it is held against the same cells' rates under the one before:
a common odds ratio (Mantel and Haenszel 1959) with the interval of Robins, Breslow and Greenland (1986, Biometrics 42:311).
It is told once an instrument, however many cells and measures it labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.drift.detection import Detection
from monitor.drift.measures import RATES, Measure
from monitor.drift.moments import DAY_US
from monitor.drift.streams import MEASURES, UNKEYED, Ints, StreamKey
from schemas.evidence import Interval, Stratum

Floats = NDArray[np.float64]

_ENOUGH: Final = 5.0
"""Times the events that a stream learns from: so many are needed of all cells together."""
UNCOMPARED_AFTER_US: Final = 7 * DAY_US
"""After so long without a cell that both have labelled, it is no change of instrument but other traffic."""
_STRATA_AT_MOST: Final = 50
_Z: Final = 1.959964


class Instrument(msgspec.Struct, kw_only=True):
    """A guard and calibration that labels, by its number. It is told once there is something to hold it against, within a
    week of its beginning; the first one is not."""

    by: int
    began_at: int
    is_told: bool


@dataclass(frozen=True, slots=True)
class Jump:
    """The difference of one measure, over the cells that both have labelled. `z`: log odds ratio by its deviation. Rates
    are those at the new one's traffic."""

    measure: Measure
    by: int
    k: float
    n: float
    expected: float
    z: float
    odds_ratio: Interval
    rate_before: Interval
    rate_after: Interval
    rate_change: Interval
    strata: tuple[Stratum, ...]


def notice(instruments: list[Instrument], detection: Detection, now: int) -> None:
    """Enter the instruments that are new."""
    new = range(len(instruments), len(detection.guards))
    instruments.extend(Instrument(by=number, began_at=now, is_told=number == 0) for number in new)


def jumps_of(instrument: Instrument, detection: Detection, now: int) -> list[Jump]:
    """What changed with `instrument`, the clearest first; nothing yet while too little is known."""
    streams = detection.streams
    mine = np.flatnonzero(streams.by[: streams.size] == instrument.by)
    learn = detection.policy.learn_events
    jumps = []
    for measure in RATES:
        if measure in UNKEYED or not detection.policy.share(measure):
            continue
        rows = mine[streams.measure[mine] == MEASURES.index(measure)]
        pairs = [(row, before) for row in rows if (before := _before(detection, row)) is not None]
        if not pairs:
            continue
        new, old = np.array(pairs, dtype=np.int64).T
        seen = streams.events[new].sum()
        if seen >= _ENOUGH * learn or (seen >= learn and now - instrument.began_at >= DAY_US):
            jump = _jump(measure, instrument.by, detection, new=new, old=old)
            if jump is not None:
                jumps.append(jump)
    return sorted(jumps, key=lambda jump: (-abs(jump.z), MEASURES.index(jump.measure)))


def _before(detection: Detection, row: int) -> int | None:
    """The stream of the same cell and measure under the instrument that was seen last before; armed, so that it is known."""
    streams, key = detection.streams, detection.streams.keys[row]
    best: int | None = None
    for by in detection.guards:
        if by == key.watched_by:
            continue
        other = streams.index.get(StreamKey(key.measure, "cell", key.tenant, key.model, key.category, by))
        if other is None or not streams.is_armed[other] or streams.began_at[other] > streams.began_at[row]:
            continue
        if best is None or streams.seen_at[other] > streams.seen_at[best]:
            best = other
    return best


def _jump(measure: Measure, by: int, detection: Detection, *, new: Ints, old: Ints) -> Jump | None:
    """None where one of the two has no positives, or nothing else, so that there is no ratio."""
    streams = detection.streams
    k1, n1 = _counted(detection, new)
    k0, n0 = _counted(detection, old)
    some = (n1 > 0) & (n0 > 0)
    new, k1, n1, k0, n0 = new[some], k1[some], n1[some], k0[some], n0[some]
    total = n1 + n0
    r, s = k1 * (n0 - k0) / total, k0 * (n1 - k1) / total
    if not (r.sum() > 0 and s.sum() > 0):
        return None
    p, q = (k1 + n0 - k0) / total, (k0 + n1 - k1) / total
    log_ratio = float(np.log(r.sum() / s.sum()))
    variance = (
        (p * r).sum() / (2.0 * r.sum() ** 2)
        + (p * s + q * r).sum() / (2.0 * r.sum() * s.sum())
        + (q * s).sum() / (2.0 * s.sum() ** 2)
    )
    phi = float(np.average(np.maximum(streams.phi[new], streams.phi[old[some]]), weights=n1))
    sd = float(np.sqrt(variance * phi))
    weights = n1 / n1.sum()
    rate0, rate1 = float((weights * k0 / n0).sum()), float((weights * k1 / n1).sum())
    sd0 = float(np.sqrt((weights**2 * _variance(k0, n0)).sum() * phi))
    sd1 = float(np.sqrt((weights**2 * _variance(k1, n1)).sum() * phi))
    expected = n1 * k0 / n0
    order = np.argsort(-n1, kind="stable")[:_STRATA_AT_MOST]
    strata = []
    for at in order:
        key = streams.keys[new[at]]
        strata.append(
            Stratum(
                tenant=key.tenant or "",
                model=key.model or "",
                category=key.category or "",
                k=float(k1[at]),
                n=float(n1[at]),
                expected=float(expected[at]),
                evidence=0.0,
                is_affected=True,
            )
        )
    return Jump(
        measure=measure,
        by=by,
        k=float(k1.sum()),
        n=float(n1.sum()),
        expected=float(expected.sum()),
        z=log_ratio / sd,
        odds_ratio=Interval(*(float(np.exp(log_ratio + z * sd)) for z in (0.0, -_Z, _Z))),
        rate_before=_interval(rate0, sd0),
        rate_after=_interval(rate1, sd1),
        rate_change=Interval(
            rate1 - rate0, *(rate1 - rate0 + z * float(np.hypot(sd0, sd1)) for z in (-_Z, _Z))
        ),
        strata=tuple(strata),
    )


def _counted(detection: Detection, rows: Ints) -> tuple[Floats, Floats]:
    """What the baselines rest on, k of n, without their priors."""
    streams = detection.streams
    k = streams.a[rows] - streams.a0[rows]
    return k, k + streams.b[rows] - streams.b0[rows]


def _variance(k: Floats, n: Floats) -> Floats:
    rate = (k + 0.5) / (n + 1.0)
    spread: Floats = rate * (1.0 - rate) / n
    return spread


def _interval(rate: float, sd: float) -> Interval:
    return Interval(rate, max(0.0, rate - _Z * sd), min(1.0, rate + _Z * sd))
