"""Groups of cells that are watched as a whole: broad shifts show there before any one cell tells them.

A group's likelihood ratio for one odds shift r is the product of its members': each against its own baseline, so that the
mix of the members doesn't matter. Half of its weight is on "all members shifted", the product of L; half on "each member
with probability 1/4", the product of 3/4 + L / 4, which loses less to the members that did not. Both have expectation 1
while nothing changes, whatever was before, so that both obey the bound of monitor/drift/detector.py.

Only a group that says something else than a smaller one has a share of the budget: one of at least two members, a tenant
with two models, a model of two tenants, and all where there are two of both.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.drift.detector import ODDS
from monitor.drift.measures import Measure
from monitor.drift.policy import Level
from monitor.drift.streams import LEVELS, MEASURES, GroupRows, Ints, StreamKey, Streams

Floats = NDArray[np.float64]

SOME: Final = 0.25
"""With what probability each member shifted, in the second half."""
GROUP_LEVELS: Final = LEVELS[1:]


def levels_of(measure: Measure) -> tuple[Level, ...]:
    """At which levels cells of `measure` are grouped.

    Categories' shares of one model's traffic are parts of one whole: what one gains another loses, so that only the same
    category of several models can shift as one.
    """
    if measure.grain == "topic":
        return ()
    if measure is Measure.MIX:
        return ("category",)
    return ("tenant", "model", "all") if measure.grain == "model" else GROUP_LEVELS


def keys_of(key: StreamKey) -> tuple[StreamKey | None, ...]:
    """The groups that a cell's stream is a member of, one a level of GROUP_LEVELS; None where there is none."""
    by = key.watched_by
    measure, tenant, model, category = key.measure, key.tenant, key.model, key.category
    groups = {
        "tenant_model": StreamKey(measure, "tenant_model", tenant, model, None, by),
        "tenant": StreamKey(measure, "tenant", tenant, None, None, by),
        "model": StreamKey(measure, "model", None, model, None, by),
        "category": StreamKey(measure, "category", None, None, category, by),
        "all": StreamKey(measure, "all", None, None, None, by),
    }
    levels = levels_of(measure)
    return tuple(groups[level] if level in levels else None for level in GROUP_LEVELS)


class Groups:
    """The groups with their rows, and which stream is a member of which. Follows from the streams' keys alone, but for R."""

    def __init__(self) -> None:
        self.rows = GroupRows()
        self.of = np.full((64, len(GROUP_LEVELS)), -1, dtype=np.int64)
        """Row of the group at each level, [streams, levels]; -1: none."""
        self._tenant = np.zeros(64, dtype=np.int64)
        self._model = np.zeros(64, dtype=np.int64)
        self._numbers: dict[str | None, int] = {}

    def join(self, row: int, key: StreamKey) -> None:
        """Make stream `row` a member of its groups. Those that are new have no share yet."""
        if row >= self.of.shape[0]:
            more = self.of.shape[0]
            self.of = np.concatenate([self.of, np.full((more, len(GROUP_LEVELS)), -1, dtype=np.int64)])
            self._tenant = np.concatenate([self._tenant, np.zeros(more, dtype=np.int64)])
            self._model = np.concatenate([self._model, np.zeros(more, dtype=np.int64)])
        self._tenant[row] = self._numbers.setdefault(key.tenant, len(self._numbers))
        self._model[row] = self._numbers.setdefault(key.model, len(self._numbers))
        for level, group_key in enumerate(keys_of(key)):
            if group_key is None:
                continue
            group = self.rows.index.get(group_key)
            if group is None:
                group = self.rows.add(group_key)
                self.rows.measure[group] = MEASURES.index(key.measure)
                self.rows.level[group] = level + 1
            self.of[row, level] = group

    def members(self, group: int, size: int) -> Ints:
        """The streams of a group, among the first `size`."""
        return np.flatnonzero(self.of[:size, self.rows.level[group] - 1] == group)

    def overlapping(self, streams: Ints) -> Ints:
        """The groups that any of these streams is a member of, ascending."""
        found: Ints = np.unique(self.of[streams])
        return found[found >= 0]

    def says_something(self, streams: Streams) -> NDArray[np.bool_]:
        """Which groups should have a share, [groups], by the streams that are watched now."""
        watched = np.flatnonzero((streams.is_armed & streams.is_active)[: streams.size])
        size = self.rows.size
        tenants = np.zeros(size, dtype=np.int64)
        models = np.zeros(size, dtype=np.int64)
        members = np.zeros(size, dtype=np.int64)
        if not watched.size:
            return members > 0
        for level in range(len(GROUP_LEVELS)):
            groups = self.of[watched, level]
            inside = groups >= 0
            groups, rows = groups[inside], watched[inside]
            members += np.bincount(groups, minlength=size)
            tenants += _distinct(groups, self._tenant[rows], size)
            models += _distinct(groups, self._model[rows], size)
        level_of = np.array([LEVELS[level] for level in self.rows.level[:size]])
        enough = members >= 2
        enough &= (level_of != "tenant") | (models >= 2)
        enough &= (level_of != "model") | (tenants >= 2)
        enough &= (level_of != "all") | ((models >= 2) & (tenants >= 2))
        return enough

    def log_ratios(self, streams: Ints, log_l: Floats, variance: Floats) -> tuple[Ints, Floats, Floats]:
        """The groups of `streams` that have a share, ascending; their log L, [groups, 16], of the members' `log_l`, [streams, 8];
        and the sums of the members' `variance`, [streams]."""
        groups = self.of[streams]
        positions, levels = np.nonzero((groups >= 0) & self.rows.is_active[groups])
        if not positions.size:
            return np.zeros(0, dtype=np.int64), np.zeros((0, 2 * ODDS.size)), np.zeros(0)
        some = np.log1p(SOME * np.expm1(np.minimum(log_l, 700.0)))
        both = np.concatenate([log_l, some, variance[:, None]], axis=1)
        touched = groups[positions, levels]
        order = np.argsort(touched, kind="stable")
        touched, positions = touched[order], positions[order]
        firsts = np.flatnonzero(np.diff(touched, prepend=-1))
        sums = np.add.reduceat(both[positions], firsts, axis=0)
        return touched[firsts], sums[:, :-1], sums[:, -1]


def _distinct(groups: Ints, values: Ints, size: int) -> Ints:
    """How many different values each group has, [size]."""
    if not groups.size:
        return np.zeros(size, dtype=np.int64)
    span = int(values.max()) + 1
    pairs = np.unique(groups * span + values)
    return np.bincount(pairs // span, minlength=size)
