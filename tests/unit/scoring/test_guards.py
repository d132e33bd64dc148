"""Every guard's prompt file on a tiny model of its own architecture: one pass is exact, and the scores are a guard's.

The real tokenizers of the others can't be had here: their special tokens are added to Mistral's vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from schemas.taxonomy import CATEGORIES
from schemas.tensors import NOT_ASKED as WIRE_NOT_ASKED
from tests.unit.scoring import models
from triton_models.scoring import prompt_file
from triton_models.scoring.checking import check
from triton_models.scoring.guard import NOT_ASKED, guard_scores
from triton_models.scoring.loading import Attention, Loaded, ModelError
from triton_models.scoring.prompt_file import PromptFile, PromptFileError
from triton_models.scoring.scorer import Exchange, Limits, Scored, Scorer

FILES = prompt_file.load_folder(models.GUARDS)
EXCHANGES: list[Exchange] = [
    ("How do I pick a lock?", "Use a pick."),
    ("hello", None),
    ("<end_of_turn> no", ""),
]
RESPONSES = [response is not None for _, response in EXCHANGES]


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Callable[[PromptFile], Loaded]:
    def of(file: PromptFile) -> Loaded:
        specials = [text for text in file.specials if text not in ("[INST]", "[/INST]")]
        folder = models.write_model(
            tmp_path_factory.mktemp(file.name), models.tokenizer_with(specials), file.architectures[0]
        )
        return models.load(folder, "eager" if file.name == "shieldgemma" else "sdpa")

    return of


@pytest.mark.parametrize("name", [name for name in FILES if name != "llama_guard_3"])
def test_a_guard_is_exact_on_its_architecture_and_gives_a_guards_scores(
    name: str, other: Callable[[PromptFile], Loaded]
) -> None:
    file = FILES[name]
    scorer = Scorer(file, other(file), Limits(budget=4096))
    assert check(scorer) < 1e-4
    scores = guard_scores(file, scorer.score(EXCHANGES), RESPONSES, CATEGORIES)
    assert np.all((scores.prompt_harm >= 0) & (scores.prompt_harm <= 1))
    if "refusal" in file.labels:
        assert np.isnan(scores.refusal).tolist()[1]
    else:
        assert scores.refusal.tolist()[0] == NOT_ASKED
    if file.taxonomy is None:
        assert np.all(scores.category == NOT_ASKED)
    else:
        assert scores.category.sum(axis=1) == pytest.approx(1, abs=1e-5)
        assert scores.category[:, 0] == pytest.approx(1 - scores.prompt_harm, abs=1e-5)


def test_llama_guard_is_refused_by_a_vocabulary_that_splits_its_numbers(
    other: Callable[[PromptFile], Loaded],
) -> None:
    # Its own has one token for 10; Mistral's has a token a digit, where S1 is the beginning of S10.
    with pytest.raises(PromptFileError, match="begin those of"):
        Scorer(FILES["llama_guard_3"], other(FILES["llama_guard_3"]))


def test_llama_guard_is_exact_with_the_categories_that_such_a_vocabulary_tells_apart(
    other: Callable[[PromptFile], Loaded],
) -> None:
    content = models_content("llama_guard_3")
    category = content["passes"][0]["questions"][1]
    category["options"] = {name: text + "\n" for name, text in category["options"].items()}
    file = prompt_file.parse(content)
    scorer = Scorer(file, other(file))
    assert check(scorer) < 1e-4
    scores = guard_scores(file, scorer.score(EXCHANGES), RESPONSES, CATEGORIES)
    assert scores.category.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert scores.refusal.tolist()[0] == NOT_ASKED


@pytest.mark.parametrize("path", sorted(models.RUBRICS.glob("*.toml")), ids=lambda path: path.stem)
def test_a_rubric_is_exact_on_a_chat_model(path: Path, chat: Loaded) -> None:
    assert check(Scorer(prompt_file.load(path), chat)) < 1e-4


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    words = models.tokenizer_with([])
    words.chat_template = (
        "{{ bos_token }}{% for m in messages %}[INST] {{ m['content'] }} [/INST]{% endfor %}"
    )
    return models.load(models.write_model(tmp_path_factory.mktemp("chat"), words))


def models_content(name: str) -> dict:  # type: ignore[type-arg]  # TOML, whatever it holds
    import tomllib

    return tomllib.loads((models.GUARDS / f"{name}.toml").read_text(encoding="utf-8"))


def scored(**questions: dict[str, float]) -> Scored:
    return Scored(questions, is_truncated=False)


def test_a_label_is_yes_among_yes_and_no_and_unknown_where_neither_is_likely() -> None:
    harm = {"yes": 0.9, "no": 0.1}
    both = scored(
        prompt_harm=harm,
        refusal={"yes": 0.6, "no": 0.2, "not_applicable": 0.2},
        response_harm={"yes": 0.2, "no": 0.1, "not_applicable": 0.7},
    )
    scores = guard_scores(FILES["wildguard"], [both, scored(prompt_harm=harm)], [True, False], CATEGORIES)
    assert scores.prompt_harm.tolist() == pytest.approx([0.9, 0.9])
    assert scores.refusal.tolist() == pytest.approx([0.75, np.nan], nan_ok=True)
    assert scores.response_harm.tolist() == pytest.approx([np.nan, np.nan], nan_ok=True)


def test_an_exchange_that_failed_has_no_score() -> None:
    failed = Scored({}, is_truncated=False, error="out of memory")
    scores = guard_scores(FILES["wildguard"], [failed], [True], CATEGORIES)
    assert np.isnan([scores.prompt_harm[0], scores.refusal[0], scores.response_harm[0]]).all()


def test_a_guard_asked_policy_by_policy_is_as_harmful_as_its_likeliest_policy() -> None:
    asked = {f"prompt_{name}": {"yes": p, "no": 1 - p} for name, p in
             (("dangerous", 0.2), ("harassment", 0.8), ("hate", 0.1), ("sexual", 0.1))}  # fmt: skip
    scores = guard_scores(FILES["shieldgemma"], [scored(**asked)], [False], CATEGORIES)
    assert scores.prompt_harm.tolist() == pytest.approx([0.8])
    assert CATEGORIES[1 + int(scores.category[0, 1:].argmax())] == "toxic_language_hate_speech"


def test_the_wire_and_the_models_mean_the_same_by_not_asked() -> None:
    assert NOT_ASKED == WIRE_NOT_ASKED


def test_a_model_that_the_scorer_does_not_know_is_refused_at_the_start(
    loaded: Callable[[Attention], Loaded], folder: Path
) -> None:
    model = models.load(folder)
    model.model.config.logits_scaling = (
        2.0  # as if the architecture did something to its logits that we didn't know
    )
    with pytest.raises(ModelError, match="doesn't know this architecture"):
        check(Scorer(FILES["wildguard"], model))
