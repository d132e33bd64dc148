from __future__ import annotations

from math import exp, inf, isclose
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.recalibration.pieces import NotIdentified, Piece
from monitor.recalibration.records import Record
from monitor.recalibration.rules import (
    ALWAYS,
    NEVER,
    Score,
    bias_of,
    checked,
    contradicts,
    follows,
    is_refusal_natural,
    live_thresholds,
    score,
    threshold_of,
    would_refuse,
)
from schemas.calibrations import ALL, Thresholds
from tests.unit.recalibration.logs import ONE, TWO, record, thresholds

LOGITS = st.floats(-8, 8)
SHARES = st.floats(0.01, 0.99)
BOTH = ("[a]", "[b]")


def softmax(values: list[float], rest: float = 0.0) -> list[float]:
    total = sum(map(exp, values)) + rest
    return [exp(value) / total for value in values]


@given(LOGITS, LOGITS, SHARES)
def test_the_single_rule_refuses_where_p_reaches_the_threshold(z: float, respond: float, t: float) -> None:
    p = softmax([z, respond])[0]
    if not isclose(p, t, abs_tol=1e-9):
        assert would_refuse(record(ONE, [z, respond]), thresholds("single", t)) == (p >= t)


@given(LOGITS, LOGITS, LOGITS, SHARES, SHARES)
def test_the_category_rule_asks_the_largest_tokens_own_threshold(
    a: float, b: float, respond: float, t_a: float, t_b: float
) -> None:
    p = softmax([a, b, respond])
    of = Thresholds(rule="category", selected=BOTH, temperature=1.0, values={"[a]": t_a, "[b]": t_b})
    largest, t = (p[0], t_a) if a >= b else (p[1], t_b)
    if not isclose(largest, t, abs_tol=1e-9):
        assert would_refuse(record(TWO, [a, b, respond]), of) == (largest >= t)


@given(LOGITS, LOGITS, LOGITS, SHARES)
def test_the_sum_rule_adds_the_selected_up(a: float, b: float, respond: float, t: float) -> None:
    p = softmax([a, b, respond])
    if not isclose(p[0] + p[1], t, abs_tol=1e-9):
        found = would_refuse(record(TWO, [a, b, respond]), thresholds("sum", t, selected=BOTH))
        assert found == (p[0] + p[1] >= t)
    if not isclose(p[1], t, abs_tol=1e-9):
        alone = would_refuse(record(TWO, [a, b, respond]), thresholds("sum", t, selected=("[b]",)))
        assert alone == (p[1] >= t)


@given(LOGITS, LOGITS, LOGITS, SHARES, st.floats(0.2, 3))
def test_a_bias_is_the_threshold_that_it_equals(
    a: float, b: float, respond: float, t: float, temperature: float
) -> None:
    """Adding b to the logits and taking the largest, against T on p_r / (p_r + p_s) at that temperature."""
    added = max(a, b) + bias_of(t, temperature)
    if not isclose(added, respond, abs_tol=1e-6):
        of = thresholds("bias", t, selected=BOTH, temperature=temperature)
        assert would_refuse(record(TWO, [a, b, respond], temperature=temperature), of) == (added >= respond)


@given(SHARES, st.floats(0.2, 3))
def test_bias_and_threshold_turn_into_each_other(t: float, temperature: float) -> None:
    assert threshold_of(bias_of(t, temperature), temperature) == pytest.approx(t)


def test_the_bias_of_a_threshold_is_its_log_odds_turned_round() -> None:
    assert bias_of(0.5) == 0
    assert bias_of(0.25) == pytest.approx(1.0986123)  # ln 3
    assert (bias_of(0.0), bias_of(1.0)) == (inf, -inf)
    with pytest.raises(ValueError, match=r"0\.\.1"):
        bias_of(1.5)


@given(LOGITS, LOGITS, st.lists(SHARES, min_size=2, max_size=5))
def test_a_higher_threshold_never_refuses_more(z: float, respond: float, levels: list[float]) -> None:
    of = record(ONE, [z, respond])
    decisions = [would_refuse(of, thresholds("single", t)) for t in sorted(levels)]
    assert decisions == sorted(decisions, reverse=True, key=bool)


def test_ties_go_to_the_refusal() -> None:
    assert would_refuse(record(ONE, [0.0, 0.0]), thresholds("bias", 0.5)) is True


def test_a_token_outside_of_the_selection_is_left_to_the_model() -> None:
    of = thresholds("category", 0.99, selected=("[a]",))
    assert score(record(TWO, [0.0, 3.0, 1.0]), of) == Score("[b]", ALWAYS)
    assert score(record(TWO, [0.0, 3.0, 4.0]), of) == Score("[b]", NEVER)
    assert would_refuse(record(TWO, [0.0, 3.0, 1.0]), of) is True
    assert would_refuse(record(TWO, [0.0, 3.0, 4.0]), of) is False


def test_a_token_that_is_not_logged_may_have_been_the_largest() -> None:
    of = thresholds("category", 0.5, selected=("[a]",))
    doubtful = record(TWO, [0.0, 3.0, 1.0], rest=3.1)
    assert is_refusal_natural(doubtful) is None
    assert would_refuse(doubtful, of) == NotIdentified(Piece.UNLOGGED_TOKEN, "[b]")
    assert would_refuse(record(TWO, [0.0, 3.0, 1.0], rest=2.9), of) is True


@pytest.mark.parametrize(
    ("fields", "rule", "found"),
    [
        ({"logsumexp": None}, "single", NotIdentified(Piece.LOGSUMEXP)),
        ({"temperature": None}, "sum", NotIdentified(Piece.TEMPERATURE)),
        ({"temperature": 0.7}, "single", NotIdentified(Piece.OTHER_TEMPERATURE)),
        ({"logsumexp": None}, "bias", True),  # two-way: the rest of the vocabulary doesn't enter
        ({"temperature": None}, "bias", True),
    ],
)
def test_what_a_rule_needs_and_the_log_lacks_is_named(
    fields: dict[str, Any], rule: str, found: object
) -> None:
    if fields.get("temperature", 0) is None:
        of = record(ONE, [1.0, 0.0])
        of = Record(**{name: getattr(of, name) for name in Record.__slots__} | fields)
    else:
        of = record(ONE, [1.0, 0.0], **fields)
    assert would_refuse(of, thresholds(rule, 0.4)) == found


@pytest.mark.parametrize(
    ("logits", "fields", "piece"),
    [
        (
            [1.0, 0.0],
            {"rule": "single", "threshold": 0.5, "emitted": "[respond]"},
            Piece.EMITTED_AGAINST_RULE,
        ),
        ([1.0, 0.0], {"rule": "single", "threshold": 0.5, "emitted": "[refuse]"}, None),
        ([1.0, 0.0], {"rule": "single", "threshold": 0.5, "emitted": "[respond]", "propensity": 0.1}, None),
        ([0.0, 0.0], {"rule": "single", "threshold": 0.5004, "emitted": "[refuse]"}, None),  # rounding
        ([1.0, 0.0], {"rule": "single", "threshold": 0.5}, None),
        ([1.0, 0.0], {"rule": "bias", "bias": 0.0, "threshold": 0.6}, Piece.BIAS_AGAINST_THRESHOLD),
        ([1.0, 0.0], {"rule": "bias", "bias": -2.0, "emitted": "[refuse]"}, Piece.EMITTED_AGAINST_RULE),
        ([1.0, 0.0], {"rule": "bias", "bias": 0.0, "emitted": "[refuse]"}, None),
        ([1.0, 0.0], {"rule": "magic", "threshold": 0.5, "emitted": "[respond]"}, None),
        ([1.0, 0.0], {"rule": "category", "threshold": 0.5, "emitted": "[respond]"}, None),  # of what?
    ],
)
def test_a_log_that_contradicts_itself_is_found(
    logits: list[float], fields: dict[str, Any], piece: Piece | None
) -> None:
    found = contradicts(record(ONE, logits, **fields), ONE)
    assert found == (None if piece is None else NotIdentified(piece))


def test_a_record_says_whether_it_was_decided_by_thresholds() -> None:
    live = thresholds("single", 0.3)
    assert follows(record(ONE, [1.0, 0.0], rule="single", threshold=0.3), live) is True
    assert follows(record(ONE, [1.0, 0.0], rule="single", threshold=0.4), live) is False
    assert follows(record(ONE, [1.0, 0.0], rule="bias", bias=0.0), live) is False
    assert follows(record(ONE, [1.0, 0.0], rule="bias", bias=0.0), thresholds("bias", 0.5)) is True
    assert follows(record(ONE, [1.0, 0.0]), live) == NotIdentified(Piece.RULE)
    assert follows(record(ONE, [1.0, 0.0], rule="single"), live) == NotIdentified(Piece.THRESHOLD)
    of_two = Thresholds(rule="category", selected=BOTH, temperature=1.0, values={"[a]": 0.2, "[b]": 0.6})
    by_category: dict[str, Any] = {"rule": "category", "selected": BOTH}
    assert follows(record(TWO, [0.0, 3.0, 1.0], threshold=0.6, **by_category), of_two) is True
    assert follows(record(TWO, [0.0, 3.0, 1.0], threshold=0.2, **by_category), of_two) is False
    unselected = record(TWO, [0.0, 3.0, 1.0], rule="category", threshold=0.6)
    assert follows(unselected, of_two) == NotIdentified(Piece.SELECTED)


@pytest.mark.parametrize(
    "fields",
    [
        {"selected": ()},
        {"selected": ("[a]", "[a]")},
        {"selected": BOTH},
        {"temperature": 0.0},
        {"values": {}},
        {"values": {"[refuse]": 0.5}},
        {"values": {ALL: 1.5}},
        {"values": {ALL: float("nan")}},
    ],
)
def test_thresholds_that_make_no_sense_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        checked(
            thresholds("single", 0.5, **fields)
            if "selected" not in fields
            else thresholds("single", 0.5, selected=fields["selected"])
        )


def test_a_rule_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no rule"):
        live_thresholds("magic", ("[a]",), 1.0, 0.5)
    assert live_thresholds("category", BOTH, 1.0, 0.5).values == {"[a]": 0.5, "[b]": 0.5}
