"""Messages to and from the guard: what is sent, and what an answer is taken for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2  # type: ignore[import-untyped]  # ships no types

from monitor.adapters.triton_wire import encode, identity_of, infer_request, read_scores
from monitor.embedded.kserve import read_inputs
from monitor.errors import Misconfigured
from monitor.ports import GuardIdentity, Score
from schemas.taxonomy import CATEGORIES
from schemas.tensors import GUARD_OUTPUTS, NOT_ASKED
from tests.fakes.guard_server import guard_config

ASKED = encode("a prompt", "a response", 100)
ALONE = encode("a prompt", None, 100)
UNKNOWN = Score("unknown", None, None, None, "", None, False)


def answer(**values: list[Any]) -> Any:
    """One row, ok throughout, but for `values`."""
    category = [0.3] + [0.0] * 12 + [0.7]
    given = {"prompt_harm": [0.7], "refusal": [0.25], "response_harm": [0.5], "category": category} | values
    response = service_pb2.ModelInferResponse(model_name="guard_lite", model_version="1")
    for tensor in GUARD_OUTPUTS:
        response.outputs.add(name=tensor.name, datatype=tensor.dtype, shape=(1, *tensor.shape))
        dtype = np.bool_ if tensor.dtype == "BOOL" else np.float32
        response.raw_output_contents.append(np.array(given.get(tensor.name, [False]), dtype).tobytes())
    return response


def near(value: float) -> float:
    return float(np.float32(value))


def test_an_answer_becomes_a_score() -> None:
    assert read_scores(answer(), [ASKED]) == [
        Score("ok", near(0.7), 0.25, 0.5, "mental_health_overreliance", near(0.7), False)
    ]


def test_without_a_response_refusal_and_response_harm_are_none_whatever_the_tensor_says() -> None:
    for value in (math.nan, 0.5):
        scores = read_scores(answer(refusal=[value], response_harm=[value]), [ALONE])
        assert scores == [Score("ok", near(0.7), None, None, "mental_health_overreliance", near(0.7), False)]


def test_the_category_is_benign_exactly_where_that_outweighs_all_harms_together() -> None:
    spread = [0.4] + [0.045] * 12
    (harmful,) = read_scores(answer(category=[*spread, 1 - sum(spread)], prompt_harm=[0.6]), [ASKED])
    assert harmful.category == "mental_health_overreliance"
    spread = [0.6] + [0.03] * 12
    (benign,) = read_scores(answer(category=[*spread, 1 - sum(spread)], prompt_harm=[0.4]), [ASKED])
    assert (benign.category, benign.category_probability) == ("benign", near(0.6))


@pytest.mark.parametrize("name", ["prompt_harm", "refusal", "response_harm"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.01, 1.01])
def test_what_is_no_probability_is_unknown_never_safe(name: str, value: float) -> None:
    assert read_scores(answer(**{name: [value]}), [ASKED]) == [UNKNOWN]


@pytest.mark.parametrize(
    "category", [[math.nan] + [0.0] * 13, [0.5] + [0.0] * 13, [2.0, -1.0] + [0.0] * 12, [1.0] * 14]
)
def test_a_category_that_is_no_distribution_is_unknown(category: list[float]) -> None:
    assert read_scores(answer(category=category), [ASKED]) == [UNKNOWN]


def lose_an_output(response: Any) -> None:
    del response.outputs[0]
    del response.raw_output_contents[0]


def lose_a_content(response: Any) -> None:
    del response.raw_output_contents[0]


def change_a_type(response: Any) -> None:
    response.outputs[0].datatype = "FP64"


def change_a_shape(response: Any) -> None:
    response.outputs[0].shape[:] = [2, 1]


def cut_a_content(response: Any) -> None:
    response.raw_output_contents[3] = response.raw_output_contents[3][:-1]


def test_what_a_guard_is_not_asked_is_none_and_the_rest_is_kept() -> None:
    nothing = [NOT_ASKED] * len(CATEGORIES)
    (score,) = read_scores(answer(refusal=[NOT_ASKED], category=nothing), [ASKED])
    assert score == Score("ok", near(0.7), None, 0.5, "", None, False)
    (unknown,) = read_scores(answer(refusal=[math.nan], category=nothing), [ASKED])
    assert unknown == UNKNOWN


@pytest.mark.parametrize(
    "distort", [lose_an_output, lose_a_content, change_a_type, change_a_shape, cut_a_content]
)
def test_an_answer_of_another_shape_makes_every_row_unknown(distort: Callable[[Any], None]) -> None:
    response = answer()
    distort(response)
    assert read_scores(response, [ASKED]) == [UNKNOWN]


def test_a_text_at_the_limit_is_whole_and_a_longer_one_keeps_head_and_tail() -> None:
    assert encode("a" * 100, None, 100) == (b"a" * 100, b"", False, False)
    text = "h" * 150 + "t" * 150
    assert encode("p", text, 101) == (b"p", b"h" * 50 + b" " + b"t" * 50, True, True)


def test_an_unknown_answer_still_says_that_the_text_was_cut() -> None:
    (score,) = read_scores(answer(prompt_harm=[math.nan]), [encode("p" * 101, None, 100)])
    assert score == Score("unknown", None, None, None, "", None, True)


def test_lone_surrogates_become_question_marks() -> None:
    assert encode("a\ud800b", "\udfff", 100)[:2] == (b"a?b", b"?")


@given(st.lists(st.tuples(st.text(), st.none() | st.text()), min_size=1, max_size=20))
def test_what_is_sent_can_be_read_back(exchanges: list[tuple[str, str | None]]) -> None:
    encoded = [encode(prompt, response, 10_000) for prompt, response in exchanges]
    prompts, responses, flags = read_inputs(infer_request("guard_lite", encoded, 1.5))
    assert [text.decode() for text in prompts] == [prompt for prompt, _ in exchanges]
    assert [text.decode() for text in responses] == [response or "" for _, response in exchanges]
    assert flags.tolist() == [response is not None for _, response in exchanges]


def test_the_identity_comes_from_the_config() -> None:
    config = guard_config()
    parameters = {name: value.string_value for name, value in config.parameters.items()}
    assert identity_of(config) == GuardIdentity(
        "guard_lite", parameters["guard_version"], parameters["prompt_hash"]
    )


def without_labels(config: Any) -> None:
    del config.parameters["category_labels"]


def other_labels(config: Any) -> None:
    config.parameters["category_labels"].string_value = "benign,harmful"


def without_hash(config: Any) -> None:
    config.parameters["prompt_hash"].string_value = ""


def without_batches(config: Any) -> None:
    config.max_batch_size = 0


def missing_input(config: Any) -> None:
    del config.input[2]


def other_output(config: Any) -> None:
    config.output[3].dims[:] = [2]


def added_input(config: Any) -> None:
    config.input.add(name="language", data_type=13, dims=[1])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without_labels, "category_labels"),
        (other_labels, "category_labels"),
        (without_hash, "prompt_hash"),
        (without_batches, "max_batch_size is 0"),
        (missing_input, "input has_response is missing"),
        (other_output, "output category is ('TYPE_FP32', (2,)), not ('TYPE_FP32', (14,))"),
        (added_input, "input language is ('TYPE_STRING', (1,)), not wanted"),
    ],
)
def test_a_model_that_breaks_the_contract_is_refused_with_what_differs(
    spoil: Callable[[Any], None], said: str
) -> None:
    config = guard_config()
    spoil(config)
    with pytest.raises(Misconfigured) as caught:
        identity_of(config)
    assert said in str(caught.value)
    assert caught.value.remedy
