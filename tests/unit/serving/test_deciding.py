from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.recalibration.pieces import NotIdentified, Piece
from monitor.recalibration.records import Record, decode
from monitor.recalibration.rules import RULES, contradicts, follows, would_refuse
from monitor.serving.deciding import Fallback, decide, draw, see, written
from schemas.calibrations import ALL, Thresholds
from schemas.refusal_tokens import REFUSE, RESPOND, RefusalToken
from tests.unit.recalibration.logs import thresholds
from tests.unit.serving.serving_parts import FIVE, served, standing

VOCABULARY = 12
logit = st.one_of(
    st.floats(-30, 30, width=32),
    st.sampled_from([0.0, 1.0, -1.0]),  # so that ties come up
)


@st.composite
def decided(draw_: st.DrawFn) -> tuple[np.ndarray[Any, Any], Thresholds, tuple[str, ...], float, str]:
    refusals = draw_(st.sampled_from([(REFUSE,), FIVE[:2], FIVE]))
    rule = draw_(st.sampled_from(RULES))
    size = 1 if rule == "single" else draw_(st.integers(1, len(refusals)))
    selected = tuple(draw_(st.permutations(refusals))[:size])
    groups = selected if rule == "category" else (ALL,)
    value = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0]))
    found = msgspec.convert(
        {
            "rule": rule,
            "selected": selected,
            "temperature": draw_(st.sampled_from([1.0, 0.7, 2.5])),
            "values": {name: draw_(value) for name in groups},
        },
        Thresholds,
    )
    logits = np.array(draw_(st.lists(logit, min_size=VOCABULARY, max_size=VOCABULARY)))
    return logits, found, refusals, draw_(st.sampled_from([0.0, 0.3])), draw_(st.text(max_size=5))


@settings(max_examples=200, deadline=None)
@given(decided())
def test_what_is_written_is_what_the_rules_say_of_the_record_that_is_logged(
    case: tuple[np.ndarray[Any, Any], Thresholds, tuple[str, ...], float, str],
) -> None:
    logits, found, refusals, randomised, request_id = case
    model = served(refusals, randomised=randomised, seed=b"s")
    decision = decide(see(logits, model, found.temperature), standing(found), model, request_id)
    travelled = msgspec.json.decode(msgspec.json.encode(decision.record), type=RefusalToken)
    record = decode(travelled, model.serving)
    assert isinstance(record, Record)
    assert contradicts(record, model.serving) is None
    assert follows(record, found) in (True, NotIdentified(Piece.THRESHOLD))
    assert (record.emitted, travelled.calibration_version) == (model.name_of(decision.token_id or 0), 3)
    refuses = would_refuse(record, found)
    if record.propensity == 1 and not isinstance(refuses, NotIdentified) and record.emitted is not None:
        assert record.is_refusal_emitted is refuses


def decide_on(
    logits: list[float], found: Thresholds | None, **fields: Any
) -> tuple[int | None, RefusalToken]:
    """Of the model with [a] = 1, [b] = 2, [respond] = 3, and 0, 4, 5 others."""
    model = served(("[a]", "[b]"), **fields)
    decision = decide(see(np.array(logits), model, 1.0), standing(found), model, "r")
    return decision.token_id, decision.record


def test_the_category_rule_decides_by_the_threshold_of_the_largest() -> None:
    found = thresholds("category", 0.5, selected=("[a]", "[b]"), values={"[a]": 0.5, "[b]": 0.01})
    assert decide_on([0, 1, 2, 3, 0, 0], found)[0] == 2  # [b], although [respond] is larger
    assert decide_on([0, 2, 1, 3, 0, 0], found)[0] == 3  # [a] falls short of its threshold
    assert decide_on([0, 2, 1, 3, 0, 0], found)[1].threshold == 0.5


def test_where_the_largest_refusal_token_isnt_selected_what_is_largest_of_all_is_written() -> None:
    found = thresholds("category", 0.0, selected=("[b]",))
    assert decide_on([0, 2, 1, 1, 0, 0], found)[0] == 1
    assert decide_on([0, 2, 1, 3, 0, 0], found)[0] == 3
    token, record = decide_on([9, 2, 1, 3, 0, 0], found)
    assert (token, record.emitted, record.threshold, record.propensity) == (0, None, None, 1.0)
    assert decide_on([2, 2, 1, 2, 0, 0], found)[0] == 1  # a tie goes to the refusal


def test_without_a_rule_the_model_chooses_and_all_logits_are_logged() -> None:
    token, record = decide_on([0, 2, 1, 3, 0, 0], None)
    assert token is None
    assert record.logits == {"[a]": 2.0, "[b]": 1.0, RESPOND: 3.0}
    assert (record.rule, record.emitted, record.temperature, record.calibration_version) == (
        None,
        None,
        1.0,
        0,
    )
    model = served(("[a]", "[b]"))
    assert written(record, model, 2).emitted == "[b]"
    assert written(record, model, 5).emitted is None


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_logit_that_is_no_number_leaves_the_choice_to_the_model_and_says_so(bad: float, place: int) -> None:
    logits = [0.0, 2.0, 1.0, 3.0, 0.0, 0.0]
    logits[place] = bad
    model = served(("[a]", "[b]"))
    found = thresholds("sum", 0.1, selected=("[a]", "[b]"))
    decision = decide(see(np.array(logits), model, 1.0), standing(found), model, "r")
    if bad == -math.inf and place == 0:  # a token that another processor forbids
        assert decision.fallback is None
        return
    assert (decision.token_id, decision.fallback) == (None, Fallback.NOT_FINITE)
    assert decision.record == RefusalToken(
        model="m", tokenizer_hash="tok", template_hash="tpl", calibration_version=0
    )


def test_a_share_of_the_requests_gets_the_other_token_the_same_each_time() -> None:
    model = served(randomised=0.2, seed=b"seed")
    seen = see(np.array([0.0, 5.0, 1.0]), model, 1.0)
    rule = standing(thresholds("single", 0.5))
    made = [decide(seen, rule, model, str(number)) for number in range(2000)]
    assert made == [decide(seen, rule, model, str(number)) for number in range(2000)]
    other = [one for one in made if one.token_id == 2]
    assert 330 < len(other) < 470
    assert {one.record.propensity for one in other} == {0.2}
    assert {one.record.propensity for one in made if one.token_id == 1} == {0.8}
    assert draw(model, "1") != draw(served(randomised=0.2, seed=b"another"), "1")


def test_a_threshold_of_the_bias_rule_is_logged_as_a_bias_too() -> None:
    record = decide_on([0, 2, 1, 3, 0, 0], thresholds("bias", 0.2, selected=("[a]", "[b]")))[1]
    assert record.bias == pytest.approx(math.log(4))
    assert decide_on([0, 2, 1, 3, 0, 0], thresholds("bias", 0.0, selected=("[a]",)))[1].bias is None


def test_logits_seen_at_another_temperature_are_an_error() -> None:
    model = served()
    with pytest.raises(ValueError, match="temperature"):
        decide(see(np.zeros(4), model, 2.0), standing(thresholds("single", 0.5)), model, "r")
