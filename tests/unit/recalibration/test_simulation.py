"""A small part of benchmarks/calibration: what is promised is held, and the loop arrives."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.calibration.guarantees import CASES, Case, achieved
from benchmarks.calibration.loop import SCENARIOS, run
from benchmarks.calibration.population import Population

TIMES = 200


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}, {case.prompts}")
def test_bounds_are_broken_no_more_often_than_said(case: Case) -> None:
    found = achieved(case, TIMES, seed=9)
    assert found.is_held, found
    assert found.none < 0.99 or case.family == "bonferroni", found


def test_the_exact_bounds_are_not_far_below_what_they_say() -> None:
    by_name = {case.name: achieved(case, TIMES, seed=10) for case in CASES}
    assert by_name["PAC, least n"].broken > 0.01
    assert by_name["split conformal"].risks[0] == pytest.approx(0.05, abs=0.008)


@pytest.mark.parametrize("scenario", SCENARIOS[:3], ids=lambda scenario: scenario.name)
def test_the_target_is_reached_within_two_cycles_of_a_shift(scenario: object) -> None:
    found = run(scenario, times=8, prompts=1500, seed=11)  # type: ignore[arg-type]  # parametrize has no types
    assert found.arrived >= 7 / 8, found
    assert found.distance_after < found.distance_before / 3


def test_a_calibration_whose_token_decides_nothing_is_rolled_back() -> None:
    found = run(SCENARIOS[3], times=8, prompts=1500, seed=12)
    assert (found.kept, found.arrived) == ((0.0,), 0.0)
    assert found.rolled_back[0] >= 7 / 8
    assert found.reasons[-1].startswith("respond_disobeyed: ")


def test_the_population_is_what_its_formulas_say() -> None:
    of = Population(rare=0.3)
    drawn = of.draw(200_000, np.random.default_rng(13))
    refused = drawn.score >= 0.4
    assert (drawn.weights * refused).sum() / drawn.weights.sum() == pytest.approx(of.rate(0.4), abs=0.006)
    # Everyone obeys, and threshold one half is the model's own choice: the text is the token.
    assert Population(slip=0.0).text_rate(0.5) == pytest.approx(Population().rate(0.5), abs=1e-3)
