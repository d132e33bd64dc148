"""What is kept of every stream, as arrays with a row a stream: 100,000 of them are updated in well under a second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.drift.detector import ODDS
from monitor.drift.measures import Measure
from monitor.drift.needs import Scope
from monitor.drift.policy import LEVEL_SHARES, Level
from monitor.drift.season import COLUMNS
from schemas.evidence import WatchedBy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Small = NDArray[np.int8]

MEASURES: Final = tuple(Measure)
LEVELS: Final[tuple[Level, ...]] = tuple(LEVEL_SHARES)
"""In the order in which rows hold them as numbers: 0 is the cells."""

FOREVER: Final = 1 << 62
"""Later than any moment."""
FREE, QUIET, HELD, ALSO = 0, 1, 2, 3
"""Hold of an incident on a stream: none; it doesn't learn; its R stays 0 too, and it is what shifted; the same, and it
shifted with that: another measure, or the other way."""

UNKEYED: Final = frozenset({Measure.COVERAGE, Measure.VOLUME, Measure.DEAD_LETTERS})
"""Measures that say the same whatever guard answers: another guard doesn't begin another stream."""


@dataclass(frozen=True, slots=True, order=True)
class StreamKey:
    """Which stream: a measure of a scope, as one guard and calibration labelled it (None: whichever)."""

    measure: Measure
    level: Level
    tenant: str | None = None
    model: str | None = None
    category: str | None = None
    watched_by: tuple[str, str, str, int] | None = None

    @property
    def scope(self) -> Scope:
        """Its cells."""
        return Scope(self.tenant, self.model, self.category)

    @property
    def place(self) -> dict[str, str]:
        """As an alert tells it."""
        parts = {"tenant": self.tenant, "model": self.model, "category": self.category}
        return {
            "measure": self.measure.value,
            **{name: part for name, part in parts.items() if part is not None},
        }


def watched_by(key: StreamKey) -> WatchedBy:
    """The guard of a stream as alerts tell it; empty where any guard counts."""
    return WatchedBy(*(key.watched_by or ("", "", "", 0)))


class Rows:
    """Arrays with a row a key, which grow together. Only the first `size` rows of each mean anything."""

    columns: tuple[tuple[str, str, int, float], ...] = ()
    """Of each array: name, dtype, width (0: none), and what a new row holds."""

    def __init__(self) -> None:
        self.keys: list[StreamKey] = []
        self.index: dict[StreamKey, int] = {}
        self.capacity = 0
        for name, dtype, width, _ in self.columns:
            setattr(self, name, np.zeros((0, width) if width else 0, dtype=dtype))
        self._grow(64)

    @property
    def size(self) -> int:
        """How many rows there are."""
        return len(self.keys)

    def add(self, key: StreamKey) -> int:
        """A new row for `key`, which must not have one."""
        row = len(self.keys)
        if row == self.capacity:
            self._grow(2 * self.capacity)
        self.keys.append(key)
        self.index[key] = row
        return row

    def keep(self, rows: Ints) -> None:
        """Keep only `rows`, ascending, and number them anew."""
        self.keys = [self.keys[row] for row in rows]
        self.index = {key: row for row, key in enumerate(self.keys)}
        for name, *_ in self.columns:
            array = getattr(self, name)[rows]
            setattr(self, name, array)
        self.capacity = rows.size
        self._grow(max(64, rows.size))

    def load(self, keys: list[StreamKey], arrays: dict[str, NDArray[np.generic]]) -> None:
        """Hold these rows instead. `arrays` has one of each column, with as many rows."""
        self.keys = keys
        self.index = {key: row for row, key in enumerate(keys)}
        for name, *_ in self.columns:
            setattr(self, name, arrays[name])
        self.capacity = len(keys)
        self._grow(max(64, self.capacity))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The rows that mean something, by column."""
        return {name: getattr(self, name)[: self.size] for name, *_ in self.columns}

    def _grow(self, capacity: int) -> None:
        for name, dtype, width, fill in self.columns:
            old = getattr(self, name)
            new = np.full((capacity, width) if width else capacity, fill, dtype=dtype)
            new[: old.shape[0]] = old
            setattr(self, name, new)
        self.capacity = capacity


class Streams(Rows):
    """The streams of single cells. Times are microseconds since 1970.

    `log_r`: log R for each odds shift. `dripped`: the integral of its share when it was last added to R, in months.
    `a`, `b`: the baseline's Beta counts as of `seen_at`; `a0`, `b0`: the prior in them, which is never forgotten.
    `events`: of its own, ever. `reset_at`: since when R is evidence. `phi`: how many times more than binomial the counts vary.
    `hold` of `incident` (0: none), and what it counted since the change: `k_held` of `n_held`, `e_held` expected. Nothing that
    came after `learned_to` is in the baseline. `by`: a number of its guard and calibration. `daily`: its traffic, of which
    what is a day old counts 1/e; `lump`: the variance of a window's positives, as it usually is, for the threshold; `season`: coefficients (monitor/drift/season.py).
    """

    log_r: Floats
    dripped: Floats
    a: Floats
    b: Floats
    a0: Floats
    b0: Floats
    events: Floats
    phi: Floats
    k_held: Floats
    n_held: Floats
    e_held: Floats
    began_at: Ints
    seen_at: Ints
    reset_at: Ints
    learned_to: Ints
    incident: Ints
    by: Ints
    daily: Floats
    lump: Floats
    season: NDArray[np.float32]
    measure: Small
    is_armed: NDArray[np.bool_]
    is_active: NDArray[np.bool_]
    hold: Small

    columns = (
        ("log_r", "f8", ODDS.size, -np.inf),
        ("dripped", "f8", 0, 0.0),
        ("a", "f8", 0, 0.5),
        ("b", "f8", 0, 0.5),
        ("a0", "f8", 0, 0.5),
        ("b0", "f8", 0, 0.5),
        ("events", "f8", 0, 0.0),
        ("phi", "f8", 0, 1.0),
        ("k_held", "f8", 0, 0.0),
        ("n_held", "f8", 0, 0.0),
        ("e_held", "f8", 0, 0.0),
        ("began_at", "i8", 0, 0),
        ("seen_at", "i8", 0, 0),
        ("reset_at", "i8", 0, 0),
        ("learned_to", "i8", 0, FOREVER),
        ("incident", "i8", 0, 0),
        ("by", "i8", 0, -1),
        ("daily", "f8", 0, 0.0),
        ("lump", "f8", 0, 0.0),
        ("season", "f4", COLUMNS, 0.0),
        ("measure", "i1", 0, 0),
        ("is_armed", "?", 0, 0),
        ("is_active", "?", 0, 1),
        ("hold", "i1", 0, FREE),
    )


class GroupRows(Rows):
    """The groups of streams that are watched as a whole. As Streams, but for: `log_r` [., 16], first as if all members
    shifted, then as if a quarter of them did (monitor/drift/groups.py); `is_active`: it has a share;
    `emptied`: the integral of its share when its R was last 0."""

    log_r: Floats
    dripped: Floats
    lump: Floats
    emptied: Floats
    measure: Small
    level: Small
    is_active: NDArray[np.bool_]

    columns = (
        ("log_r", "f8", 2 * ODDS.size, -np.inf),
        ("dripped", "f8", 0, 0.0),
        ("lump", "f8", 0, 0.0),
        ("emptied", "f8", 0, 0.0),
        ("measure", "i1", 0, 0),
        ("level", "i1", 0, 0),
        ("is_active", "?", 0, 0),
    )
