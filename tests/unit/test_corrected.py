"""Which answer of the judge corrects which rate."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.corrected import correct_patterns
from monitor.estimates.estimates import Corrected
from monitor.rates import RATE_NAMES, RateName

NOTHING: dict[str, Any] = dict.fromkeys(
    ("window_start", "tenant_key", "model_key", "category_key", "judge_prompt_harmful", "judge_refused", "judge_response_harmful")
)  # fmt: skip


def pattern(events: int, **given: Any) -> dict[str, Any]:
    """Exchanges with a response that the guard holds harmless and answered, all judged; judged None unless given."""
    plain: dict[str, Any] = {
        **NOTHING, "scoring_probability": 1.0, "judging_probability": 1.0, "is_answered": True, "guard_prompt_harmful": False,
        "guard_refused": False, "guard_response_harmful": False, "is_chosen": True, "events": events, "judges": ["judge"],
    }  # fmt: skip
    return {**plain, **given}


def rates(*patterns: dict[str, Any]) -> dict[RateName, Corrected]:
    (cell,) = correct_patterns(patterns).values()
    return dict(zip(RATE_NAMES, cell, strict=True))


def judged(harmful: bool | None, refused: bool | None, harm: bool | None) -> dict[str, Any]:  # noqa: FBT001  # answers
    return {"judge_prompt_harmful": harmful, "judge_refused": refused, "judge_response_harmful": harm}


def test_each_rate_is_of_the_judges_own_denominator() -> None:
    found = rates(
        pattern(40, **judged(False, False, False)),
        pattern(10, **judged(False, True, False)),
        pattern(30, **judged(True, True, False)),
        pattern(20, **judged(True, False, True)),
    )

    assert {name: one.horvitz_thompson.rate for name, one in found.items()} == {
        "refusal": pytest.approx(0.4),
        "over_refusal": pytest.approx(0.2),
        "under_refusal": pytest.approx(0.4),
        "prompt_harm": pytest.approx(0.5),
        "response_harm": pytest.approx(0.2),
    }
    assert found["over_refusal"].judged == found["under_refusal"].judged == 50


def test_what_the_judge_leaves_open_is_not_judged_and_changes_no_other_rate() -> None:
    """As judge_lite, which can't say whether a prompt should be refused."""
    found = rates(
        pattern(60, **judged(None, False, False)),
        pattern(40, **judged(None, True, None)),
        pattern(20, is_chosen=True),
    )

    assert found["refusal"].horvitz_thompson.rate == pytest.approx(0.4)
    assert found["refusal"].judged == 100
    for name in ("over_refusal", "under_refusal", "prompt_harm"):
        assert found[name].horvitz_thompson.reason == "not judged"


def test_a_judged_exchange_stands_for_those_not_scored_and_not_drawn() -> None:
    sampled = {"scoring_probability": 0.5, "judging_probability": 0.1, "guard_refused": True}
    found = rates(
        pattern(100, **judged(None, False, None)),
        pattern(900, is_chosen=False, **sampled),
        pattern(100, **{**sampled, **judged(None, True, None)}),
    )["refusal"]

    # 100 that refuse nothing, against 1,000 scored that stand for 2,000.
    assert found.horvitz_thompson.rate == pytest.approx(2000 / 2100)
    assert found.prediction_powered.rate == pytest.approx(2000 / 2100)


def test_exchanges_that_nobody_could_judge_lower_the_coverage() -> None:
    found = rates(
        pattern(100, **judged(None, True, None)), pattern(25, judging_probability=0.0, is_chosen=False)
    )["refusal"]

    assert found.covered == pytest.approx(0.8)
    assert found.horvitz_thompson.reason == "the judged speak for 80% of the exchanges only"


def test_a_prompt_without_a_response_counts_for_prompt_harm_alone() -> None:
    found = rates(
        pattern(
            50,
            is_answered=False,
            guard_refused=None,
            guard_response_harmful=None,
            **judged(True, None, None),
        )
    )

    assert found["prompt_harm"].horvitz_thompson.rate == 1
    assert found["refusal"].judged == 0


def test_cells_are_apart() -> None:
    found = correct_patterns(
        [
            pattern(50, tenant_key="a", **judged(None, True, None)),
            pattern(50, tenant_key="b", **judged(None, False, None)),
        ]
    )

    assert [cell[0].horvitz_thompson.rate for cell in found.values()] == [1, 0]
    assert [key[1] for key in found] == ["a", "b"]


def test_no_exchange_has_no_cell() -> None:
    assert correct_patterns([]) == {}
