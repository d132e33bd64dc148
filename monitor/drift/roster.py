"""Who is watched: streams and groups as they come and go, their shares of the budget, and what drips into them.

Shares are those of docs/adr/0009: what drips into a stream's R while its share is s is s times the time. The shares that hold for a
window were set by what was known before it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.drift.baseline import JEFFREYS, prior
from monitor.drift.cells import Cells
from monitor.drift.detector import HARM_WEIGHTS, WEIGHTS, drip, log_threshold
from monitor.drift.groups import Groups, keys_of
from monitor.drift.measures import Measure
from monitor.drift.moments import DAY_US, HOUR_US, MONTH_US, at_us
from monitor.drift.policy import LEVEL_SHARES, DriftPolicy
from monitor.drift.season import hour_of_week, offsets
from monitor.drift.streams import FREE, LEVELS, MEASURES, Ints, StreamKey, Streams
from monitor.drift.volume import PRIOR as VOLUME_PRIOR

Floats = NDArray[np.float64]

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
_OF_ITS_OWN: Final = frozenset({Measure.VOLUME, Measure.MIX, Measure.DEAD_LETTERS})
"""Measures of which other tenants' and models' say nothing."""
_VOLUME: Final = MEASURES.index(Measure.VOLUME)


class Roster:
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
        self.season_changed()
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
