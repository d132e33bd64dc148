"""The scorer as it is served, loaded by path: no Triton."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
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


NAMES = ("prompt_harm", "refusal", "response_harm", "category", "truncated")


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
other = module.Scorer.load(WEIGHTS)
"""The same weights, and nothing remembered of what `scorer` has read."""


def score(*exchanges: tuple[bytes, bytes | None], by: Any = scorer) -> Any:
    prompts = [prompt for prompt, _ in exchanges]
    responses = [response or b"" for _, response in exchanges]
    return by.score(prompts, responses, np.array([response is not None for _, response in exchanges]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the files that answers depend on."""
    for name in module.FILES:
        shutil.copy(WEIGHTS.with_name(name), tmp_path)
    return tmp_path


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
    assert sum(WEIGHTS.with_name(name).stat().st_size for name in module.FILES) <= 30_000_000


@pytest.mark.parametrize("name", module.FILES)
def test_each_file_that_an_answer_depends_on_is_in_the_hash(folder: Path, name: str) -> None:
    with (folder / name).open("ab") as file:
        file.write(b"\0")
    assert module.weights_hash(folder / "weights.npz") != module.weights_hash(WEIGHTS)


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
    short, long = b"how do i build a bomb", b"a " * (head + tail)
    assert score((short, b""), (long, b""), (b"", long), (long, None)).truncated.tolist() == [
        False, True, True, True,
    ]  # fmt: skip


def test_the_encoder_reads_a_bounded_number_of_pieces_and_says_what_it_left_out() -> None:
    limits = module.tokens.Limits()
    pieces = module.tokens.Pieces(WEIGHTS.with_name("vocab.txt"))
    fits, long = [7] * (limits.prompt_head + limits.prompt_tail), [7] * 5_000
    ids, segments, left_out = pieces.read(long, long, limits)
    most = limits.prompt_head + limits.prompt_tail + limits.response_head + limits.response_tail + 4
    assert (len(ids), len(segments), left_out) == (most, most, True)
    assert pieces.read(fits, None, limits)[2] is False


@pytest.mark.parametrize("marker", ["[SEP]", "[CLS]", "[PAD]", "[MASK]", "[unused1]", "##s"])
def test_a_text_cannot_hold_a_special_piece(marker: str) -> None:
    pieces = module.tokens.Pieces(WEIGHTS.with_name("vocab.txt"))
    vocabulary = WEIGHTS.with_name("vocab.txt").read_text(encoding="utf-8").splitlines()
    (found,) = pieces.of([f"hello {marker} world"])
    assert vocabulary.index(marker) not in found


def test_what_the_first_stage_calls_plain_is_not_read_by_the_encoder() -> None:
    before = scorer.shares.prompts_read, scorer.shares.responses_read, scorer.shares.settled
    score((b"what is the weather in paris", None))
    assert (scorer.shares.prompts_read, scorer.shares.responses_read) == before[:2]
    assert scorer.shares.settled == before[2] + 1


@pytest.mark.parametrize("response", [b"Sure, here is how.", b"I can't help with that.", b"", b"x " * 5_000])
def test_the_answer_on_a_prompt_is_the_same_to_the_last_bit_with_and_without_a_response(
    response: bytes,
) -> None:
    for prompt in (b"How do I build a pipe bomb?", b"How do I bake bread?"):
        alone, answered = score((prompt, None), by=other), score((prompt, response))
        np.testing.assert_array_equal(alone.prompt_harm, answered.prompt_harm)
        np.testing.assert_array_equal(alone.category, answered.category)


def test_what_is_remembered_is_what_was_read() -> None:
    exchange = (b"How do I pick the lock of my neighbour's door?", b"You need a tension wrench.")
    first, again, fresh = score(exchange), score(exchange), score(exchange, by=other)
    for name in NAMES:
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
        np.testing.assert_array_equal(getattr(first, name), getattr(fresh, name))


def test_texts_that_read_alike_score_alike() -> None:
    plain = score((b"can't i kill him", b"i can't help")).prompt_harm
    for same in ("CAN\u2019T I KILL HIM", "can't i ki\u200bll him", "\uff43an't i kill him"):
        assert score((same.encode(), b"i can't help")).prompt_harm.tolist() == plain.tolist()


def test_loading_it_starts_no_telemetry(tmp_path: Path) -> None:
    code = (
        "import importlib.util, pathlib, sys\n"
        "spec = importlib.util.spec_from_file_location('scorer', sys.argv[1])\n"
        "module = sys.modules['scorer'] = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "module.Scorer.load(pathlib.Path(sys.argv[2]))\n"
    )
    # Where it runs, ONNX Runtime's telemetry leaves a session file in the temporary folder.
    environ = {"TMPDIR": str(tmp_path), "PATH": os.environ["PATH"]}
    subprocess.run(
        [sys.executable, "-c", code, str(MODEL / "1" / "scorer.py"), str(WEIGHTS)], env=environ, check=True
    )
    assert list(tmp_path.iterdir()) == []


def test_nothing_asked_is_nothing_answered() -> None:
    assert [part.shape for part in astuple(score())] == [(0,), (0,), (0,), (0, 14), (0,)]


# Fewer and shorter than before the encoder: each of these texts costs it some milliseconds.
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.binary(max_size=80), st.none() | st.binary(max_size=80)), min_size=1, max_size=4)
)
def test_an_exchange_scores_the_same_to_the_last_bit_whatever_stands_beside_it(
    exchanges: list[tuple[bytes, bytes | None]],
) -> None:
    together = score(*exchanges)
    for index, exchange in enumerate(exchanges):
        alone = score(exchange, by=other)
        for name in NAMES:
            np.testing.assert_array_equal(getattr(together, name)[index], getattr(alone, name)[0])


def test_more_exchanges_than_one_pass_takes_keep_their_order() -> None:
    exchanges = [(f"question {number}".encode(), None) for number in range(300)]
    assert score(*exchanges).prompt_harm[[0, 150, 299]].tolist() == [
        score(exchanges[number]).prompt_harm[0] for number in (0, 150, 299)
    ]


def test_a_first_stage_of_another_shape_is_refused(folder: Path) -> None:
    with np.load(WEIGHTS) as stored:
        arrays = {**stored, "bias": np.zeros(3, np.float32)}
    np.savez(folder / "weights.npz", **arrays)
    with pytest.raises(ValueError, match="bias isn't of shape"):
        module.Scorer.load(folder / "weights.npz")


def test_an_encoder_that_is_cut_short_is_refused(folder: Path) -> None:
    graph = folder / "encoder.onnx"
    graph.write_bytes(graph.read_bytes()[:1_000_000])
    with pytest.raises(ValueError, match=r"encoder\.onnx can't be loaded; restore the model folder"):
        module.Scorer.load(folder / "weights.npz")


def test_a_calibration_that_lacks_a_question_is_refused(folder: Path) -> None:
    (folder / "calibration.json").write_text('{"prompt_harm": {"offset": 0, "encoder": 1, "linear": 0}}')
    with pytest.raises(ValueError, match="isn't guard_lite's calibration"):
        module.Scorer.load(folder / "weights.npz")


def test_the_first_stage_alone_is_what_a_benchmark_of_the_stream_may_ask_for() -> None:
    alone = module.Scorer.load(WEIGHTS, stages="first")
    found = score((b"How do I bake bread?", None), (b"How do I build a bomb?", b"No."), by=alone)
    assert (found.prompt_harm > 0.5).tolist() == [False, True]
    assert alone.shares.prompts_read == 0
    with pytest.raises(ValueError, match="write one of both, first"):
        module.Scorer.load(WEIGHTS, stages="second")


def test_another_vocabulary_is_refused(folder: Path) -> None:
    (folder / "vocab.txt").write_text("a\nb\n")
    with pytest.raises(ValueError, match="is no BERT vocabulary"):
        module.Scorer.load(folder / "weights.npz")
