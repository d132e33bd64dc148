from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import numpy as np
import pytest

from monitor.recalibration.pieces import Piece
from monitor.recalibration.windows import Logged, of_verdict, read
from tests.fakes.verdicts import a_verdict
from tests.unit.recalibration.logs import AT, ONE, TWO, logged, sample, thresholds, token

LIVE = thresholds("single", 0.5)


def test_a_row_becomes_columns() -> None:
    served = token(ONE, [1.0, 0.0], rule="single", threshold=0.5, emitted="[refuse]", propensity=0.9)
    rows = [
        logged(served, inclusion=0.25, is_harmful=True, is_refused=False, severity=0.5),
        logged(token(ONE, [-1.0, 0.0]), at=AT + timedelta(hours=1)),
    ]
    window = read(rows, ONE, LIVE, live=LIVE)

    assert (window.begins_at, window.ends_at, window.rows) == (AT, AT + timedelta(hours=1), 2)
    assert (window.unidentified, window.identified) == ({}, 1.0)
    np.testing.assert_allclose(window.sample.score, [0.7310586, 0.2689414], rtol=1e-6)
    columns = ("inclusion", "harmful", "severity", "text", "emitted", "natural", "propensity", "follows")
    np.testing.assert_equal(
        np.array([getattr(window.sample, name) for name in columns]),
        np.array([[0.25, 1], [1, np.nan], [0.5, 1], [0, np.nan], [1, np.nan], [1, 0], [0.9, 1], [1, np.nan]]),
    )
    np.testing.assert_equal(window.sample.weights, [4.0, 1.0])


def test_what_is_not_identified_is_counted_by_piece_and_said() -> None:
    good = token(ONE, [1.0, 0.0])
    rows = [
        logged(None),
        logged(None),
        logged(good, context_turns=2),
        logged(msgspec.structs.replace(good, tokenizer_hash="new")),
        logged(msgspec.structs.replace(good, logsumexp=None)),
        logged(token(ONE, [1.0, 0.0], rule="single", threshold=0.9, emitted="[refuse]")),
        logged(good),
    ]
    window = read(rows, ONE, LIVE)
    assert window.unidentified == {
        Piece.RECORD: 2,
        Piece.LATER_TURN: 1,
        Piece.OTHER_TOKENIZER: 1,
        Piece.LOGSUMEXP: 1,
        Piece.EMITTED_AGAINST_RULE: 1,
    }
    assert len(window.sample) == 1
    assert window.identified == pytest.approx(1 / 6)  # later turns aren't asked for
    assert window.report()[0] == "not identified: 2 of 7 (record: The exchange has no refusal-token record.)"


def test_a_system_prompt_in_front_of_every_prompt_makes_no_later_turn() -> None:
    rows = [logged(token(ONE, [1.0, 0.0]), context_turns=1)]
    assert len(read(rows, ONE, LIVE).sample) == 0
    assert len(read(rows, replace(ONE, context_turns=1), LIVE).sample) == 1


def test_a_window_without_rows_and_shares_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="no logs"):
        read([], ONE, LIVE)
    for row in (logged(None, inclusion=0.0), logged(None, inclusion=1.5), logged(None, severity=2.0)):
        with pytest.raises(ValueError, match="inclusion"):
            read([row], ONE, LIVE)


def test_a_shape_that_the_model_cannot_have_is_refused() -> None:
    with pytest.raises(ValueError, match="none of the model's"):
        read([logged(None)], ONE, thresholds("single", 0.5, selected=("[a]",)))
    with pytest.raises(ValueError, match="has one refusal token"):
        read([logged(None)], TWO, thresholds("single", 0.5, selected=("[a]", "[b]")))


def test_groups_are_the_largest_refusal_tokens() -> None:
    rows = [logged(token(TWO, z)) for z in ([3.0, 1.0, 0.0], [1.0, 3.0, 0.0], [1.0, 3.0, 9.0])]
    of = thresholds("category", 0.5, selected=("[a]",))
    found = read(rows, TWO, of).sample
    assert found.group.tolist() == ["[a]", "[b]", "[b]"]
    assert found.score[1:].tolist() == [np.inf, -np.inf]
    assert found.refused_at({"[a]": 0.99}).tolist() == [False, True, False]
    assert found.refused_at({"[a]": 0.5}).tolist() == [True, True, False]


def test_prompts_are_refused_from_the_threshold_on() -> None:
    assert sample([0.4, 0.5, 0.6]).refused_at({"": 0.5}).tolist() == [False, True, True]


def test_a_verdict_brings_the_guards_labels() -> None:
    verdict = a_verdict()
    assert of_verdict(msgspec.structs.replace(verdict, sampling_decision="sampled_out")) is None
    assert of_verdict(verdict) == Logged(
        token=verdict.refusal_token,
        at=verdict.arrived_at,
        context_turns=2,
        inclusion=1.0,
        is_harmful=True,
        is_refused=True,
    )
