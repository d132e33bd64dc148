"""The grid: every detector in every cell, printed cell by cell, and the gates that it decides."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from benchmarks.drift.cells import CELLS, Cell
from benchmarks.drift.gates import Gate
from benchmarks.drift.jobs import mapped
from benchmarks.drift.running import Figure
from benchmarks.drift.tracks import (
    CHUNK,
    ENTRIES,
    FOCUS,
    FOCUS_LEARNING,
    OURS,
    SHIFTS,
    Oracle,
    Row,
    geometric,
    oracle,
    row,
)

LOW, HIGH = 0.8, 1.25
"""False alarms by those promised."""
LEAST_RATE: Final = 0.01


@dataclass(frozen=True, slots=True)
class Size:
    """How much is simulated: `times` streams of ours a cell, and which detectors in which cells (None: all)."""

    times: int
    cells: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None


LONG: Final = Size(1500)
SHORT: Final = Size(1000, ("0.05/20k", "0.01/2k"), (OURS, FOCUS, CHUNK, "CUSUM for x2", "ADWIN"))


def grid(size: Size, seed: int, jobs: int) -> list[Gate]:
    """Print the table; the gates of it."""
    cells = [cell for cell in CELLS if size.cells is None or cell.name in size.cells]
    found: dict[str, list[Row]] = {}
    for cell, (known, rows) in zip(cells, mapped(partial(_cell, size, seed), cells, jobs), strict=True):
        print(
            f"\nrate {cell.rate:g}, reference {cell.reference:,}, one false alarm in {cell.interval:,} events"
        )
        print(
            "  oracle, events: " + ", ".join(f"{name} {of.value:,.0f}" for name, of in known.delays.items())
        )
        print(f"  {'':24}{'as shipped':18}{'overall':14}" + "".join(f"{shift.name:>18}" for shift in SHIFTS))
        for shown in rows:
            print(f"  {_shown(shown)}", flush=True)
        found[cell.name] = rows
    print("\nall cells: geometric mean of the delay by the oracle's over x1.5, x2, x3, x0.5; rises; falls")
    names = [shown.name for shown in next(iter(found.values()))]
    overall = {name: _over(name, found) for name in names}
    for name in sorted(names, key=lambda name: overall[name].value):
        rises = geometric(
            [_of(rows, name).ratios[rise] for rows in found.values() for rise in ("x1.5", "x2", "x3")]
        )
        falls = geometric([_of(rows, name).ratios["x0.5"] for rows in found.values()])
        print(
            f"  {name:24}{overall[name].value:8.2f} +- {overall[name].error:.2f}{rises.value:10.2f}{falls.value:10.2f}"
        )
    return [*_cell_gates(found), *_peer_gates(found, overall)]


def _cell(size: Size, seed: int, cell: Cell) -> tuple[Oracle, list[Row]]:
    number = CELLS.index(cell)
    known = oracle(cell, 2 * size.times, np.random.default_rng((seed, number, 0)))
    return known, [
        row(entry, cell, known, times=size.times, chance=np.random.default_rng((seed, number, place + 1)))
        for place, entry in enumerate(ENTRIES)
        if size.names is None or entry.name in size.names
    ]


def _shown(of: Row) -> str:
    shipped = "" if of.shipped is None else f"{of.shipped.value:.2f} +- {of.shipped.error:.2f}"
    ratios = "".join(f"{figure.value:>11.2f} +- {figure.error:.2f}" for figure in of.ratios.values())
    return f"{of.name:24}{shipped:18}{of.overall.value:.2f} +- {of.overall.error:.2f}  {ratios}"


def _of(rows: list[Row], name: str) -> Row:
    return next(row for row in rows if row.name == name)


def _over(name: str, found: dict[str, list[Row]]) -> Figure:
    return geometric([_of(rows, name).overall for rows in found.values()])


def _cell_gates(found: dict[str, list[Row]]) -> list[Gate]:
    gates = []
    for cell in CELLS:
        if cell.name not in found:
            continue
        ours = _of(found[cell.name], OURS)
        if ours.shipped is not None:
            gates.append(Gate(f"false alarms by those promised, {cell.name}", ours.shipped, LOW, HIGH))
        bound = {20_000: 1.4, 2_000: 1.7}[cell.reference]
        if cell.rate >= LEAST_RATE and (cell.reference == CELLS[1].reference or cell.rate == LEAST_RATE):
            gates.append(Gate(f"delay by the oracle's, {cell.name}", ours.overall, high=bound))
    return gates


def _peer_gates(found: dict[str, list[Row]], overall: dict[str, Figure]) -> list[Gate]:
    """Ours by a peer's, over all cells."""
    ours = overall[OURS]

    def by(name: str) -> Figure:
        value = ours.value / overall[name].value
        return Figure(
            value, value * float(np.hypot(ours.error / ours.value, overall[name].error / overall[name].value))
        )

    peers = [row.name for row in next(iter(found.values())) if row.is_peer]
    best = min(peers, key=lambda name: overall[name].value)
    if FOCUS_LEARNING in overall:
        stronger = by(FOCUS_LEARNING)
        print(
            f"\nours by {FOCUS_LEARNING}, which is stronger (no gate): {stronger.value:.3f} +- {stronger.error:.3f}"
        )
    return [
        Gate(f"delay by that of {FOCUS} (the reference's rate), all cells", by(FOCUS), high=0.75),
        Gate(f"delay by that of the {CHUNK}, all cells", by(CHUNK), high=0.35),
        Gate(f"delay by that of the best peer ({best}), all cells", by(best), high=1.0),
    ]
