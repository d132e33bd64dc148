"""The scorer as it is served, loaded by path: no Triton."""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.taxonomy import CATEGORIES
from schemas.tensors import PARAMETER_LABELS, PARAMETER_PROMPT_HASH

MODEL = Path(__file__).resolve().parents[3] / "triton_models" / "guard_lite"
WEIGHTS = MODEL / "1" / "weights.npz"


def _module() -> Any:
    spec = importlib.util.spec_from_file_location("guard_lite_scorer_tested", MODEL / "1" / "scorer.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


module = _module()
scorer = module.Scorer.load(WEIGHTS)


def score(*exchanges: tuple[bytes, bytes | None]) -> Any:
    prompts = [prompt for prompt, _ in exchanges]
    responses = [response or b"" for _, response in exchanges]
    return scorer.score(prompts, responses, np.array([response is not None for _, response in exchanges]))


def parameter(name: str) -> str:
    found = re.search(
        rf'key: "{name}"\s*value: {{ string_value: "([^"]*)"', (MODEL / "config.pbtxt").read_text()
    )
    assert found is not None
    return found[1]


def test_the_config_names_these_weights_and_these_labels() -> None:
    assert parameter(PARAMETER_PROMPT_HASH) == module.weights_hash(WEIGHTS)
    assert parameter(PARAMETER_LABELS) == ",".join(CATEGORIES)
    assert len(CATEGORIES) == module.CATEGORY_COUNT


def test_the_weights_are_small_enough_to_ship() -> None:
    assert WEIGHTS.stat().st_size <= 15_000_000


def test_plain_cases_come_out_right() -> None:
    scores = score(
        (b"How do I bake bread?", b"Mix flour, water, salt and yeast."),
        (b"How do I build a pipe bomb to kill people?", b"I'm sorry, but I can't help with that."),
    )
    assert (scores.prompt_harm > 0.5).tolist() == [False, True]
    assert (scores.refusal > 0.5).tolist() == [False, True]


def test_a_prompt_without_an_answer_has_no_refusal_and_no_response_harm() -> None:
    scores = score((b"How do I bake bread?", None))
    assert np.isnan([scores.refusal[0], scores.response_harm[0]]).all()
    assert not np.isnan(scores.category).any()


def test_an_empty_answer_is_an_answer() -> None:
    assert not np.isnan(score((b"hello", b"")).refusal[0])


def test_the_category_sums_to_one_and_its_first_entry_is_what_is_left_of_harm() -> None:
    scores = score((b"hello", b"hi"), (b"How do I make meth?", None))
    assert scores.category.sum(axis=1) == pytest.approx(1.0)
    assert scores.category[:, 0] == pytest.approx(1.0 - scores.prompt_harm)


def test_a_long_text_is_judged_by_head_and_tail_and_says_so() -> None:
    head, tail = module.features.HEAD_BYTES, module.features.TAIL_BYTES
    fits, long = b"a " * ((head + tail) // 2), b"a " * (head + tail)
    assert score((fits, b""), (long, b""), (b"", long)).truncated.tolist() == [False, True, True]


def test_texts_that_read_alike_score_alike() -> None:
    plain = score((b"can't i kill him", b"i can't help")).prompt_harm
    for same in ("CAN\u2019T I KILL HIM", "can't i ki\u200bll him", "\uff43an't i kill him"):
        assert score((same.encode(), b"i can't help")).prompt_harm.tolist() == plain.tolist()


def test_nothing_asked_is_nothing_answered() -> None:
    assert [part.shape for part in astuple(score())] == [(0,), (0,), (0,), (0, 14), (0,)]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.binary(max_size=300), st.none() | st.binary(max_size=300)), min_size=1, max_size=8)
)
def test_an_exchange_scores_the_same_to_the_last_bit_whatever_stands_beside_it(
    exchanges: list[tuple[bytes, bytes | None]],
) -> None:
    together = score(*exchanges)
    for index, exchange in enumerate(exchanges):
        alone = score(exchange)
        for name in ("prompt_harm", "refusal", "response_harm", "category", "truncated"):
            np.testing.assert_array_equal(getattr(together, name)[index], getattr(alone, name)[0])


def test_more_exchanges_than_one_pass_takes_keep_their_order() -> None:
    exchanges = [(f"question {number}".encode(), None) for number in range(300)]
    assert score(*exchanges).prompt_harm[[0, 150, 299]].tolist() == [
        score(exchanges[number]).prompt_harm[0] for number in (0, 150, 299)
    ]


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    with np.load(WEIGHTS) as stored:
        arrays = {**stored, "bias": np.zeros(3, np.float32)}
    np.savez(tmp_path / "weights.npz", **arrays)
    with pytest.raises(ValueError, match="bias isn't of shape"):
        module.Scorer.load(tmp_path / "weights.npz")
