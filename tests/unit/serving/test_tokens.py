from __future__ import annotations

from typing import Any

import pytest

from monitor.errors import Misconfigured
from monitor.serving.hashes import template_hash, tokenizer_hash
from monitor.serving.tokens import Served, id_of
from schemas.refusal_tokens import REFUSE
from tests.unit.serving.serving_parts import FIVE, Words, served

WORDS = {" [refuse]": 7, "[respond]": 8, "[": 1, "r": 2, "]": 3}


def test_a_token_is_read_with_its_leading_space_or_without() -> None:
    assert (id_of(Words(WORDS), "[refuse]"), id_of(Words(WORDS), "[respond]")) == (7, 8)
    assert id_of(Words(WORDS | {"[refuse]": 9}), "[refuse]") == 7  # as it was trained


@pytest.mark.parametrize("name", ["[rr]", "[Unsupported requests]"])
def test_a_token_that_is_several_is_refused(name: str) -> None:
    with pytest.raises(Misconfigured, match=r"makes \d+ tokens of"):
        id_of(Words(WORDS), name)


@pytest.mark.parametrize("name", ["x", ""])
def test_a_token_that_isnt_there_is_refused(name: str) -> None:
    with pytest.raises(Misconfigured, match="no token"):
        id_of(Words({}), name)


@pytest.mark.parametrize(
    "fields",
    [
        {"refusal_ids": (1, 1)},
        {"refusal_ids": (1,)},
        {"refusal_ids": (1, 3)},
        {"refusal_ids": (-1, 2)},
        {"randomised": 0.6},
        {"randomised": -0.1},
        {"randomised": float("nan")},
        {"temperature": 0.0},
        {"temperature": float("inf")},
        {"temperature": float("nan")},
    ],
)
def test_a_model_whose_tokens_cant_be_told_apart_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured):
        served(("[a]", "[b]"), **fields)


@pytest.mark.parametrize("refusals", [(REFUSE,), FIVE])
def test_ids_have_names(refusals: tuple[str, ...]) -> None:
    model: Served = served(refusals)
    assert [model.name_of(number) for number in model.ids] == [*refusals, "[respond]"]
    assert model.name_of(0) is None


def test_a_tokenizers_hash_changes_with_ids_and_with_what_it_makes_of_text() -> None:
    class Splits(Words):
        def encode(self, text: str, /, *, add_special_tokens: bool) -> list[int]:
            return super().encode(text.lower(), add_special_tokens=add_special_tokens)

    found = [
        tokenizer_hash(one)
        for one in (Words(WORDS), Words(WORDS), Words(WORDS | {"[": 9}), Words(WORDS | {"x": 10}))
    ]
    assert found[0] == found[1]
    assert len(set(found)) == 3
    letters = WORDS | {"T": 11, "t": 12}
    assert tokenizer_hash(Splits(letters)) != tokenizer_hash(Words(letters))
    # Pinned: records in logs name it.
    assert found[0] == "33ac41b7bfff02b70fc468f625658dc1785c69e0f17dc4808d7730b3ab8dfe9a"


def test_a_templates_hash_is_of_its_text() -> None:
    assert template_hash(None) == template_hash("")
    assert template_hash("{{ a }}") != template_hash("{{ a }} ")
    with pytest.raises(Misconfigured, match="2 chat templates: rag, tools"):
        template_hash({"tools": "", "rag": ""})
