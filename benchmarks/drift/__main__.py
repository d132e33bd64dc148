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
from typing import Final

from benchmarks.drift.gates import Gate
from benchmarks.drift.grid import LONG, SHORT, grid

SEED: Final = 20261127
SECTIONS: Final = ("grid",)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="fewer streams and cells: under three minutes")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS, help="these sections")
    given = parser.parse_args()
    print(f"seed {SEED}, {'short' if given.short else 'long'} version")
    gates: list[Gate] = []
    for section in given.only:
        began = time.monotonic()
        print(f"\n== {section}", flush=True)
        if section == "grid":
            gates += grid(SHORT if given.short else LONG, SEED)
        print(f"({time.monotonic() - began:,.0f} s)")
    print("\n== gates")
    for gate in gates:
        print(gate)
    verdicts = [gate.verdict for gate in gates]
    print(f"{verdicts.count('pass')} of {len(gates)} pass, {verdicts.count('FAIL')} fail, the rest is open")
    return int("FAIL" in verdicts or (not given.short and any(verdict != "pass" for verdict in verdicts)))


if __name__ == "__main__":
    sys.exit(main())
