"""How often what an alert says of a shift is true: its intervals, at the moment of the alarm.

A cell with a baseline learned from `reference` events sees `calm` more without a change, and then its odds are shifted until
the kernel of `monitor/drift/detector.py` crosses. Counted is how often the odds ratio, the change of the rate and the change
time lie within what `explain` says, and how much too large the segment that fits best is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.drift.detector import WEIGHTS, drip, log_m, log_ratios
from monitor.drift.explanation import Explanation, Series, explain
from monitor.drift.needs import Scope

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RATES: Final = (0.2, 0.05, 0.01, 0.001)
REFERENCES: Final = (2_000, 20_000)
ODDS: Final = (1.3, 1.5, 2.0, 3.0, 5.0, 0.5)
_WINDOW: Final = {0.2: 1, 0.05: 4, 0.01: 20, 0.001: 200}
_INTERVAL: Final = {0.2: 12_500, 0.05: 42_000, 0.01: 200_000, 0.001: 1_000_000}
"""Events in a window, and between false alarms: what one to five months of a cell's share come to."""
_CALM: Final = 600
_MOST_WINDOWS: Final = 2_400
_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class EffectRow:
    """One combination. Coverages are shares of `alarms`, of `runs`; `late` runs saw no alarm in time, the rest a false one.

    `estimate` and `best_segment` are the geometric mean of the odds ratio over the true one, as powers toward the shift: 1 is
    right, 1.3 is 30 % too large. `set_events`: the median number of events in the change time's set.
    """

    rate: float
    reference: int
    odds: float
    runs: int
    alarms: int
    late: int
    odds_ratio: float
    rate_change: float
    change_time: float
    estimate: float
    best_segment: float
    set_events: float


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """Independent runs of one combination: the counts so far [windows, runs], the baseline's and the detector's state."""

    k: Ints
    a: Floats
    b: Floats
    log_r: Floats


def coverage(
    *, short: bool, seed: int, runs: int | None = None, rates: Sequence[float] = RATES
) -> list[EffectRow]:
    """All combinations; the short version has every second of the odds, and fewer `runs`: 40 instead of 300."""
    runs = runs or (40 if short else 300)
    rows: list[EffectRow] = []
    for rate in rates:
        for reference in REFERENCES:
            rng = np.random.default_rng([seed, int(rate * 1e4), reference])
            seen = rng.binomial(reference, rate, runs)
            start_a, start_b = seen + 0.5, reference - seen + 0.5
            calm, crossed = _go_on(
                _Cells(np.zeros((0, runs), np.int64), start_a, start_b, np.full((runs, 8), -np.inf)),
                rate,
                _CALM,
                rng=rng,
                window=_WINDOW[rate],
                interval=_INTERVAL[rate],
            )
            quiet = crossed < 0
            calm = _Cells(calm.k[:, quiet], calm.a[quiet], calm.b[quiet], calm.log_r[quiet])
            start = (start_a[quiet], start_b[quiet])
            rows += [
                _row(calm, start, rate=rate, reference=reference, odds=odds, runs=runs, rng=rng)
                for odds in (ODDS[::2] if short else ODDS)
            ]
    return rows


def _go_on(
    cells: _Cells, rate: float, windows: int, *, rng: np.random.Generator, window: int, interval: float
) -> tuple[_Cells, Ints]:
    """The cells after `windows` more at `rate`, and the window in which each crossed first, -1 for none, [runs]."""
    runs = cells.a.size
    a, b, log_r = cells.a.copy(), cells.b.copy(), cells.log_r.copy()
    crossed = np.full(runs, -1)
    counts = rng.binomial(window, rate, (windows, runs))
    n = np.full(runs, float(window))
    for place in range(windows):
        k = counts[place].astype(np.float64)
        ratios = log_ratios(k, n, a=a, b=b, offset=np.zeros(runs), phi=np.ones(runs))
        log_r = drip(log_r, np.full(runs, window / interval)) + ratios
        a += k
        b += n - k
        over = (log_m(log_r, WEIGHTS) >= 0.0) & (crossed < 0)
        crossed[over] = place
        if np.all(crossed >= 0):
            break
    return _Cells(np.concatenate((cells.k, counts)), a, b, log_r), crossed


def _row(
    calm: _Cells,
    start: tuple[Floats, Floats],
    *,
    rate: float,
    reference: int,
    odds: float,
    runs: int,
    rng: np.random.Generator,
) -> EffectRow:
    shifted = odds * rate / (1.0 - rate + odds * rate)
    window = _WINDOW[rate]
    after, crossed = _go_on(
        calm, shifted, _MOST_WINDOWS - _CALM, rng=rng, window=window, interval=_INTERVAL[rate]
    )
    alarms = np.flatnonzero(crossed >= 0)
    hits = np.zeros((alarms.size, 3), dtype=np.bool_)
    sizes = np.zeros((alarms.size, 3))
    for place, run in enumerate(alarms):
        k = after.k[: _CALM + crossed[run] + 1, run].astype(np.float64)
        series = one_cell(k, window, start[0][run], start[1][run])
        told = explain(series)
        hits[place] = _within(told, odds, shifted - rate)
        toward = np.sign(np.log(odds))
        sizes[place] = (
            toward * np.log(told.odds_ratio.value / odds),
            toward * np.log(best_segment(k, window, start[0][run] / (start[0][run] + start[1][run])) / odds),
            (told.changed_until - told.changed_from).total_seconds() * window,
        )
    shares = hits.mean(axis=0) if alarms.size else np.full(3, np.nan)
    middle = sizes.mean(axis=0) if alarms.size else np.full(3, np.nan)
    return EffectRow(
        rate=rate,
        reference=reference,
        odds=odds,
        runs=runs,
        alarms=alarms.size,
        late=int(np.sum(crossed < 0)),
        odds_ratio=float(shares[0]),
        rate_change=float(shares[1]),
        change_time=float(shares[2]),
        estimate=float(np.exp(middle[0])),
        best_segment=float(np.exp(middle[1])),
        set_events=float(np.median(sizes[:, 2])) if alarms.size else float("nan"),
    )


def one_cell(k: Floats, window: int, a: float, b: float) -> Series:
    """A cell's windows of `window` events, a second long each."""
    begins_at = np.arange(k.size) * _SECOND
    return Series(
        begins_at=begins_at,
        ends_at=begins_at + _SECOND,
        k=k[:, None],
        n=np.full((k.size, 1), float(window)),
        offset=np.zeros((k.size, 1)),
        a=np.array([a]),
        b=np.array([b]),
        phi=np.ones(1),
        cells=(Scope("tenant", "model", "category"),),
    )


def _within(told: Explanation, odds: float, change: float) -> tuple[bool, bool, bool]:
    return (
        told.odds_ratio.low <= odds <= told.odds_ratio.high,
        told.rate_change.low <= change <= told.rate_change.high,
        told.changed_from.timestamp() <= _CALM <= told.changed_until.timestamp(),
    )


def best_segment(k: Floats, window: int, rate: float) -> float:
    """The odds ratio in the segment up to now that has the largest likelihood ratio: what is told where nobody thinks of it. With
    half a count on either side."""
    positives = np.cumsum(k[::-1])
    events = window * np.arange(1, k.size + 1)
    share = (positives + 0.5) / (events + 1.0)
    gain = positives * np.log(share / rate) + (events - positives) * np.log((1.0 - share) / (1.0 - rate))
    best = share[int(np.argmax(gain))]
    return float(best / (1.0 - best) * (1.0 - rate) / rate)


def table(rows: list[EffectRow]) -> str:
    """The rows for people, and the means that are held to the gates."""
    lines = [
        "   p0     ref  odds  alarms/runs  odds ratio  rate change  change time  estimate  best segment  set, events"
    ]
    lines += [
        f"{row.rate:5}  {row.reference:6}  x{row.odds:<4} {row.alarms:5}/{row.runs:<5}  {row.odds_ratio:10.3f}  "
        f"{row.rate_change:11.3f}  {row.change_time:11.3f}  {row.estimate:8.2f}  {row.best_segment:12.2f}  {row.set_events:11.0f}"
        for row in rows
    ]
    means = [
        np.nanmean([getattr(row, name) for row in rows])
        for name in ("odds_ratio", "rate_change", "change_time")
    ]
    lines.append(f"mean of the combinations: {means[0]:.3f} {means[1]:.3f} {means[2]:.3f}")
    return "\n".join(lines)
