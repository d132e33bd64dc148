"""`python -m benchmarks.audit_power`: what the audit's figures are worth, on drawn hidden states. Seeded.

1. Size: means of J, CHI and 1/XBI at one true effect, over sizes and dimensions. J should stay, the others don't.
2. Coverage: how often the 95 % interval of J holds the true effect, for independent anchors and for matched pairs.
3. The alert: how often it fires (significant over all layers together, and above the floor) when nothing but noise and a turn of the
   space happened, and when J of one layer, or of half of them, fell by a share. Beside it: significance alone, by the step-down maximum and
   by Holm.
"""

from __future__ import annotations

import argparse
import sys
from typing import Final

from benchmarks.audit_power.simulation import LAYERS, alerts, coverage, size_freedom

SEED: Final = 20260613
CASES: Final = (
    *((j, pairs, 0.0, 0) for j in (0.03, 0.3, 1.0) for pairs in (64, 200)),
    *((0.3, pairs, fall, 1) for pairs in (64, 200) for fall in (0.1, 0.2, 0.3)),
    (0.3, 200, 0.1, 4),
    *((0.05, 200, fall, 1) for fall in (0.3, 0.5)),
)
"""J before, pairs, the share by which it falls, in how many layers."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--times",
        type=int,
        default=400,
        help="samples a line (400: a rate of 5 % has a standard error of 1.1 points); half of it where J falls",
    )
    given = parser.parse_args()

    truth = 0.1
    print(f"1. Size. True effect {truth}; {given.times} samples a line, mean of each\n")
    print(f"{'a class':>8}{'dimensions':>12}{'J':>10}{'(error)':>10}{'CHI':>10}{'1/XBI':>10}")
    for dimensions in (16, 256):
        for n in (64, 200, 1000):
            one = size_freedom(truth, n, dimensions, times=given.times, seed=SEED)
            print(
                f"{n:>8,}{dimensions:>12}{one.j:>10.4f}{one.j_error:>10.4f}{one.chi:>10.1f}{one.inverse_xbi:>10.4f}"
            )
            sys.stdout.flush()

    print("\n2. Coverage of the 95 % interval, 64 dimensions whose variances fall as 1/k, 999 draws\n")
    print(f"{'J':>8}{'pairs':>8}{'independent':>13}{'pairs, J':>10}{'pairs, clustered':>18}")
    for pairs in (64, 200):
        for j in (0.0, 0.03, 0.3, 1.0):
            held = coverage(j, pairs, 64, times=given.times, draws=999, seed=SEED)
            print(f"{j:>8}{pairs:>8}{held.independent:>13.3f}{held.paired:>10.3f}{held.clustered:>18.3f}")
            sys.stdout.flush()

    print(
        f"\n3. The alert at 5 %, {LAYERS} layers of 24 dimensions: share of {given.times} comparisons, half as many where J falls\n"
    )
    print(f"{'J':>6}{'pairs':>7}{'falls by':>10}{'in layers':>11}{'alert':>8}{'maximum':>9}{'Holm':>7}")
    for j, pairs, fall, layers in CASES:
        times = given.times if fall == 0 else max(1, given.times // 2)
        rate = alerts(fall, layers_that_fall=layers, j=j, pairs=pairs, times=times, seed=SEED)
        print(
            f"{j:>6}{pairs:>7}{fall:>10.0%}{layers:>11}{rate.alerted:>8.3f}{rate.significant:>9.3f}{rate.by_holm:>7.3f}"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
