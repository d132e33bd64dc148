"""`python -m benchmarks.audit_power`: what the audit's figures are worth, on drawn hidden states. Seeded.

1. Size: means of J, CHI and 1/XBI at one true effect, over sizes and dimensions. J should stay, the others don't.
2. Coverage: how often the 95 % interval of J holds the true effect, for independent anchors and for matched pairs.
3. The alert: how often it fires (significant over all layers together, and above the floor) when nothing but noise and a turn of the
   space happened, and when J of one layer, or of half of them, fell by a share. Beside it: significance alone, by the step-down maximum and
   by Holm.
4. A year of twelve updates, each audited, by the worker's own rules: how soon slow erosion is told with the baseline beside the previous audit and
   without it; alerts that begin an audit where nothing fell. An eighth of the samples. `--only-years` prints this part alone.
"""

from __future__ import annotations

import argparse
import sys
from typing import Final

from benchmarks.audit_power.erosion import UPDATES, years
from benchmarks.audit_power.simulation import LAYERS, alerts, coverage, size_freedom

SEED: Final = 20260613
CASES: Final = (
    *((j, pairs, 0.0, 0) for j in (0.03, 0.3, 1.0) for pairs in (64, 200)),
    *((0.3, pairs, fall, 1) for pairs in (64, 200) for fall in (0.1, 0.2, 0.3)),
    (0.3, 200, 0.1, 4),
    *((0.05, 200, fall, 1) for fall in (0.3, 0.5)),
)
"""J before, pairs, the share by which it falls, in how many layers."""

YEARS: Final = ((0.3, 200, 0.0), (1.0, 200, 0.0), (0.3, 200, 0.03), (1.0, 200, 0.03))
"""J before, pairs, the share that each update takes, in all layers."""
SHOWN: Final = (1, 2, 4, 6, 8, 12)


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
    parser.add_argument("--only-years", action="store_true", help="part 4 alone")
    given = parser.parse_args()
    if not given.only_years:
        print_single_audits(given.times)
    times = max(1, given.times // 8)
    print(
        f"\n4. {UPDATES} updates, each audited, {LAYERS} layers: share of {times} years in which a fall was told by then\n"
    )
    heads = "".join(f"{f'by {update}':>7}" for update in SHOWN)
    print(f"{'J':>6}{'pairs':>7}{'each takes':>12}  {'held against':<24}{heads}{'alerts an audit':>17}")
    for j, pairs, fall in YEARS:
        year = years(fall, j=j, pairs=pairs, times=times, seed=SEED)
        for what, told, rate in (
            ("previous and baseline", year.told, f"{year.a_step:17.3f}"),
            ("previous alone", year.told_of_steps, ""),
        ):
            shares = "".join(f"{told[update - 1]:>7.2f}" for update in SHOWN)
            print(f"{j:>6}{pairs:>7}{fall:>12.0%}  {what:<24}{shares}{rate}")
        sys.stdout.flush()


def print_single_audits(samples: int) -> None:
    """Parts 1 to 3."""
    truth = 0.1
    print(f"1. Size. True effect {truth}; {samples} samples a line, mean of each\n")
    print(f"{'a class':>8}{'dimensions':>12}{'J':>10}{'(error)':>10}{'CHI':>10}{'1/XBI':>10}")
    for dimensions in (16, 256):
        for n in (64, 200, 1000):
            one = size_freedom(truth, n, dimensions, times=samples, seed=SEED)
            print(
                f"{n:>8,}{dimensions:>12}{one.j:>10.4f}{one.j_error:>10.4f}{one.chi:>10.1f}{one.inverse_xbi:>10.4f}"
            )
            sys.stdout.flush()

    print("\n2. Coverage of the 95 % interval, 64 dimensions whose variances fall as 1/k, 999 draws\n")
    print(f"{'J':>8}{'pairs':>8}{'independent':>13}{'pairs, J':>10}{'pairs, clustered':>18}")
    for pairs in (64, 200):
        for j in (0.0, 0.03, 0.3, 1.0):
            held = coverage(j, pairs, 64, times=samples, draws=999, seed=SEED)
            print(f"{j:>8}{pairs:>8}{held.independent:>13.3f}{held.paired:>10.3f}{held.clustered:>18.3f}")
            sys.stdout.flush()

    print(
        f"\n3. The alert at 5 %, {LAYERS} layers of 24 dimensions: share of {samples} comparisons, half as many where J falls\n"
    )
    print(f"{'J':>6}{'pairs':>7}{'falls by':>10}{'in layers':>11}{'alert':>8}{'maximum':>9}{'Holm':>7}")
    for j, pairs, fall, layers in CASES:
        times = samples if fall == 0 else max(1, samples // 2)
        rate = alerts(fall, layers_that_fall=layers, j=j, pairs=pairs, times=times, seed=SEED)
        print(
            f"{j:>6}{pairs:>7}{fall:>10.0%}{layers:>11}{rate.alerted:>8.3f}{rate.significant:>9.3f}{rate.by_holm:>7.3f}"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
