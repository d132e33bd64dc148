"""A small part of benchmarks/calibration: what is promised is held, and the loop arrives."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from benchmarks.calibration.guarantees import CASES, Case, achieved
from benchmarks.calibration.loop import SCENARIOS, Scenario, run
from benchmarks.calibration.population import Population
from monitor.recalibration.observing import Expectations, observe
from monitor.recalibration.proposing import Place, propose
from monitor.recalibration.readiness import Limits
from monitor.recalibration.records import Serving
from monitor.recalibration.rules import would_refuse
from monitor.recalibration.windows import Window, read
from schemas.calibrations import Calibration, Policy, Thresholds
from tests.unit.recalibration.logs import AT, logged, record, token

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
def test_the_target_is_reached_within_two_cycles_of_a_shift(scenario: Scenario) -> None:
    found = run(scenario, times=8, prompts=1500, seed=11)
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


def test_each_category_comes_to_its_own_target() -> None:
    """Two categories by their own thresholds, a third left to the model; logged, calibrated, and served again."""
    serving = Serving("m", "tok", "tpl", ("[a]", "[b]", "[c]"))
    chance = np.random.default_rng(14)
    before = Thresholds(
        rule="category", selected=("[a]", "[b]"), temperature=0.8, values={"[a]": 0.5, "[b]": 0.5}
    )

    def window(n: int, live: Thresholds) -> Window:
        rows = []
        for _ in range(n):
            logits = [*chance.normal([0.0, 0.5, -1.0], 2.0), 1.0]
            of = token(serving, logits, temperature=0.8)
            refuses = would_refuse(record(serving, logits, temperature=0.8), live)
            largest = serving.refusals[int(np.argmax(logits[:3]))]
            served = msgspec.structs.replace(
                of,
                rule="category",
                selected=live.selected,
                threshold=live.values.get(largest, 0.5),
                emitted=largest if refuses else "[respond]",
            )
            rows.append(logged(served))
        return read(rows, serving, before, live=live)

    found = propose(
        window(3000, before),
        window(1500, before),
        {"[a]": Policy(target_rate=0.3), "[b]": Policy(target_rate=0.6)},
        serving=serving,
        shape=before,
        before=before,
        place=Place("sim", 1, AT, "simulation"),
        limits=Limits(),
    )
    assert isinstance(found, Calibration), found
    after = window(3000, found.now)
    decision = observe(found, after, Expectations())
    assert decision.verdict == "keep", decision
    for name, target in (("[a]", 0.3), ("[b]", 0.6)):
        inside = after.sample.where(after.sample.group == name)
        assert inside.emitted.mean() == pytest.approx(target, abs=4 * (0.25 / len(inside)) ** 0.5 + 0.02)
    left = after.sample.where(after.sample.group == "[c]")
    assert np.isinf(left.score).all()
    np.testing.assert_array_equal(left.emitted, left.natural)
