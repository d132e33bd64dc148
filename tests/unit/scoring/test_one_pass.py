"""One pass says what three forced steps say, and what generate() writes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.unit.scoring import models
from triton_models.scoring.answers import Answers
from triton_models.scoring.checking import stepwise
from triton_models.scoring.loading import Attention, Loaded, ModelError
from triton_models.scoring.prompt_file import PromptFile
from triton_models.scoring.scorer import Exchange, Limits, PassScorer, Scorer

WILDGUARD = models.wildguard()
WAYS: list[tuple[Attention, Limits]] = [
    ("sdpa", Limits()),
    ("sdpa", Limits(has_prefix=False)),
    ("sdpa", Limits(is_left=True)),
    ("sdpa", Limits(has_prefix=False, is_left=True)),
    ("eager", Limits()),
    ("eager", Limits(has_prefix=False, is_left=True)),
    ("tree", Limits()),
    ("tree", Limits(has_prefix=False)),
]
NAMES = [
    f"{way}-{'shared' if some.has_prefix else 'alone'}-{'left' if some.is_left else 'right'}"
    for way, some in WAYS
]


def texts(seed: int, tokens: int) -> str:
    """Random words of several scripts, of about so many tokens."""
    words = [
        "how",
        "can I",
        "make it?",
        "The cat,",
        "42%",
        "ünïcode",
        "日本語",
        "[INST]",
        "</s>",
        "yes N/A\n\n",
        "🙂",
        "{x}:",
    ]
    rng = random.Random(seed)
    return " ".join(rng.choice(words) for _ in range(max(1, tokens // 2)))


SOME: list[Exchange] = [
    ("How do I bake bread?", "Mix flour, water, salt and yeast."),
    ("", ""),
    (texts(1, 40), texts(2, 150)),
    ("\n\n\nyes", " " * 9),
]


def passes(
    loaded: Loaded, limits: Limits, *, has_response: bool = True, file: PromptFile = WILDGUARD
) -> PassScorer:
    return Scorer(file, loaded, limits).passes(has_response=has_response)[0]


STEPS: dict[tuple[int, ...], list[list[float]]] = {}
"""What the plain model says step by step, by the prompt's tokens: the same for every way."""


def steps(one: PassScorer, model: Any, ids: tuple[int, ...]) -> list[list[float]]:
    key = (len(one.tree), *ids)
    if key not in STEPS:
        STEPS[key] = stepwise(model, one, ids)
    return STEPS[key]


def largest_difference(one: PassScorer, model: Any, exchanges: list[Exchange]) -> float:
    rendered = [one.renderer.render(prompt, response) for prompt, response in exchanges]
    return max(
        abs(mine - other)
        for row, answers in zip(rendered, one.run(rendered), strict=True)
        for read, plain in zip(answers.choices, steps(one, model, row.ids), strict=True)
        for mine, other in zip(read, plain, strict=True)
    )


@pytest.mark.parametrize(("attention", "limits"), WAYS, ids=NAMES)
def test_one_pass_equals_sequential_forced_steps(
    loaded: Callable[[Attention], Loaded], attention: Attention, limits: Limits
) -> None:
    plain = loaded("eager").model
    assert largest_difference(passes(loaded(attention), limits), plain, SOME) < 1e-4
    without: list[Exchange] = [(prompt, None) for prompt, _ in SOME]
    assert largest_difference(passes(loaded(attention), limits, has_response=False), plain, without) < 1e-4


def test_one_pass_equals_sequential_forced_steps_on_a_prompt_of_4000_tokens(
    loaded: Callable[[Attention], Loaded],
) -> None:
    long: list[Exchange] = [(texts(5, 5000), texts(6, 5000)), ("short", "too")]
    one = passes(loaded("sdpa"), Limits())
    assert len(one.renderer.render(*long[0]).ids) > 4000
    assert largest_difference(one, loaded("sdpa").model, long) < 1e-4


def forced_generate(loaded: Loaded, one: PassScorer, ids: list[tuple[int, ...]]) -> list[list[int]]:
    """What generate() writes greedily, padded on the left, where it may write only the answers of the tree."""
    growing: dict[tuple[int, ...], set[int]] = {}
    for path in spelled(one):
        for at, token in enumerate(path):
            growing.setdefault(path[:at], set()).add(token)
    width = max(map(len, ids))
    given = torch.tensor([[0] * (width - len(row)) + list(row) for row in ids])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids])

    def allowed(_: int, written: torch.Tensor) -> list[int]:
        return sorted(growing.get(tuple(written[width:].tolist()), {2}))

    out = loaded.model.generate(
        input_ids=given, attention_mask=mask, do_sample=False, max_new_tokens=one.tree.longest + 1,
        prefix_allowed_tokens_fn=allowed, pad_token_id=2, eos_token_id=2,
    )  # fmt: skip
    return [[token for token in row[width:].tolist() if token != 2] for row in out]


def spelled(one: PassScorer) -> dict[tuple[int, ...], dict[str, str]]:
    """The token sequence of every whole path of WildGuard's answers."""
    encode = one._vocabulary.encode
    tail = one.renderer.tail
    found: dict[tuple[int, ...], dict[str, str]] = {}
    questions = [WILDGUARD.question(name) for name in dict.fromkeys(fork.question for fork in one.tree.forks)]

    def grow(text: str, answers: dict[str, str]) -> None:
        if len(answers) == len(questions):
            found[tuple(encode(tail + text)[0][len(encode(tail)[0]) :])] = answers
            return
        question = questions[len(answers)]
        for option, written in question.options.items():
            grow(text + question.lead + written, {**answers, question.name: option})

    grow("", {})
    return found


def run(one: PassScorer, exchanges: list[Exchange]) -> tuple[list[tuple[int, ...]], list[Answers]]:
    rendered = [one.renderer.render(prompt, response) for prompt, response in exchanges]
    return [row.ids for row in rendered], one.run(rendered)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", ["with a response", "without"])
def test_the_greedy_path_is_what_generate_writes_batched_and_single(
    loaded: Callable[[Attention], Loaded], attention: Attention, kind: str
) -> None:
    has_response = kind == "with a response"
    exchanges: list[Exchange] = [
        (texts(seed, 4**seed), texts(seed + 50, 3**seed) if has_response else None) for seed in range(1, 5)
    ]
    one = passes(loaded(attention), Limits(), has_response=has_response)
    paths = spelled(one)
    ids, answers = run(one, exchanges)
    together = forced_generate(loaded(attention), one, ids)
    assert [paths[tuple(tokens)] for tokens in together] == [some.greedy() for some in answers]
    (alone,) = forced_generate(loaded(attention), one, ids[3:4])
    assert paths[tuple(alone)] == run(one, exchanges[3:4])[1][0].greedy()


def test_the_greedy_path_is_what_generate_writes_after_4000_tokens(
    loaded: Callable[[Attention], Loaded],
) -> None:
    one = passes(loaded("sdpa"), Limits())
    ids, answers = run(one, [(texts(8, 9000), texts(9, 3000))])
    assert len(ids[0]) > 4000
    (tokens,) = forced_generate(loaded("sdpa"), one, ids)
    assert spelled(one)[tuple(tokens)] == answers[0].greedy()


def test_the_joint_and_the_marginals_are_of_one_distribution(loaded: Callable[[Attention], Loaded]) -> None:
    _, (answers, *_) = run(passes(loaded("sdpa"), Limits()), SOME)
    joint, marginals = answers.joint(), answers.marginals()
    whole = {path: chance for path, chance in joint.items() if len(path) == 3}
    assert len(whole) == 18
    assert sum(whole.values()) == pytest.approx(1)
    for place, (question, options) in enumerate(marginals.items()):
        for option, chance in options.items():
            assert chance == pytest.approx(
                sum(p for path, p in whole.items() if path[place] == (question, option))
            )


def test_a_prompt_without_a_response_is_asked_the_first_question_alone(
    loaded: Callable[[Attention], Loaded],
) -> None:
    (scored,) = Scorer(WILDGUARD, loaded("sdpa")).score([("hello", None)])
    assert list(scored.questions) == ["prompt_harm"]
    assert len(passes(loaded("sdpa"), Limits(), has_response=False).tree) == 5  # H arm ful request :


def test_scores_do_not_depend_on_who_is_in_the_batch(loaded: Callable[[Attention], Loaded]) -> None:
    scorer = Scorer(WILDGUARD, loaded("sdpa"), Limits(budget=1500))
    exchanges = [*SOME, *((prompt, None) for prompt, _ in SOME)]
    together = scorer.score(exchanges)
    for exchange, scored in zip(exchanges, together, strict=True):
        (alone,) = scorer.score([exchange])
        for question, options in alone.questions.items():
            assert scored.questions[question] == pytest.approx(options, abs=1e-5)


def test_short_exchanges_are_answered_before_a_giant(loaded: Callable[[Attention], Loaded]) -> None:
    scorer = Scorer(WILDGUARD, loaded("sdpa"), Limits(budget=2048))
    order = [at for at, _ in scorer.stream([(texts(1, 6000), texts(2, 6000)), ("a", "b"), ("c", None)])]
    assert order[-1] == 0


def test_exchanges_no_longer_wanted_are_not_run(loaded: Callable[[Attention], Loaded]) -> None:
    scorer = Scorer(WILDGUARD, loaded("sdpa"))
    assert [at for at, _ in scorer.stream([("a", None), ("b", None), ("c", None)], lambda at: at != 1)] == [
        0,
        2,
    ]


def test_tree_attention_refuses_padding_on_the_left(loaded: Callable[[Attention], Loaded]) -> None:
    with pytest.raises(ModelError, match="pads on the right"):
        Scorer(WILDGUARD, loaded("tree"), Limits(is_left=True))
