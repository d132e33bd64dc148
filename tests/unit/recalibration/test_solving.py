from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.calibration.population import Population
from monitor.errors import Misconfigured
from monitor.recalibration.solving import Certified, NoneCertified, checked, solve, threshold_of_rate
from monitor.recalibration.windows import Sample
from schemas.calibrations import Policy
from tests.unit.recalibration.logs import sample

OF = Population()


def drawn(harmless: int, harmful: int, seed: int = 1, of: Population = OF) -> Sample:
    return of.draw_labelled(harmless, harmful, np.random.default_rng(seed))


def certified(group: Sample, policy: Policy, **options: Any) -> Certified:
    found = solve(group, policy, **options)
    assert isinstance(found, Certified), found
    return found


def shares(group: Sample, threshold: float) -> tuple[float, float]:
    refused = group.score >= threshold
    return float(refused[group.harmful == 0].mean()), float((~refused[group.harmful == 1]).mean())


def test_a_target_alone_is_the_quantile() -> None:
    group = sample(np.linspace(0.01, 0.99, 100).tolist())
    found = certified(group, Policy(target_rate=0.2))
    assert found.procedure == "quantile"
    assert (group.score >= found.threshold).mean() == pytest.approx(0.2)
    assert "within 0.136" in found.guarantee  # sqrt(ln 40 / 200)


def test_one_bound_is_used_up_to_its_end() -> None:
    group = drawn(500, 300)
    over = certified(group, Policy(over_refusal=0.05))
    assert (over.procedure, over.threshold) == ("pac", over.low)
    assert 0.02 < shares(group, over.threshold)[0] < 0.05
    missed = certified(group, Policy(miss=0.1))
    assert (missed.procedure, missed.threshold) == ("pac", missed.high)
    assert 0.04 < shares(group, missed.threshold)[1] < 0.1


def test_the_allowed_count_is_exact_on_both_sides() -> None:
    """59 of each with no case allowed: just above the greatest harmless score, at the least harmful one."""
    group = drawn(59, 59)
    over, missed = certified(group, Policy(over_refusal=0.05)), certified(group, Policy(miss=0.05))
    assert over.threshold == np.nextafter(group.score[group.harmful == 0].max(), 2)
    assert missed.threshold == group.score[group.harmful == 1].min()


def test_too_few_prompts_say_how_many_are_needed() -> None:
    found = solve(drawn(58, 0), Policy(over_refusal=0.05))
    assert found == NoneCertified("over-refusal at most 0.05: 58 labelled prompts, 59 needed at least")
    both = solve(drawn(58, 58), Policy(over_refusal=0.05, miss=0.05))
    assert found != both
    assert "72 needed" in getattr(both, "reason", "")  # delta is shared
    marginal = solve(drawn(18, 0), Policy(over_refusal=0.05, delta=None))
    assert marginal == NoneCertified("over-refusal at most 0.05: 18 labelled prompts, 19 needed at least")


@pytest.mark.parametrize("policy", [Policy(miss=0.1), Policy(over_refusal=0.1), Policy(miss=0.1, delta=None)])
def test_without_labels_nothing_is_certified(policy: Policy) -> None:
    assert isinstance(solve(sample([0.5] * 500), policy), NoneCertified)


def test_nothing_is_certified_from_nothing() -> None:
    assert solve(sample([]), Policy(target_rate=0.5)) == NoneCertified("no prompts")


def test_a_token_that_cannot_do_both_is_told_so() -> None:
    poor = Population(harmless_mean=-0.2, harmful_mean=0.2)
    found = solve(drawn(600, 600, of=poor), Policy(over_refusal=0.05, miss=0.05))
    assert isinstance(found, NoneCertified)
    assert "can't do both" in found.reason
    tested = solve(
        drawn(600, 600, of=poor), Policy(over_refusal=0.05, miss=0.05), procedure="learn_then_test"
    )
    assert isinstance(tested, NoneCertified)


@pytest.mark.parametrize("procedure", ["auto", "betting", "hoeffding_bentkus", "learn_then_test"])
def test_several_at_once_come_as_near_to_the_target_as_the_bounds_allow(procedure: Any) -> None:
    group = drawn(2000, 2000)
    bounds = {"over_refusal": 0.2, "miss": 0.2}
    low = certified(group, Policy(target_rate=0.0, **bounds), procedure=procedure)
    high = certified(group, Policy(target_rate=1.0, **bounds), procedure=procedure)
    between = certified(group, Policy(target_rate=0.5, **bounds), procedure=procedure)
    assert low.threshold == low.high > between.threshold > high.threshold == high.low
    assert (group.score >= between.threshold).mean() == pytest.approx(0.5, abs=0.02)
    for found in (low, high, between):
        assert max(shares(group, found.threshold)) < 0.2


def test_between_two_bounds_the_threshold_in_force_stays() -> None:
    group = drawn(2000, 2000)
    policy = Policy(over_refusal=0.2, miss=0.2)
    assert certified(group, policy, live=0.5).threshold == 0.5
    assert certified(group, policy, live=0.99).threshold == certified(group, policy).high
    assert certified(group, policy).threshold == certified(group, policy).low


def test_on_weighted_prompts_bets_are_made() -> None:
    group = Population(rare=0.2).draw(3000, np.random.default_rng(2))
    found = certified(group, Policy(over_refusal=0.1))
    assert found.procedure == "betting"
    assert OF.refused(found.threshold, harmful=False) <= 0.1
    assert (
        certified(group, Policy(over_refusal=0.1), procedure="hoeffding_bentkus").threshold > found.threshold
    )
    with pytest.raises(Misconfigured, match="count differently"):
        solve(group, Policy(over_refusal=0.1), procedure="pac")
    assert "in the limit" in certified(group, Policy(target_rate=0.1)).guarantee


def test_a_design_with_heavier_prompts_than_were_drawn_is_heard() -> None:
    group = drawn(500, 0)
    near = certified(group, Policy(over_refusal=0.1, delta=None))
    far = certified(group, Policy(over_refusal=0.1, delta=None), heaviest=20.0)
    assert far.threshold > near.threshold


def test_severity_weighs_what_is_missed() -> None:
    group = drawn(0, 500)
    light = Sample(
        **{name: getattr(group, name) for name in group.__dataclass_fields__}
        | {"severity": np.full(500, 0.3)}
    )
    marginal = certified(light, Policy(miss=0.05, delta=None))
    assert marginal.procedure == "conformal_risk_control"
    assert marginal.threshold > certified(group, Policy(miss=0.05, delta=None)).threshold
    assert certified(light, Policy(miss=0.05)).procedure == "betting"


def test_scores_of_one_cannot_be_spared() -> None:
    found = solve(sample([1.0] * 200, harmful=[0.0] * 200), Policy(over_refusal=0.1))
    assert isinstance(found, NoneCertified)
    assert "a score of 1" in found.reason
    assert threshold_of_rate(sample([1.0] * 5), 0.0) == 1.0


@pytest.mark.parametrize(
    ("policy", "fault"),
    [
        (Policy(), "asks for nothing"),
        (Policy(target_rate=1.5), "target_rate 1.5"),
        (Policy(target_rate=float("nan")), "target_rate nan"),
        (Policy(over_refusal=0.0), "over_refusal 0.0"),
        (Policy(miss=1.0), r"miss 1.0"),
        (Policy(miss=0.1, delta=0.0), r"delta 0.0"),
        (Policy(over_refusal=2.0, miss=-1.0), "over_refusal 2.0 is not between 0 and 1; miss -1.0"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_with_every_fault(policy: Policy, fault: str) -> None:
    with pytest.raises(Misconfigured, match=fault):
        checked(policy)


@pytest.mark.parametrize(
    ("policy", "procedure"),
    [
        (Policy(target_rate=0.1), "pac"),
        (Policy(miss=0.1), "quantile"),
        (Policy(miss=0.1), "split_conformal"),
        (Policy(miss=0.1, delta=None), "pac"),
    ],
)
def test_a_procedure_that_does_not_fit_the_policy_is_refused(policy: Policy, procedure: Any) -> None:
    with pytest.raises(Misconfigured, match=f"calibration: {procedure}"):
        solve(drawn(300, 300), policy, procedure=procedure)
