"""Template duplication: what counts as near-identical, for how long, and that a repeated event is no repetition."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.judging.duplication import LEAST_JACCARD, LEAST_WORDS, TemplateWindow, jaccard, shingles_of

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "guard" / "dev.jsonl.gz"

CARE = (
    "I'm really sorry that you are going through {0} right now. You don't have to face it alone, and reaching out took "
    "courage. Please consider talking to someone you trust, or to a counsellor near you, today. If you are in "
    "immediate danger, call your local emergency number. There is help, and this can get better."
)
OTHER = (
    "Bread needs four things: flour, water, salt and yeast. Mix them, let the dough rise until it has doubled, fold it "
    "twice, and bake it in a hot oven with steam until the crust is dark and sounds hollow when you knock on it."
)


def test_the_first_of_its_kind_is_no_template_and_the_next_is() -> None:
    window = TemplateWindow()
    assert window.is_template("m", "1", CARE.format("a hard time")) is False
    assert window.is_template("m", "2", OTHER) is False
    assert window.is_template("m", "3", CARE.format("a great loss")) is True


def test_an_event_that_comes_again_gets_its_first_answer() -> None:
    window = TemplateWindow()
    for _ in range(3):
        assert window.is_template("m", "1", CARE) is False
    assert window.is_template("m", "2", CARE) is True
    assert window.is_template("m", "1", CARE) is False
    assert len(window) == 2


def test_case_punctuation_and_spaces_make_no_difference() -> None:
    window = TemplateWindow()
    window.is_template("m", "1", CARE)
    assert window.is_template("m", "2", CARE.upper().replace(",", "").replace(" ", "\n\u00a0")) is True


def test_responses_of_another_model_are_not_compared() -> None:
    window = TemplateWindow()
    assert [window.is_template(model, model, CARE) for model in ("a", "b")] == [False, False]


@pytest.mark.parametrize(
    "response", ["", "I'm sorry, but I can't help with that.", "word " * (LEAST_WORDS - 1)]
)
def test_what_is_too_short_to_tell_is_not_judged(response: str) -> None:
    window = TemplateWindow()
    assert [window.is_template("m", str(n), response) for n in range(2)] == [None, None]


def test_a_script_without_spaces_has_words_too() -> None:
    window = TemplateWindow()
    text = "很抱歉听到你正在经历这样的困难你并不孤单请联系你信任的人或专业的心理咨询师"
    assert [window.is_template("m", "1", text), window.is_template("m", "2", text + "今天")] == [False, True]


def test_a_response_that_left_the_window_is_forgotten_whole() -> None:
    window = TemplateWindow(capacity=3)
    window.is_template("m", "1", CARE)
    for n in range(3):
        window.is_template("other", f"o{n}", f"{OTHER} {n}")
    assert len(window) == 3
    assert window.is_template("m", "2", CARE) is False
    assert set(window._indexes) == {"m", "other"}
    for n in range(3):
        window.is_template("third", f"t{n}", "short")
    assert window._indexes == {}


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from("ab"), st.integers(0, 5)), max_size=60),
    st.integers(1, 20),
)
def test_answers_depend_on_the_calls_alone_and_memory_stays_bounded(
    calls: list[tuple[int, str, int]], capacity: int
) -> None:
    def run() -> list[bool | None]:
        window = TemplateWindow(capacity)
        answers = []
        for event, key, text in calls:
            answers.append(
                window.is_template(key, str(event), "short" if text == 0 else CARE.format(text) * text)
            )
            assert len(window) <= capacity
            assert sum(window._sizes.values()) <= capacity
        return answers

    assert run() == run()


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=500))
def test_a_text_is_near_identical_to_itself(text: str) -> None:
    shingles = shingles_of(text)
    assert shingles is None or jaccard(shingles, shingles) == 1
    window = TemplateWindow()
    expected = (None, None) if shingles is None else (False, True)
    assert (window.is_template("m", "1", text), window.is_template("m", "2", text)) == expected


def test_jaccard_is_of_the_sets() -> None:
    one, other = np.array([1, 2, 3, 4], np.uint32), np.array([3, 4, 5], np.uint32)
    assert jaccard(one, other) == jaccard(other, one) == 2 / 5


@pytest.mark.skipif(not DATA.exists(), reason="needs the evaluation data")
def test_on_real_refusals_the_index_finds_what_comparing_all_pairs_finds() -> None:
    with gzip.open(DATA, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    refusals = [row for row in rows if row["refusal"] == 1 and row["response"]]
    window = TemplateWindow()
    earlier: dict[str, list[Any]] = defaultdict(list)
    counts: dict[tuple[bool | None, bool | None], int] = defaultdict(int)
    for row in refusals:
        answer = window.is_template(row["model"], row["id"], row["response"])
        shingles = shingles_of(row["response"])
        expected = None
        if shingles is not None:
            expected = any(jaccard(shingles, other) >= LEAST_JACCARD for other in earlier[row["model"]])
            earlier[row["model"]].append(shingles)
        counts[expected, answer] += 1
    assert counts[False, True] == 0  # the Jaccard is exact
    assert counts[True, False] <= 0.01 * counts[True, True]  # what the bands miss
    assert counts[True, True] > 20
