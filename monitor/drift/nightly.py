"""What is done once a day, at 03:00 UTC of arrival time: seasons and over-dispersion from the hours of the last weeks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.drift.baseline import JEFFREYS, expected
from monitor.drift.counts import table_of
from monitor.drift.detection import Detection
from monitor.drift.moments import DAY_US, us
from monitor.drift.needs import SeasonNeed
from monitor.drift.season import HISTORY_WEEKS, HOURS, fit_season, hour_of_week, offsets
from monitor.drift.streams import FREE, Ints
from monitor.drift.tempering import phi_of
from schemas.windows import Window

Floats = NDArray[np.float64]

YOUNG_US: Final = 14 * DAY_US
"""With less than two weeks of hours a stream can't know its week."""
AT_US: Final = 3 * DAY_US // 24
_PERSISTS_H: Final = 5.0
"""For so long the season's error stays the same: of harmonics of up to six a day. Chosen by simulation among 4 to 12: with 12
fleets of 20 cells had half of the false alarms promised, with 4 as many, and single fleets twice as many (benchmarks/drift)."""
STREAMS_AT_MOST: Final = 4000
"""So many streams, those with the most traffic, have a season of their own: what is rarer can't show one in four weeks."""


def is_due(done_at: int, now: int) -> bool:
    """Whether 03:00 has come since it was `done_at`, microseconds since 1970 (-1: never, and not due yet)."""
    return done_at >= 0 and (now - AT_US) // DAY_US > (done_at - AT_US) // DAY_US


def need_at(now: datetime) -> SeasonNeed:
    """The hours of the last weeks."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    return SeasonNeed(hour - timedelta(weeks=HISTORY_WEEKS), hour)


def fit(detection: Detection, windows: Sequence[Window]) -> None:
    """Fit the season and phi of the streams that are watched, or soon will be, from `windows`, an hour wide, oldest first. The level moves with the
    season, so that over these hours as much is expected as before.

    Of a stream that an incident holds or quietens the hours since the change are left out, so that its season is known when
    it is over, unless it had seen less than two weeks before: what it was held against may be no more than the hours that
    it had not seen. Then all hours are in, and its level is theirs. What it counted since the change is counted again.
    """
    streams = detection.streams
    rows = detection.seasonal()
    if not windows or not rows.size:
        return
    if rows.size > STREAMS_AT_MOST:
        busiest = np.argsort(-streams.daily[rows], kind="stable")[:STREAMS_AT_MOST]
        rows = np.sort(rows[busiest])
    k, n = _counts(detection, windows, rows)
    begins = np.array([us(window.begins_at) for window in windows], dtype=np.int64)
    hours = np.array([hour_of_week(window.begins_at) for window in windows], dtype=np.int64)
    is_held = streams.hold[rows] != FREE
    is_young = is_held & (streams.learned_to[rows] - streams.began_at[rows] < YOUNG_US)
    since = begins[None, :] >= streams.learned_to[rows][:, None]
    used = np.where(is_young[:, None] | ~since, 1.0, 0.0)
    before = _table(streams.season[rows])[:, hours]
    a, b = streams.a[rows], streams.b[rows]
    phi, tenants = streams.phi[rows], _tenants(detection, rows)
    # Clumps look like a season until it is known that there are clumps, so that is measured first.
    rough = _table(fit_season(k * used, n * used, hours, phi=phi, group=tenants))[:, hours]
    phi = np.maximum(phi, phi_of(k * used, n * used, expected(a[:, None], b[:, None], rough)))
    fitted = fit_season(k * used, n * used, hours, phi=phi, group=tenants)
    after = _table(fitted)[:, hours]
    usual = (n * used * expected(a[:, None], b[:, None], before)).sum(axis=1)
    wanted = np.where(is_young, (k * used).sum(axis=1) + JEFFREYS, usual)
    odds = _level(n * used, after, wanted, a / b)
    total = np.where(is_young, np.maximum(a + b, (n * used).sum(axis=1)), a + b)
    streams.a[rows] = total * odds / (1.0 + odds)
    streams.b[rows] = total / (1.0 + odds)
    streams.season[rows] = fitted
    p = expected(streams.a[rows][:, None], streams.b[rows][:, None], after)
    seen_h = np.maximum((n * used > 0).sum(axis=1), 1)
    streams.phi[rows] = phi_of(k * used, n * used, p) * (1.0 + _season_error(fitted, seen_h))
    held = rows[is_held]
    for column, counted in ((streams.k_held, k), (streams.n_held, n), (streams.e_held, n * p)):
        column[held] = (counted * since).sum(axis=1)[is_held]
    detection.season_changed()


def _season_error(fitted: NDArray[np.float32], seen_h: Ints) -> Floats:
    """By how much the season's own error adds to the variance of some hours' positives, as a part of it, [S].

    A coefficient that is kept has the error of one in the information of all hours that were seen, and the error of all of
    them stays the same for some hours: kept * _PERSISTS_H / hours, whatever the traffic.
    """
    kept: Floats = (fitted[:, 1:] != 0.0).sum(axis=1) * _PERSISTS_H / seen_h
    return kept


def _counts(detection: Detection, windows: Sequence[Window], rows: Ints) -> tuple[Floats, Floats]:
    """`k` of `n` of `rows`, [S, W]."""
    at = np.full(detection.streams.size, -1, dtype=np.int64)
    at[rows] = np.arange(rows.size)
    k, n = np.zeros((rows.size, len(windows))), np.zeros((rows.size, len(windows)))
    for hour, window in enumerate(windows):
        touched = detection.cells.touched(table_of(window), window, detection.policy)
        position = at[touched.rows]
        wanted = position >= 0
        k[position[wanted], hour] = touched.k[wanted]
        n[position[wanted], hour] = touched.n[wanted]
        is_before = us(window.ends_at) <= detection.streams.began_at[rows]
        k[is_before, hour], n[is_before, hour] = 0.0, 0.0
    return k, n


def _table(season: NDArray[np.float32]) -> Floats:
    """The offsets of all hours of the week, [S, 168]."""
    return np.stack([offsets(season, hour) for hour in range(HOURS)], axis=1)


def _tenants(detection: Detection, rows: Ints) -> Ints:
    """A number for each measure of a tenant: its users keep the same hours."""
    numbers: dict[tuple[str, str | None], int] = {}
    keys = (detection.streams.keys[row] for row in rows)
    return np.array(
        [numbers.setdefault((key.measure.value, key.tenant), len(numbers)) for key in keys], dtype=np.int64
    )


def _level(n: Floats, offset: Floats, wanted: Floats, odds: Floats) -> Floats:
    """The odds at offset 0, [S], at which `wanted` [S] are expected of `n` [S, W] at `offset` [S, W]; from `odds` on. A stream
    without data keeps its."""
    level = np.log(odds)
    for _ in range(20):
        lifted = np.exp(level[:, None] + offset)
        p = lifted / (1.0 + lifted)
        slope = (n * p * (1.0 - p)).sum(axis=1)
        miss = wanted - (n * p).sum(axis=1)
        step = np.divide(miss, slope, out=np.zeros_like(miss), where=slope > 0)
        level += np.clip(step, -1.0, 1.0)
    new: Floats = np.exp(level)
    return np.where(n.sum(axis=1) > 0, new, odds)
