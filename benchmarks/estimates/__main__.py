"""`python -m benchmarks.estimates`: do the intervals of the corrected rates hold the rate as often as they say?

Windows of exchanges are drawn, and judged as the policy has it: all that the guard holds harmful and not refused and all
uncertain ones, 1 % or 10 % of the rest. Rates, sizes of the judged sample, guards from poor to good. `held`: 95 % within one
point. `wide`: more often. `none`: most windows get no estimate, with the reason. `narrower`: width for the judge alone over
width for guard and judge. What was drawn from the rest decides: `cases` of it that count (or don't, where those are fewer) for
the judge alone, and beside them the guard's `errors` in it for both. With a handful of them no interval can be exact, and these err to the
safe side. Seeded; twenty minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from itertools import product
from typing import Final

import numpy as np

from benchmarks.estimates.coverage import LEAST_GIVEN, Cell, Held, cell
from benchmarks.estimates.population import CASES, GUARDS

RATES: Final = (0.002, 0.02, 0.1, 0.5)
JUDGED: Final = (200, 1000, 5000)
SAMPLED: Final = (0.01, 0.1)
ENOUGH: Final = 20
"""Cases or errors drawn from which on the bound can be asked for."""
SEED: Final = 20261127
HEAD: Final = (
    f"{'rate':>6}{'judged':>8}{'rest':>6}{'exchanges':>11}{'cases':>8}{'errors':>8}   {'judge alone':24}{'guard and judge':24}{'lambda':>7}"
    f"{'narrower':>10}"
)


def shown(held: Held | None) -> str:
    """Coverage, on which side it misses, and the verdict."""
    if held is None:
        return f"{'none':24}"
    return f"{held.coverage:.3f} ({held.too_high:.3f} {held.too_low:.3f}) {held.verdict:6} "


def line(rate: float, judged: int, sampled: float, found: Cell) -> str:
    """One line of the table."""
    gain = "" if found.narrower is None else f"{found.narrower:>10.2f}"
    return (
        f"{rate:>6g}{judged:>8,}{sampled:>6.0%}{found.exchanges:>11,}{found.cases:>8.1f}{found.errors:>8.1f}   {shown(found.horvitz_thompson)}"
        f"{shown(found.prediction_powered)}{found.tuning:>7.2f}{gain}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--times", type=int, default=5000, help="samples a cell (5000: standard error 0.3 points)"
    )
    parser.add_argument("--widths", type=int, default=100, help="of those, how many widths are averaged over")
    given = parser.parse_args()
    names = ("judge alone", "guard and judge")
    verdicts: dict[tuple[str, bool], Counter[str]] = {
        (name, is_enough): Counter() for name in names for is_enough in (True, False)
    }
    lowest = dict.fromkeys(names, 1.0)
    gains: dict[str, list[float]] = {}
    print(f"{given.times:,} samples a cell, seed {SEED}. In brackets: interval too high, too low.")
    for number, (case, guard) in enumerate(product(CASES, GUARDS)):
        print(
            f"\n{case}, {guard.name} guard (says yes to {guard.recall:.0%} and {guard.false_alarms:.0%})\n{HEAD}"
        )
        for place, (rate, judged, sampled) in enumerate(product(RATES, JUDGED, SAMPLED)):
            found = cell(
                case,
                rate,
                guard,
                sampled=sampled,
                judged=judged,
                times=given.times,
                widths=given.widths,
                chance=np.random.default_rng((SEED, number, place)),
            )
            print(line(rate, judged, sampled, found))
            sys.stdout.flush()
            for name, held, drawn in (
                (names[0], found.horvitz_thompson, found.cases),
                (names[1], found.prediction_powered, min(found.cases, found.errors)),
            ):
                verdicts[name, drawn >= ENOUGH]["none" if held is None else held.verdict] += 1
                if held is not None:
                    lowest[name] = min(lowest[name], held.coverage)
            if found.narrower is not None:
                gains.setdefault(f"{case}, {guard.name} guard", []).append(found.narrower)
    print(f"\nnone: fewer than {LEAST_GIVEN:.0%} of the windows have an estimate")
    for (name, is_enough), counts in verdicts.items():
        total = ", ".join(f"{word} {counts[word]}" for word in ("held", "wide", "MISSED", "none"))
        what = f"{'at least' if is_enough else 'fewer than'} {ENOUGH} {'cases' if name == names[0] else 'cases and errors'} drawn"
        print(f"{name}, {what}: of {sum(counts.values())} cells {total}")
    print("lowest coverage: " + ", ".join(f"{name} {value:.3f}" for name, value in lowest.items()))
    print("narrower, median over the cells (least, most):")
    for name, values in gains.items():
        print(f"  {name:32}{np.median(values):.2f} ({min(values):.2f}, {max(values):.2f})")


if __name__ == "__main__":
    main()
