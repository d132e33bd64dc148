"""Which streams a window has counts for: from its rows to rows of streams, one look-up a row of the window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.drift.counts import ANSWERED, EVENTS, CellKey, Table, k_and_n
from monitor.drift.measures import Measure
from monitor.drift.policy import DriftPolicy
from monitor.drift.streams import LEVELS, MEASURES, UNKEYED, Ints, StreamKey
from monitor.drift.volume import exposure
from schemas.windows import Window

Floats = NDArray[np.float64]

OF_CELL: Final = tuple(measure for measure in MEASURES if measure.grain == "category")
_MIX: Final = OF_CELL.index(Measure.MIX)


@dataclass(frozen=True, slots=True, eq=False)
class Touched:
    """The streams that a window says something of, ascending: `k` of `n` for each."""

    rows: Ints
    k: Floats
    n: Floats


def sort_key(key: StreamKey) -> tuple[int, int, str, str, str, tuple[str, str, str, int]]:
    """An order of streams that doesn't depend on the order in which they are met."""
    return (
        MEASURES.index(key.measure),
        LEVELS.index(key.level),
        key.tenant or "",
        key.model or "",
        key.category or "",
        key.watched_by or ("", "", "", 0),
    )


class Cells:
    """From cells, and from tenants' models, to rows of streams; -1 where there is none yet. Follows from the streams' keys."""

    def __init__(self) -> None:
        self._cells: dict[CellKey, int] = {}
        self._pairs: dict[tuple[str, str, tuple[str, str, str, int]], int] = {}
        self._links: dict[tuple[str, str], int] = {}
        self._rows = np.full((64, len(OF_CELL)), -1, dtype=np.int64)
        self._pair_of = np.zeros(64, dtype=np.int64)
        self._link_of = np.zeros(64, dtype=np.int64)
        self._row_of_pair = np.full(64, -1, dtype=np.int64)
        self._rows_of_link = np.full((64, 2), -1, dtype=np.int64)
        self._dead_letters = -1

    def put(self, row: int, key: StreamKey) -> None:
        """Stream `row` is that of `key`, of a cell."""
        if key.measure is Measure.DEAD_LETTERS:
            self._dead_letters = row
            return
        tenant, model = key.tenant or "", key.model or ""
        if key.measure.grain == "category":
            cell = self._cell((tenant, model, key.category or "", *(key.watched_by or ("", "", "", 0))))
            self._rows[cell, OF_CELL.index(key.measure)] = row
        elif key.measure in UNKEYED:
            self._rows_of_link[self._link(tenant, model), int(key.measure is Measure.VOLUME)] = row
        else:
            self._row_of_pair[self._pair(tenant, model, key.watched_by or ("", "", "", 0))] = row

    def missing(self, table: Table, window: Window, policy: DriftPolicy) -> list[StreamKey]:
        """The streams that the window has counts for and that have no row yet, in an order of their own."""
        cells = self._of(table)
        found: set[StreamKey] = set()
        for position, measure in enumerate(OF_CELL):
            if not policy.share(measure):
                continue
            n = table.counts[:, ANSWERED] if measure is Measure.MIX else k_and_n(measure, table.counts)[1]
            for at in np.flatnonzero((n > 0) & (self._rows[cells, position] < 0)):
                key = table.keys[at]
                found.add(StreamKey(measure, "cell", key[0], key[1], key[2], key[3:]))
        if policy.share(Measure.PROMPT_HARM):
            new = (table.counts[:, ANSWERED] > 0) & (self._row_of_pair[self._pair_of[cells]] < 0)
            for at in np.flatnonzero(new):
                key = table.keys[at]
                found.add(StreamKey(Measure.PROMPT_HARM, "cell", key[0], key[1], None, key[3:]))
        for position, measure in enumerate((Measure.COVERAGE, Measure.VOLUME)):
            if not policy.share(measure):
                continue
            n = table.counts[:, EVENTS] if measure is Measure.VOLUME else k_and_n(measure, table.counts)[1]
            for at in np.flatnonzero((n > 0) & (self._rows_of_link[self._link_of[cells], position] < 0)):
                found.add(StreamKey(measure, "cell", table.keys[at][0], table.keys[at][1]))
        if window.messages and self._dead_letters < 0 and policy.share(Measure.DEAD_LETTERS):
            found.add(StreamKey(Measure.DEAD_LETTERS, "cell"))
        return sorted(found, key=sort_key)

    def touched(self, table: Table, window: Window, policy: DriftPolicy) -> Touched:
        """What the window says of the streams that have rows."""
        cells = self._of(table)
        parts: list[tuple[Ints, Ints | Floats, Ints | Floats]] = []
        for position, measure in enumerate(OF_CELL):
            if measure is Measure.MIX or not policy.share(measure):
                continue
            k, n = k_and_n(measure, table.counts)
            some = n > 0
            parts.append((self._rows[cells[some], position], k[some], n[some]))
        pairs, links = self._pair_of[cells], self._link_of[cells]
        answered: Floats = np.bincount(pairs, table.counts[:, ANSWERED], minlength=len(self._pairs)).astype(
            np.float64
        )
        if policy.share(Measure.MIX):
            parts.append(self._mix(cells, table, answered))
        if policy.share(Measure.PROMPT_HARM):
            k, _ = k_and_n(Measure.PROMPT_HARM, table.counts)
            harmful = np.bincount(pairs, k, minlength=len(self._pairs))
            some = answered > 0
            parts.append((self._row_of_pair[: answered.size][some], harmful[some], answered[some]))
        if policy.share(Measure.COVERAGE):
            k, n = k_and_n(Measure.COVERAGE, table.counts)
            lost = np.bincount(links, k, minlength=len(self._links))
            scored = np.bincount(links, n, minlength=len(self._links))
            some = scored > 0
            parts.append((self._rows_of_link[: scored.size, 0][some], lost[some], scored[some]))
        if policy.share(Measure.VOLUME):
            events = np.bincount(links, table.counts[:, EVENTS], minlength=len(self._links))
            rows = self._rows_of_link[: events.size, 1]
            known = rows >= 0
            chances = exposure((window.ends_at - window.begins_at).total_seconds())
            parts.append((rows[known], events[known], np.full(int(known.sum()), chances)))
        if policy.share(Measure.DEAD_LETTERS) and window.messages:
            one = np.ones(1, dtype=np.int64)
            parts.append((one * self._dead_letters, one * window.dead_letters, one * window.messages))
        if not parts:
            return Touched(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))
        rows = np.concatenate([part[0] for part in parts])
        order = np.argsort(rows, kind="stable")
        order = order[rows[order] >= 0]
        k_all = np.concatenate([part[1] for part in parts]).astype(np.float64)
        n_all = np.concatenate([part[2] for part in parts]).astype(np.float64)
        return Touched(rows[order], k_all[order], n_all[order])

    def _mix(self, cells: Ints, table: Table, answered: Floats) -> tuple[Ints, Floats, Floats]:
        """A category that has nothing of its model's traffic has 0 of it, which is as much said as any other share."""
        size = len(self._cells)
        own = np.zeros(size)
        own[cells] = table.counts[:, ANSWERED]
        rows = self._rows[:size, _MIX]
        total = answered[self._pair_of[:size]]
        some = (rows >= 0) & (total > 0)
        return rows[some], own[some], total[some]

    def _of(self, table: Table) -> Ints:
        """The cell of each row; those that are new get one."""
        get = self._cells.get
        cells = np.fromiter((get(key, -1) for key in table.keys), dtype=np.int64, count=len(table.keys))
        for at in np.flatnonzero(cells < 0):
            cells[at] = self._cell(table.keys[at])
        return cells

    def _cell(self, key: CellKey) -> int:
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = len(self._cells)
            if cell >= self._rows.shape[0]:
                self._rows = _longer(self._rows, -1)
                self._pair_of = _longer(self._pair_of, 0)
                self._link_of = _longer(self._link_of, 0)
            tenant, model = key[:2]
            self._pair_of[cell] = self._pair(tenant, model, key[3:])
            self._link_of[cell] = self._link(tenant, model)
        return cell

    def _pair(self, tenant: str, model: str, by: tuple[str, str, str, int]) -> int:
        pair = self._pairs.setdefault((tenant, model, by), len(self._pairs))
        if pair >= self._row_of_pair.shape[0]:
            self._row_of_pair = _longer(self._row_of_pair, -1)
        return pair

    def _link(self, tenant: str, model: str) -> int:
        link = self._links.setdefault((tenant, model), len(self._links))
        if link >= self._rows_of_link.shape[0]:
            self._rows_of_link = _longer(self._rows_of_link, -1)
        return link


def _longer(array: Ints, fill: int) -> Ints:
    return np.concatenate([array, np.full_like(array, fill)])
