"""All streams and groups with their evidence, a window at a time. Deterministic; no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.drift.baseline import expected, kept, learned
from monitor.drift.cells import Touched
from monitor.drift.counts import Table
from monitor.drift.detector import ODDS, drip, log_m, log_ratios, log_threshold
from monitor.drift.groups import SOME
from monitor.drift.measures import Measure
from monitor.drift.moments import DAY_US, HOUR_US, MONTH_US, us
from monitor.drift.roster import WEIGHTS_OF, Roster
from monitor.drift.streams import FREE, HELD, MEASURES, QUIET, Ints, StreamKey
from monitor.drift.volume import EXPOSURE_PER_HOUR, LEARNED_H
from monitor.drift.volume import is_armed as volume_is_armed
from schemas.evidence import Direction
from schemas.windows import Window

Floats = NDArray[np.float64]

_GROUP_WEIGHTS: Final = np.concatenate([WEIGHTS_OF, WEIGHTS_OF], axis=1) / 2.0
_LUMP_WINDOWS: Final = 50.0
VOLUME_LEARNS: Final = LEARNED_H / 2.0 * EXPOSURE_PER_HOUR
"""So much exposure a volume needs: it forgets a part of its first week before that is over."""
_VOLUME: Final = MEASURES.index(Measure.VOLUME)


@dataclass(frozen=True, slots=True)
class Crossing:
    """A stream or group whose M reached the threshold in a window. `ratio`: M / A, at least 1."""

    key: StreamKey
    direction: Direction
    ratio: float


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a window did: its counts by stream, the log-odds `offset` of the season there, and who crossed."""

    touched: Touched
    offset: Floats
    crossings: tuple[Crossing, ...]


class Detection(Roster):
    """What a window says of all that is watched."""

    def take(self, table: Table, window: Window, elapsed_us: int) -> Seen:
        """Count a window, `elapsed_us` after the end of the last one. R of those that cross stays, until `reset`."""
        begins, now = us(window.begins_at), us(window.ends_at)
        if self.is_stale:
            self.share_out()
        self.integral += self.shares * (elapsed_us / MONTH_US)
        for key in self.cells.missing(table, window, self.policy):
            self.add(key, begins)
        touched = self._awake(self.cells.touched(table, window, self.policy))
        self._decay(touched.rows, now)
        self._lapse(touched.rows)
        offset = self._offset_now(touched.rows, (begins + now) // 2)
        crossings = self._judge(touched, offset)
        self._learn(touched, offset, now)
        return Seen(touched, offset, crossings)

    def _awake(self, touched: Touched) -> Touched:
        """Without the volumes that vanished, and of which still nothing comes."""
        is_volume = self.streams.measure[touched.rows] == _VOLUME
        is_asleep = is_volume & ~self.streams.is_active[touched.rows] & (touched.k == 0)
        if not is_asleep.any():
            return touched
        return Touched(touched.rows[~is_asleep], touched.k[~is_asleep], touched.n[~is_asleep])

    def _decay(self, rows: Ints, now: int) -> None:
        """Forget what was learned before the window, as far as it is long ago. Who is held stays as it is."""
        streams = self.streams
        rows = rows[streams.hold[rows] == FREE]
        part = kept(now - streams.seen_at[rows], self.policy.reference_half_life_days)
        streams.a[rows] = streams.a0[rows] + (streams.a[rows] - streams.a0[rows]) * part
        streams.b[rows] = streams.b0[rows] + (streams.b[rows] - streams.b0[rows]) * part

    def _lapse(self, rows: Ints) -> None:
        """A stream that has forgotten half of what it learned from, after a long pause, learns anew."""
        streams = self.streams
        rows = rows[streams.is_armed[rows] & (streams.hold[rows] == FREE)]
        lapsed = rows[self._known(rows) < 0.5]
        if lapsed.size:
            streams.is_armed[lapsed] = False
            streams.log_r[lapsed] = -np.inf
            self.is_stale = True

    def seasonal(self) -> Ints:
        """The streams whose season can be fitted: those that are watched, and those that know enough and are too young yet."""
        streams = self.streams
        rows = np.arange(streams.size)
        is_armed = streams.is_armed[rows]
        wanted: Ints = np.flatnonzero(np.where(is_armed, streams.is_active[rows], self._known(rows) >= 1.0))
        return wanted

    def _known(self, rows: Ints) -> Floats:
        """What streams know of themselves, 1 for enough to be watched."""
        streams = self.streams
        events = streams.a[rows] - streams.a0[rows] + streams.b[rows] - streams.b0[rows]
        needed = np.where(streams.measure[rows] == _VOLUME, VOLUME_LEARNS, self.policy.learn_events)
        known: Floats = events / needed
        return known

    def _judge(self, touched: Touched, offset: Floats) -> tuple[Crossing, ...]:
        streams = self.streams
        watched = streams.is_armed[touched.rows] & (streams.hold[touched.rows] < HELD)
        rows = touched.rows[watched]
        back = rows[~streams.is_active[rows]]
        if back.size:
            streams.is_active[back] = True
            streams.dripped[back] = self._dripped(back)
            self.is_stale = True
        if not rows.size:
            return ()
        # Who is quiet doesn't learn for good. Held against a baseline that stands still its R would take that one's error
        # for evidence, more with each event.
        quiet = np.where(streams.hold[rows] == QUIET, 1.0, 0.0)
        log_l = log_ratios(
            touched.k[watched],
            touched.n[watched],
            a=(streams.a[rows] + quiet * streams.k_held[rows]) / streams.phi[rows],
            b=(streams.b[rows] + quiet * (streams.n_held[rows] - streams.k_held[rows])) / streams.phi[rows],
            offset=offset[watched],
            phi=streams.phi[rows],
        )
        measure = streams.measure[rows]
        before = drip(streams.log_r[rows], self._due(rows))
        after = before + log_l
        streams.log_r[rows] = after
        streams.dripped[rows] = self._dripped(rows)
        p = expected(streams.a[rows], streams.b[rows], offset[watched])
        variance = touched.n[watched] / streams.phi[rows] * p * (1.0 - p)
        streams.lump[rows] = lump = _usual(streams.lump[rows], variance)
        log_a = log_threshold(self.policy.budget_per_month, WEIGHTS_OF[measure], lump)
        crossings = _crossed(
            streams.keys, rows, before, after=after, weights=WEIGHTS_OF[measure], log_a=log_a
        )
        is_free = streams.hold[rows] == FREE
        return crossings + self._judge_groups(rows[is_free], log_l[is_free], variance[is_free])

    def _judge_groups(self, rows: Ints, log_l: Floats, variance: Floats) -> tuple[Crossing, ...]:
        """The groups of streams that had data, by their log L."""
        groups, group_l, summed = self.groups.log_ratios(rows, log_l, variance)
        if not groups.size:
            return ()
        table = self.groups.rows
        measure = table.measure[groups]
        before = drip(table.log_r[groups], self._due_of_groups(groups))
        after = before + group_l
        table.log_r[groups] = after
        table.dripped[groups] = self._group_dripped(groups)
        table.lump[groups] = lump = _usual(table.lump[groups], summed)
        # Half its weight is on "all shifted", half on "a quarter did", which moves M by about a quarter in each window.
        whole = log_threshold(self.policy.budget_per_month, WEIGHTS_OF[measure], lump)
        some = log_threshold(self.policy.budget_per_month, WEIGHTS_OF[measure], lump * SOME**2)
        log_a = np.logaddexp(whole, some) - np.log(2.0)
        weights = _GROUP_WEIGHTS[measure]
        return _crossed(table.keys, groups, before, after=after, weights=weights, log_a=log_a)

    def _learn(self, touched: Touched, offset: Floats, now: int) -> None:
        streams = self.streams
        rows = touched.rows
        is_volume = streams.measure[rows] == _VOLUME
        events = np.where(is_volume, touched.k, touched.n)
        streams.events[rows] += events
        streams.daily[rows] *= np.exp((streams.seen_at[rows] - now) / DAY_US)
        streams.daily[rows] += events
        streams.seen_at[rows] = now
        p = expected(streams.a[rows], streams.b[rows], offset)
        free = streams.hold[rows] == FREE
        held = rows[~free]
        streams.k_held[held] += touched.k[~free]
        streams.n_held[held] += touched.n[~free]
        streams.e_held[held] += touched.n[~free] * p[~free]
        rows = rows[free]
        positive, negative = learned(
            touched.k[free], touched.n[free], a=streams.a[rows], b=streams.b[rows], offset=offset[free]
        )
        streams.a[rows] = np.maximum(streams.a[rows] + positive, streams.a0[rows])
        streams.b[rows] = np.maximum(streams.b[rows] + negative, streams.b0[rows])
        kinds = self._fleet_of[touched.rows]
        self.fleet_counts[:, 0] += np.bincount(kinds, touched.k, minlength=self.fleet_counts.shape[0])
        self.fleet_counts[:, 1] += np.bincount(kinds, touched.n, minlength=self.fleet_counts.shape[0])
        ready = ~streams.is_armed[rows] & (self._known(rows) >= 1.0)
        seen_h = (now - streams.began_at[rows]) / HOUR_US
        ready &= seen_h >= 24.0 * self.policy.learn_days
        ready &= ~is_volume[free] | volume_is_armed(streams.b[rows], seen_h)
        armed = rows[ready]
        if armed.size:
            streams.is_armed[armed] = True
            streams.is_active[armed] = True
            streams.dripped[armed] = self._dripped(armed)
            self.is_stale = True


def _crossed(
    keys: list[StreamKey],
    rows: Ints,
    before: Floats,
    *,
    after: Floats,
    weights: Floats,
    log_a: Floats,
) -> tuple[Crossing, ...]:
    """Who is at the threshold, and higher than before the window's counts: time alone is no evidence."""
    total = log_m(after, weights)
    found = np.flatnonzero(total >= log_a)
    found = found[total[found] > log_m(before[found], weights[found])]
    half = ODDS.size // 2
    crossings = []
    for at in found:
        parts = (np.exp(after[at] - after[at].max()) * weights[at]).reshape(-1, ODDS.size).sum(axis=0)
        direction: Direction = "up" if parts[:half].sum() >= parts[half:].sum() else "down"
        ratio = float(np.exp(min(total[at] - log_a[at], 700.0)))
        crossings.append(Crossing(keys[rows[at]], direction, ratio))
    return tuple(crossings)


def _usual(before: Floats, now: Floats) -> Floats:
    """An average over some fifty windows, which the first begins."""
    usual: Floats = np.where(before > 0.0, before + (now - before) / _LUMP_WINDOWS, now)
    return usual
