"""`python -m benchmarks.drift`: how fast drift is noticed at the false alarms that were asked for, and all gates of it.

Streams of a known rate shift, and each detector says when it notices. Track C (the columns of delays): all keep one and the same
interval between false alarms, by one scalar each, found by simulation for each cell; the delay is told by that of an oracle,
a CUSUM that knows both rates, as a geometric mean over x1.5, x2, x3, x0.5 ("overall"; ramps beside it). The change comes in the middle of the
interval. Track S ("as shipped"): given the reference and the interval, its false alarms by those promised; 1 is
right, and who promises nothing is held to its defaults. Every figure has its standard error, and a gate passes or fails
only where two of them leave no doubt.

Ends with 1 where a gate fails, or, in the long version, where one is left open. Seeded.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.drift import cost, fleets, grid, told
from benchmarks.drift.gates import Gate

SEED: Final = 20261127
DATA: Final = Path(__file__).resolve().parents[3] / "shared" / "data" / "chatlogs"
"""The evaluation data, beside the checkout."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for on the command line."""

    is_short: bool
    jobs: int
    data: Path


def _grid(asked: Asked) -> list[Gate]:
    return grid.grid(grid.SHORT if asked.is_short else grid.LONG, SEED, asked.jobs)


def _fleets(asked: Asked) -> list[Gate]:
    return fleets.fleets(fleets.SHORT if asked.is_short else fleets.LONG, SEED, asked.jobs)


def _effects(asked: Asked) -> list[Gate]:
    return told.effects(is_short=asked.is_short, seed=SEED)


def _replay(asked: Asked) -> list[Gate]:
    if not asked.data.exists():
        print(f"left out: there is no {asked.data}")
        return []
    return told.replay(asked.data, is_short=asked.is_short, seed=SEED)


def _cost(asked: Asked) -> list[Gate]:
    return cost.gates(is_short=asked.is_short)


SECTIONS: Final[dict[str, Callable[[Asked], list[Gate]]]] = {
    "grid": _grid,
    "fleets": _fleets,
    "effects": _effects,
    "replay": _replay,
    "cost": _cost,
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="fewer streams and cells: under three minutes")
    parser.add_argument(
        "--only", nargs="+", choices=list(SECTIONS), default=list(SECTIONS), help="these sections"
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of mixed-week.jsonl and labels.jsonl")
    parser.add_argument("--jobs", type=int, default=1, help="processes, of the grid and the fleets")
    given = parser.parse_args(arguments)
    asked = Asked(given.short, given.jobs, given.data)
    print(f"seed {SEED}, {'short' if given.short else 'long'} version")
    gates: list[Gate] = []
    for section in given.only:
        began = time.monotonic()
        print(f"\n== {section}", flush=True)
        gates += SECTIONS[section](asked)
        print(f"({time.monotonic() - began:,.0f} s)")
    print("\n== gates")
    for gate in gates:
        print(gate)
    verdicts = [gate.verdict for gate in gates]
    print(f"{verdicts.count('pass')} of {len(gates)} pass, {verdicts.count('FAIL')} fail, the rest is open")
    return int("FAIL" in verdicts or (not given.short and any(verdict != "pass" for verdict in verdicts)))


if __name__ == "__main__":
    sys.exit(main())
