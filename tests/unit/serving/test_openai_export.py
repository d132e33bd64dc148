from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from monitor.errors import Misconfigured
from monitor.recalibration.rules import RULES
from monitor.serving.openai_export import EVERY_POSITION, EXACT, export, ids_by
from schemas.refusal_tokens import CATEGORY_TOKENS
from tests.unit.recalibration.logs import thresholds
from tests.unit.serving.serving_parts import Words, published


def test_a_threshold_becomes_a_bias() -> None:
    found = export(thresholds("bias", 0.2, temperature=0.5), {"[refuse]": 7})
    assert found.logit_bias == {"7": pytest.approx(0.5 * math.log(4), abs=1e-6)}
    assert (found.caveats[0], EXACT in found.caveats, found.clipped) == (EVERY_POSITION, True, ())


def test_each_category_has_its_own_and_what_is_beyond_the_api_is_cut_and_named() -> None:
    selected = CATEGORY_TOKENS[:3]
    values = dict(zip(selected, (0.0, 1.0, 0.5), strict=True))
    found = export(
        thresholds("category", 0.5, selected=selected, values=values),
        {name: place for place, name in enumerate(CATEGORY_TOKENS)},
    )
    assert found.logit_bias == {"0": 100.0, "1": -100.0, "2": 0.0}
    assert found.clipped == selected[:2]
    assert all(name in found.caveats[-1] for name in found.clipped)


@pytest.mark.parametrize("rule", RULES)
def test_the_file_says_in_words_that_it_isnt_the_same(rule: str) -> None:
    found = export(thresholds(rule, 0.4), {"[refuse]": 7})
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(found.document(published())))
    assert EVERY_POSITION in document["caveats"]
    assert len(document["caveats"]) == 4
    assert (document["version"], document["logit_bias"]) == (3, {"7": pytest.approx(0.405465)})


def test_a_token_that_the_tokenizer_splits_is_refused() -> None:
    with pytest.raises(Misconfigured, match="makes"):
        ids_by(Words({"[": 1}), thresholds("single", 0.5))
    with pytest.raises(Misconfigured, match=r"no token id for \[refuse\]"):
        export(thresholds("single", 0.5), {})


def test_a_threshold_outside_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not in 0\.\.1"):
        export(thresholds("single", 1.2), {"[refuse]": 7})
