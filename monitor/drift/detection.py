"""All streams and groups with their evidence, a window at a time. Deterministic; no I/O, no clock.

Shares of the budget are those of docs/adr/0009: what drips into a stream's R while its share is s is s times the time. The
shares that hold for a window were set by what was known before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.drift.baseline import JEFFREYS, expected, kept, learned, prior
from monitor.drift.cells import Cells, Touched
from monitor.drift.counts import Table
from monitor.drift.detector import HARM_WEIGHTS, ODDS, WEIGHTS, drip, log_m, log_ratios, log_threshold
from monitor.drift.groups import SOME, Groups, keys_of
from monitor.drift.measures import Measure
from monitor.drift.policy import LEVEL_SHARES, MONTH_S, DriftPolicy
from monitor.drift.season import hour_of_week, offsets
from monitor.drift.streams import FREE, HELD, LEVELS, MEASURES, QUIET, Ints, StreamKey, Streams
from monitor.drift.volume import EXPOSURE_PER_HOUR, LEARNED_H
from monitor.drift.volume import PRIOR as VOLUME_PRIOR
from monitor.drift.volume import is_armed as volume_is_armed
from schemas.evidence import Direction
from schemas.windows import Window

Floats = NDArray[np.float64]

HOUR_US: Final = 3600 * 1_000_000
DAY_US: Final = 24 * HOUR_US
MONTH_US: Final = MONTH_S * 1e6
VANISHED_AFTER_US: Final = 7 * DAY_US
"""A stream without data for so long gives its share to the others, until it is back."""
FORGOTTEN_HALF_LIVES: Final = 4
"""After so many half-lives without data a stream is forgotten, and its next data are a new stream's."""
_DRIP_AT_MOST_US: Final = DAY_US
_DRIP_OF_THRESHOLD: Final = 0.125
"""What a pause drips at once: at most that of a day, and at most so much of the threshold. M may by rights grow by all of it,
but then the first event after a month of silence could be an alarm by the time alone, which tells nobody anything. Dripping
less is always allowed."""
WEIGHTS_OF: Final[Floats] = np.array([HARM_WEIGHTS if measure.is_harm else WEIGHTS for measure in MEASURES])
"""How much of a share each odds shift gets, [measures, 8]."""
_GROUP_WEIGHTS: Final = np.concatenate([WEIGHTS_OF, WEIGHTS_OF], axis=1) / 2.0
_LUMP_WINDOWS: Final = 50.0
VOLUME_LEARNS: Final = LEARNED_H / 2.0 * EXPOSURE_PER_HOUR
"""So much exposure a volume needs: it forgets a part of its first week before that is over."""
_OF_ITS_OWN: Final = frozenset({Measure.VOLUME, Measure.MIX, Measure.DEAD_LETTERS})
"""Measures of which other tenants' and models' say nothing."""
_VOLUME: Final = MEASURES.index(Measure.VOLUME)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def us(at: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def at_us(value: int) -> datetime:
    """The moment so many microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=int(value))


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


class Detection:
    """Streams, groups, and the integral of each share, [measures, levels], in months."""

    def __init__(self, policy: DriftPolicy) -> None:
        self.policy = policy
        self.streams = Streams()
        self.groups = Groups()
        self.cells = Cells()
        self.integral = np.zeros((len(MEASURES), len(LEVELS)))
        self.shares = np.zeros_like(self.integral)
        self.is_stale = True
        """The shares are to be worked out anew before the next window."""
        self.guards: dict[tuple[str, str, str, int], int] = {}
        """In the order in which they came."""
        self._fleet: dict[tuple[Measure, str | None, tuple[str, str, str, int] | None], int] = {}
        self._fleet_of = np.zeros(64, dtype=np.int64)
        self.fleet_counts = np.zeros((64, 2))
        """What is known of streams like one, in all tenants and models: k and n of each measure, category and guard."""
        self._offsets = np.zeros(0)
        self._offsets_of = -1
        self._log_a = log_threshold(policy.budget_per_month, WEIGHTS_OF)

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

    def add(self, key: StreamKey, began_at: int) -> int:
        """A new stream of a cell, which learns. Its prior is the fleet's rate of the measure and category."""
        streams = self.streams
        row = streams.add(key)
        self.place(row, key)
        streams.measure[row] = MEASURES.index(key.measure)
        streams.began_at[row] = streams.seen_at[row] = streams.reset_at[row] = began_at
        a, b = prior(*self.fleet_counts[self._fleet_of[row]])
        if key.measure in _OF_ITS_OWN:
            a, b = VOLUME_PRIOR if key.measure is Measure.VOLUME else (JEFFREYS, JEFFREYS)
        streams.a[row] = streams.a0[row] = a
        streams.b[row] = streams.b0[row] = b
        return row

    def place(self, row: int, key: StreamKey) -> None:
        """Put a stream where windows, groups and the fleet find it."""
        self.cells.put(row, key)
        self.groups.join(row, key)
        self.streams.by[row] = self.number_of(key.watched_by)
        kind = self._fleet.setdefault((key.measure, key.category, key.watched_by), len(self._fleet))
        if row >= self._fleet_of.size:
            self._fleet_of = np.concatenate([self._fleet_of, np.zeros_like(self._fleet_of)])
        if kind >= self.fleet_counts.shape[0]:
            self.fleet_counts = np.concatenate([self.fleet_counts, np.zeros_like(self.fleet_counts)])
        self._fleet_of[row] = kind

    def number_of(self, by: tuple[str, str, str, int] | None) -> int:
        """A number for a guard and calibration; -1 for whichever."""
        return -1 if by is None else self.guards.setdefault(by, len(self.guards))

    def restore(self, integral: Floats, fleet_counts: Floats) -> None:
        """Go on with these, after all streams were placed. Raises ValueError for shapes that don't fit."""
        if integral.shape != self.integral.shape or fleet_counts.shape != (self.fleet_size, 2):
            raise ValueError("shapes that don't fit")
        self.integral = integral
        self.fleet_counts[: self.fleet_size] = fleet_counts
        self.is_stale = True

    @property
    def fleet_size(self) -> int:
        """Rows of `fleet_counts` that mean something."""
        return len(self._fleet)

    def offset(self, rows: Ints, at: int) -> Floats:
        """The season's log-odds of streams at a moment."""
        return offsets(self.streams.season[rows], hour_of_week(at_us(at)))

    def season_changed(self) -> None:
        """The streams have other coefficients now."""
        self._offsets_of = -1

    def _offset_now(self, rows: Ints, at: int) -> Floats:
        """The same as `offset`, kept for the hour: most windows are of the hour of the one before."""
        hour = at // HOUR_US
        if self._offsets_of != hour or self._offsets.size < self.streams.size:
            self._offsets = offsets(self.streams.season, hour_of_week(at_us(at)))
            self._offsets_of = hour
        return self._offsets[rows]

    def reset(self, rows: Ints, now: int) -> None:
        """R of these streams is 0 again, which is always allowed: what they say from now on is new."""
        self.streams.log_r[rows] = -np.inf
        self.streams.dripped[rows] = self._dripped(rows)
        self.streams.reset_at[rows] = now

    def empty(self, groups: Ints) -> None:
        """R of these groups is 0 again."""
        table = self.groups.rows
        table.log_r[groups] = -np.inf
        table.dripped[groups] = table.emptied[groups] = self._group_dripped(groups)

    def calm(self, rows: Ints) -> None:
        """Take from the groups of these streams what evidence they have: each R becomes at most what has dripped into it, which
        is what it is on average while nothing changes. Were it 0, an incident here and there would keep all groups from their
        part of the budget: a tenant of two crosses many incidents' ways in the time that its share gives it."""
        groups, table = self.groups.overlapping(rows), self.groups.rows
        dripped = self._group_dripped(groups) - table.emptied[groups]
        most = np.minimum(dripped, self._drip_at_most[table.measure[groups]])
        with np.errstate(divide="ignore"):
            table.log_r[groups] = np.minimum(table.log_r[groups], np.log(most)[:, None])

    def shares_now(self) -> Floats:
        """The share of each row at a level, [measures, levels]."""
        if self.is_stale:
            self.share_out()
        return self.shares

    def share_out(self) -> None:
        """Work out the shares, by the streams that are armed and have data. They sum to at most 1."""
        streams, rows = self.streams, self.groups.rows
        size, group_size = streams.size, rows.size
        watched = streams.is_armed[:size] & streams.is_active[:size]
        counts = np.zeros(self.integral.shape)
        counts[:, 0] = np.bincount(streams.measure[:size][watched], minlength=len(MEASURES))
        says = self.groups.says_something(streams)
        began = np.flatnonzero(says & ~rows.is_active[:group_size])
        rows.is_active[:group_size] = says
        rows.dripped[began] = rows.emptied[began] = self._group_dripped(began)
        rows.log_r[:group_size][~says] = -np.inf
        at = rows.measure[:group_size][says].astype(np.int64) * len(LEVELS) + rows.level[:group_size][says]
        counts += np.bincount(at, minlength=counts.size).reshape(counts.shape)
        parts = np.array([self.policy.share(measure) for measure in MEASURES])
        parts = np.where(counts.any(axis=1), parts, 0.0)
        levels = np.where(counts > 0, np.array(list(LEVEL_SHARES.values())), 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = (parts / parts.sum())[:, None] * levels / levels.sum(axis=1, keepdims=True) / counts
        self.shares = np.nan_to_num(shares, nan=0.0, posinf=0.0)
        self.is_stale = False

    def retire(self, now: int) -> None:
        """Once a day: who has had no data for a week gives its share to the others."""
        streams = self.streams
        gone = np.flatnonzero(streams.is_active[: streams.size])
        gone = gone[(self._silent_us(gone, now) > VANISHED_AFTER_US) & (streams.hold[gone] == FREE)]
        armed = gone[streams.is_armed[gone]]
        streams.log_r[armed] = drip(streams.log_r[armed], self._due(armed))
        streams.is_active[gone] = False
        self.is_stale = self.is_stale or bool(gone.size)

    def _awake(self, touched: Touched) -> Touched:
        """Without the volumes that vanished, and of which still nothing comes."""
        is_volume = self.streams.measure[touched.rows] == _VOLUME
        is_asleep = is_volume & ~self.streams.is_active[touched.rows] & (touched.k == 0)
        if not is_asleep.any():
            return touched
        return Touched(touched.rows[~is_asleep], touched.k[~is_asleep], touched.n[~is_asleep])

    def _silent_us(self, rows: Ints, now: int) -> Floats:
        """For how long nothing came. A volume sees each window; of what came to it the trace falls to 1/e in a day."""
        streams = self.streams
        trace_us = -np.log(np.clip(streams.daily[rows], 1e-300, 1.0)) * DAY_US
        silent: Floats = (now - streams.seen_at[rows]) + np.where(
            streams.measure[rows] == _VOLUME, trace_us, 0.0
        )
        return silent

    def forget(self, now: int) -> None:
        """Once a day: drop the streams that have had no data for so long that next to nothing of their baselines is left, so
        that names which come and go don't fill the memory."""
        streams, old = self.streams, self.groups.rows
        longest = FORGOTTEN_HALF_LIVES * self.policy.reference_half_life_days * DAY_US
        kept_rows = np.flatnonzero(
            (self._silent_us(np.arange(streams.size), now) <= longest)
            | (streams.hold[: streams.size] != FREE)
        )
        if kept_rows.size == streams.size:
            return
        fleet = {kind: self.fleet_counts[at].copy() for kind, at in self._fleet.items()}
        guards = list(self.guards)
        streams.keep(kept_rows)
        wanted = {key for stream in streams.keys for key in keys_of(stream)}
        old.keep(np.array([row for row, key in enumerate(old.keys) if key in wanted], dtype=np.int64))
        self.groups, self.cells, self._fleet, self.guards = Groups(), Cells(), {}, {}
        for by in guards:
            self.number_of(by)
        self.groups.rows = old
        self._fleet_of = np.zeros(64, dtype=np.int64)
        self.fleet_counts = np.zeros((64, 2))
        for row, key in enumerate(streams.keys):
            self.place(row, key)
        for kind, at in self._fleet.items():
            self.fleet_counts[at] = fleet[kind]
        self._offsets_of = -1
        self.is_stale = True

    def drip_at_most(self, measure: Measure, due: float) -> float:
        """Of `due` months what may drip at once into R of one cell of `measure`."""
        at = MEASURES.index(measure)
        return float(min(due, self.shares[at, 0] * (_DRIP_AT_MOST_US / MONTH_US), self._drip_at_most[at]))

    def _dripped(self, rows: Ints) -> Floats:
        dripped: Floats = self.integral[self.streams.measure[rows], 0]
        return dripped

    def _group_dripped(self, groups: Ints) -> Floats:
        dripped: Floats = self.integral[self.groups.rows.measure[groups], self.groups.rows.level[groups]]
        return dripped

    def _due(self, rows: Ints) -> Floats:
        """Share times time since the last drip, [rows], in months."""
        measure = self.streams.measure[rows]
        most = np.minimum(
            self.shares[measure, 0] * (_DRIP_AT_MOST_US / MONTH_US), self._drip_at_most[measure]
        )
        return np.minimum(self._dripped(rows) - self.streams.dripped[rows], most)

    def _due_of_groups(self, groups: Ints) -> Floats:
        measure, level = self.groups.rows.measure[groups], self.groups.rows.level[groups]
        most = np.minimum(
            self.shares[measure, level] * (_DRIP_AT_MOST_US / MONTH_US), self._drip_at_most[measure]
        )
        return np.minimum(self._group_dripped(groups) - self.groups.rows.dripped[groups], most)

    @property
    def _drip_at_most(self) -> Floats:
        return _DRIP_OF_THRESHOLD * np.exp(self._log_a)

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
