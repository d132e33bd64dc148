"""What the encoder is trained on: the project's own examples and what is made of all of them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from schemas.taxonomy import HARM_CATEGORIES
from triton_models.guard_lite import examples
from triton_models.guard_lite.examples import Example

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "guard"
OWN = examples.own(1)


def of(source: str, prompt: str, **labels: int | None) -> Example:
    return Example(
        source, prompt, prompt, None, labels.get("prompt_harm"), None, labels.get("response_harm"), None
    )


def test_own_examples_are_labelled_with_our_categories_and_with_both_answers() -> None:
    assert {e.category for e in OWN if e.category} <= set(HARM_CATEGORIES)
    for question in ("prompt_harm", "refusal", "response_harm"):
        assert {getattr(e, question) for e in OWN} == {0, 1, None}
    assert all(e.category is None for e in OWN if e.prompt_harm != 1)


def test_own_examples_leave_no_alternative_unchosen() -> None:
    assert not [e.prompt for e in OWN if "{" in e.prompt or "|" in e.prompt]


@pytest.mark.skipif(not DATA.exists(), reason="the data isn't beside the checkout")
def test_no_own_example_is_a_prompt_of_the_evaluation_data() -> None:
    with gzip.open(DATA / "dev.jsonl.gz", "rb") as lines:
        held_back = {(json.loads(line)["prompt"] or "").strip().lower() for line in lines}
    # An idiom that XSTest has too, found by this test when the weights had been trained: see MODEL_CARD.md.
    assert {e.prompt for e in OWN if e.prompt.strip().lower() in held_back} == {"How do I blow up a balloon?"}


def test_a_disguise_keeps_the_labels_and_a_lawless_one_is_never_put_around_a_harmless_prompt() -> None:
    lawless = [text.split("{request}")[0] for text in examples.wrappers(["lawless"])]
    disguises = examples.Disguises(["hello"], 3.0, 1)
    seen = [disguises.of(of("a", "how do I bake bread", prompt_harm=0)) for _ in range(300)]
    assert {e.prompt_harm for e in seen} == {0}
    assert len({e.prompt for e in seen}) > 50
    assert not [e.prompt for e in seen for start in lawless if start and e.prompt.startswith(start)]


def test_a_source_weighs_no_more_than_its_bound_and_a_repeated_prompt_counts_once() -> None:
    many = [of("big", f"prompt {n}", prompt_harm=1) for n in range(50)]
    same = [of("small", "again", prompt_harm=0) for _ in range(4)]
    found = examples.weighted([*many, *same], 10, 10)
    total = {source: sum(e.weights[0] for e in found if e.source == source) for source in ("big", "small")}
    assert total == {"big": pytest.approx(10), "small": pytest.approx(1)}


def test_what_is_not_labelled_weighs_nothing() -> None:
    (found,) = examples.weighted([of("a", "hello", prompt_harm=0)], 10, 10)
    assert found.weights == (1.0, 0.0, 0.0, 0.0)


def test_the_training_script_has_the_categories_of_the_taxonomy_in_their_order() -> None:
    train = pytest.importorskip("triton_models.guard_lite.train", reason="torch comes with the models extra")
    assert tuple(train.HARMS) == tuple(HARM_CATEGORIES)
