from __future__ import annotations

from math import inf, nan
from typing import Any

import msgspec
import pytest

from monitor.recalibration.pieces import NotIdentified, Piece
from monitor.recalibration.records import Record, Serving, decode
from schemas.refusal_tokens import RefusalToken
from tests.unit.recalibration.logs import ONE, TWO, record, token


def test_a_whole_record_is_taken_as_it_is() -> None:
    found = decode(
        token(
            TWO,
            [1.0, 2.0, 3.0],
            rule="category",
            selected=("[a]",),
            threshold=0.4,
            bias=0.1,
            propensity=0.9,
            emitted="[respond]",
        ),
        TWO,
    )
    assert isinstance(found, Record)
    assert found == Record(
        refusals=("[a]", "[b]"),
        logits=(1.0, 2.0),
        respond=3.0,
        logsumexp=found.logsumexp,
        temperature=1.0,
        rule="category",
        selected=("[a]",),
        threshold=0.4,
        bias=0.1,
        propensity=0.9,
        emitted="[respond]",
    )


def test_spaces_around_a_token_do_not_count() -> None:
    given = token(ONE, [1.0, 0.0])
    spaced = msgspec.structs.replace(
        given, logits={" [refuse]": 1.0, " [respond]": 0.0}, emitted=" [refuse]", selected=(" [refuse]",)
    )
    found = decode(spaced, ONE)
    assert isinstance(found, Record)
    assert (found.logits, found.emitted, found.selected) == ((1.0,), "[refuse]", ("[refuse]",))


@pytest.mark.parametrize(
    ("fields", "piece", "detail"),
    [
        ({"logits": None}, Piece.LOGITS, ""),
        ({"logits": {}}, Piece.LOGITS, ""),
        ({"logits": {"[a]": 1.0, "[b]": 1.0}}, Piece.RESPOND_LOGIT, "[respond]"),
        ({"logits": {"[b]": 1.0, "[respond]": 1.0}}, Piece.REFUSAL_LOGIT, "[a]"),
        (
            {"logits": {"[a]": 1.0, "[b]": 1.0, "[respond]": 1.0, "[c]": 1.0}},
            Piece.UNKNOWN_TOKEN,
            "logits",
        ),
        ({"logits": {"[a]": 1.0, " [a]": 1.0, "[respond]": 1.0}}, Piece.DUPLICATE_TOKEN, ""),
        ({"logits": {"[a]": nan, "[b]": 1.0, "[respond]": 1.0}}, Piece.NOT_FINITE, "logits"),
        ({"logits": {"[a]": 1.0, "[b]": -inf, "[respond]": 1.0}}, Piece.NOT_FINITE, "logits"),
        ({"logsumexp": nan}, Piece.NOT_FINITE, "logsumexp"),
        ({"threshold": nan}, Piece.NOT_FINITE, "threshold"),
        ({"temperature": inf}, Piece.NOT_FINITE, "temperature"),
        ({"bias": -inf}, Piece.NOT_FINITE, "bias"),
        ({"propensity": nan}, Piece.NOT_FINITE, "propensity"),
        ({"threshold": 1.01}, Piece.THRESHOLD_OUTSIDE, ""),
        ({"threshold": -0.01}, Piece.THRESHOLD_OUTSIDE, ""),
        ({"temperature": 0.0}, Piece.TEMPERATURE_NOT_POSITIVE, ""),
        ({"propensity": 0.0}, Piece.PROPENSITY_OUTSIDE, ""),
        ({"propensity": 1.5}, Piece.PROPENSITY_OUTSIDE, ""),
        ({"selected": ("[c]",)}, Piece.UNKNOWN_TOKEN, "selected"),
        ({"emitted": "Sure"}, Piece.UNKNOWN_TOKEN, "emitted"),
        ({"logsumexp": 3.0}, Piece.LOGSUMEXP_TOO_SMALL, ""),
        ({"model": "other"}, Piece.OTHER_MODEL, ""),
        ({"model": None}, Piece.OTHER_MODEL, ""),
        ({"tokenizer_hash": "other"}, Piece.OTHER_TOKENIZER, ""),
        ({"tokenizer_hash": None}, Piece.OTHER_TOKENIZER, ""),
        ({"template_hash": "other"}, Piece.OTHER_TEMPLATE, ""),
        ({"template_hash": None}, Piece.OTHER_TEMPLATE, ""),
    ],
)
def test_what_is_missing_wrong_or_of_another_model_is_named(
    fields: dict[str, Any], piece: Piece, detail: str
) -> None:
    whole = token(TWO, [1.0, 2.0, 3.0])
    assert decode(msgspec.structs.replace(whole, **fields), TWO) == NotIdentified(piece, detail)


def test_no_record_is_named_too() -> None:
    assert decode(None, ONE) == NotIdentified(Piece.RECORD)
    assert decode(RefusalToken(), ONE) == NotIdentified(Piece.OTHER_MODEL)


def test_a_log_sum_exp_that_was_rounded_is_none_too_small() -> None:
    whole = token(ONE, [1.0, 3.5])
    assert whole.logsumexp is not None
    rounded = msgspec.structs.replace(whole, logsumexp=whole.logsumexp - 0.004)
    assert isinstance(decode(rounded, ONE), Record)


def test_a_log_sum_exp_belongs_to_its_temperature() -> None:
    """Of logits halved it is smaller, and would contradict them at a temperature of 1."""
    assert record(ONE, [4.0, 6.0], temperature=2.0).temperature == 2.0
    wrong = msgspec.structs.replace(token(ONE, [4.0, 6.0], temperature=2.0), temperature=1.0)
    assert decode(wrong, ONE) == NotIdentified(Piece.LOGSUMEXP_TOO_SMALL)


@pytest.mark.parametrize("refusals", [(), ("[a]", "[a]"), ("[respond]",), (" [a]",)])
def test_a_model_whose_tokens_cannot_be_told_apart_is_refused(refusals: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="names that differ"):
        Serving("m", "t", "c", refusals)
