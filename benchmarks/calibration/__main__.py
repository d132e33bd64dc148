"""`python -m benchmarks.calibration`: what a calibration promises against what it does, on a model of which everything is known.

Guarantees: each rule calibrates on drawn prompts, over and over; `broken` is the share of calibrations whose threshold breaks a
bound on the population (for the target: is further from the sample's rate than DKW allows), held against delta within three
standard errors of the simulation. Then the loop under a shift of the mix, the rollback, the text's rate, and the drift check.
Seeded; some minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
from typing import Final

from benchmarks.calibration.guarantees import CASES, achieved
from benchmarks.calibration.loop import SCENARIOS, run
from benchmarks.calibration.population import Population
from benchmarks.calibration.text_bounds import LEVEL, drift_seen, held

SEED: Final = 20261127
MOVES: Final = ((0.5, 0.3), (0.5, 0.8), (0.2, 0.6))
_THEN: Final = Population(harmful=0.3)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=1000, help="repetitions of each rule")
    parser.add_argument("--loops", type=int, default=200, help="repetitions of each scenario of the loop")
    given = parser.parse_args()
    is_held = _guarantees(given.times)
    is_held &= _loops(given.loops)
    is_held &= _texts(given.loops)
    _drift(given.times)
    sys.exit(0 if is_held else 1)


def _guarantees(times: int) -> bool:
    print(f"Guarantees, {times:,} repetitions each, seed {SEED}")
    print(f"{'rule':34}{'prompts':20}{'nominal':48}{'mean risk':>18}{'broken':>8}{'none':>8}")
    is_held = True
    for number, case in enumerate(CASES):
        found = achieved(case, times, SEED + number)
        risks = " ".join(f"{risk:.4f}" for risk in found.risks)
        is_held &= found.is_held
        print(
            f"{found.name:34}{found.prompts:20}{found.nominal:48}{risks:>18}{found.broken:>8.3f}{found.none:>8.3f}"
            f"   {'held' if found.is_held else 'BROKEN'}"
        )
        sys.stdout.flush()
    return is_held


def _loops(times: int) -> bool:
    print(f"\nThe loop, {times} repetitions, 2,000 prompts a window; by cycle")
    print(
        f"{'scenario':44}{'declined':>14}{'kept':>14}{'rolled back':>14}{'off before':>12}{'after':>8}{'arrived':>9}"
    )
    is_held = True
    for number, scenario in enumerate(SCENARIOS):
        found = run(scenario, times=times, prompts=2000, seed=SEED + number)
        shares = (
            "/".join(f"{share:.2f}" for share in part)
            for part in (found.declined, found.kept, found.rolled_back)
        )
        print(
            f"{found.name:44}{''.join(f'{share:>14}' for share in shares)}{found.distance_before:>12.3f}"
            f"{found.distance_after:>8.3f}{found.arrived:>9.2f}"
        )
        for reason in found.reasons:
            print(f"    {reason}")
        is_held &= found.arrived >= 0.95 if len(scenario.cycles) > 1 else found.rolled_back[0] >= 0.95
        sys.stdout.flush()
    return is_held


def _texts(times: int) -> bool:
    print(
        f"\nThe text's refusal rate after a move, {times} repetitions, 2,000 prompts; share held (mean width)"
    )
    print(
        f"{'T':>5}{'new T':>7}{'truth':>8}{'token':>8}{'bounds':>16}{'monotone':>16}{'5 % randomised':>18}{'given':>8}"
    )
    is_held = True
    for number, (live, new) in enumerate(MOVES):
        of = Population(forced_respond=0.3, forced_refuse=0.8)
        found = held(of, live, new, times=times, prompts=2000, explored=0.05, seed=SEED + number)
        print(
            f"{live:>5g}{new:>7g}{found.truth:>8.3f}{found.naive:>8.3f}{found.bounds:>8.3f} ({found.width:.3f})"
            f"{found.monotone:>8.3f} ({found.monotone_width:.3f}){found.randomised:>10.3f} ({found.randomised_width:.3f})"
            f"{found.given:>8.2f}"
        )
        is_held &= min(found.bounds, found.monotone) >= 0.95 and found.randomised >= 0.9
    return is_held


def _drift(times: int) -> None:
    print(f"\nThe drift check at a level of {LEVEL:.0%}, {times:,} repetitions: share that says drift")
    print(
        f"{'prompts then and now':24}{'none':>8}{'none, 0.2 drawn':>18}{'30 to 40 % harmful':>20}{'to 50 %':>9}{'logits +0.5':>13}"
    )
    for n in (300, 1000, 3000):
        weighted = Population(harmful=0.3, rare=0.2)
        shares = [
            drift_seen(then, now, n=n, times=times, seed=SEED + n + place)
            for place, (then, now) in enumerate(
                (
                    (_THEN, _THEN),
                    (weighted, weighted),
                    (_THEN, Population(harmful=0.4)),
                    (_THEN, Population(harmful=0.5)),
                    (_THEN, Population(harmless_mean=-1.5, harmful_mean=2.5)),
                )
            )
        ]
        print(
            f"{n:<24,}"
            + "".join(f"{share:>{width}.3f}" for share, width in zip(shares, (8, 18, 20, 9, 13), strict=True))
        )


if __name__ == "__main__":
    main()
