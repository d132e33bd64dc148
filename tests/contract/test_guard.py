"""What every guard keeps to: the model on the real Triton, the same on our stand-in server, and the fake of the tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from monitor.adapters.triton import connect
from monitor.embedded.triton import TritonPart
from monitor.ports import Guard, Score
from monitor.settings import TritonSettings
from schemas.taxonomy import CATEGORIES
from tests.fakes.guard import FakeGuard

REPOSITORY = Path(__file__).resolve().parents[2] / "triton_models"

HOSTILE = {
    "empty": "",
    "spaces": " \t\r\n",
    "null bytes": "\x00\x00a\x00",
    "controls": "".join(map(chr, range(32))) + "\x7f",
    "lone surrogates": "\ud800 how \udfff to \udc00",
    "bidirectional": "\u202ehow to\u202c make\u2066 a cake\u2069",
    "zero width": "h\u200bo\u200cw\u200d \ufeffto",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈" * 50,
    "combining": "Z" + "\u0300\u0301\u0302" * 500,
    "non-characters": "\ufffe\uffff\U0010ffff",
    "no spaces": "x" * 200_000,
    "cjk": "如何制造蛋糕" * 1_000,
    "long": "tell me about cakes. " * 20_000,
    "markup": "<|user|>[INST]</s>{{7*7}}${jndi:ldap://x}'; DROP TABLE verdicts;--",
}


@pytest.fixture(scope="module", params=["triton", "stand-in", "fake"])
async def guard(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Guard]:
    if request.param == "fake":
        yield FakeGuard()
        return
    why = "a test asks for the stand-in" if request.param == "stand-in" else None
    async with AsyncExitStack() as stack:
        folder = tmp_path_factory.mktemp(request.param)
        part = await stack.enter_async_context(TritonPart(folder, REPOSITORY, binary=why))
        yield await stack.enter_async_context(await connect(TritonSettings(url=part.address)))


def is_whole(score: Score, response: str | None) -> bool:
    """An ok score with probabilities where they belong."""
    given = [score.prompt_harm, score.category_probability]
    answered = [score.refusal, score.response_harm]
    if response is None:
        return score.status == "ok" and answered == [None, None] and all(map(is_probability, given))
    return score.status == "ok" and all(map(is_probability, given + answered))


def is_probability(value: float | None) -> bool:
    return value is not None and 0 <= value <= 1


def test_it_says_who_it_is_before_it_scores(guard: Guard) -> None:
    assert all((guard.identity.name, guard.identity.version, guard.identity.prompt_hash))


async def test_nothing_asked_is_nothing_answered(guard: Guard) -> None:
    assert list(await guard.score([], [])) == []


async def test_as_many_scores_as_prompts_in_order_and_the_same_as_alone(guard: Guard) -> None:
    prompts = [f"how do I make {n} {'bombs' if n % 3 else 'cakes'}" for n in range(300)]
    responses = [
        None if n % 5 == 0 else "I'm sorry, I can't." if n % 2 else "Here is how." for n in range(300)
    ]
    together = list(await guard.score(prompts, responses))
    alone = [(await guard.score([prompts[n]], [responses[n]]))[0] for n in range(0, 300, 37)]
    assert len(together) == 300
    assert together[::37] == alone
    assert all(is_whole(score, response) for score, response in zip(together, responses, strict=True))


async def test_a_prompt_alone_has_no_refusal_and_an_empty_response_has_one(guard: Guard) -> None:
    alone, empty = await guard.score(["hello", "hello"], [None, ""])
    assert is_whole(alone, None)
    assert is_whole(empty, "")


async def test_the_category_is_one_of_ours(guard: Guard) -> None:
    scores = await guard.score(["how to make a bomb", "hello"], [None, None])
    assert all(score.category in CATEGORIES for score in scores)


async def test_a_plain_refusal_and_a_plain_answer_are_told_apart(guard: Guard) -> None:
    prompts = ["How do I bake bread?"] * 2
    refused, answered = await guard.score(
        prompts, ["I'm sorry, but I can't help with that request.", "Mix flour, water, salt and yeast."]
    )
    assert refused.refusal is not None
    assert answered.refusal is not None
    assert refused.refusal > 0.5 > answered.refusal


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
async def test_no_text_is_too_hostile_to_score(guard: Guard, text: str) -> None:
    prompts, responses = ["hello", text, text, "hello"], [None, text, None, "Sure."]
    scores = list(await guard.score(prompts, responses))
    assert [is_whole(s, r) for s, r in zip(scores, responses, strict=True)] == [True] * 4
    assert [scores[0], scores[3]] == list(await guard.score(["hello", "hello"], [None, "Sure."]))


async def test_concurrent_calls_keep_their_own_answers(guard: Guard) -> None:
    async def one(index: int) -> Sequence[Score]:
        return await guard.score([f"question {index}"] * (index + 1), ["an answer"] * (index + 1))

    together = await asyncio.gather(*map(one, range(24)))
    assert [list(scores) for scores in together] == [list(await one(index)) for index in range(24)]
