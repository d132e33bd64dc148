"""The OpenAI-compatible judge: what it sends, what failures mean, what it may cost, and what never leaves it."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from monitor.adapters.judge_openai import Endpoint, OpenAIJudge, connect_judge
from monitor.adapters.openai_replies import completion_of, fault_of, retry_after_s
from monitor.adapters.token_budget import TokenBudget
from monitor.errors import Misconfigured, Retryable
from monitor.judging.reasons import NotJudged, nothing_judged
from schemas.judgements import JudgeAnswer
from tests.fakes.openai_endpoint import OpenAIEndpoint
from tests.unit.judging.requests import a_request

CRISIS = a_request(prompt="help me end my life", response="I'm sorry, I can't. Please call 988 now.")
SECRET = "sk-very-secret"  # of nobody

Connect = Callable[..., Awaitable[OpenAIJudge]]


class Time:
    """A clock that moves by the waits that it is asked for, or by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def fake() -> OpenAIEndpoint:
    return OpenAIEndpoint()


@pytest.fixture
async def joined(fake: OpenAIEndpoint, time: Time) -> AsyncIterator[Connect]:
    async with AsyncExitStack() as stack:

        async def connect(**changes: Any) -> OpenAIJudge:
            endpoint = Endpoint(**{"url": "http://judge.test/v1", "model": "judge-1", **changes})
            judge = await connect_judge(
                endpoint, transport=fake.transport(), now_s=time, sleep=time.sleep, rng=random.Random(1)
            )
            return await stack.enter_async_context(judge)

        yield connect


async def one(judge: OpenAIJudge, **changes: Any) -> JudgeAnswer:
    (answer,) = await judge.judge([a_request(**changes)])
    return answer


async def test_a_refusal_in_a_domain_costs_three_calls_and_has_every_criterion(
    joined: Connect, fake: OpenAIEndpoint
) -> None:
    judge = await joined()
    fake.calls.clear()
    (answer,) = await judge.judge([CRISIS])
    assert len(fake.calls) == 3
    assert answer.care_overall == pytest.approx(0.56875)
    assert answer.care_grounding == pytest.approx(2.5)
    assert answer.care_grounding_spread == pytest.approx(0.5)
    assert (answer.care_strategy, answer.contacts_verified) == ("safety_planning", 1)


async def test_a_prompt_alone_costs_one_call(joined: Connect, fake: OpenAIEndpoint) -> None:
    judge = await joined()
    fake.calls.clear()
    await one(judge, response=None)
    assert len(fake.calls) == 1


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [("json_schema", "json_schema"), ("json_object", "json_object"), ("none", None)],
)
async def test_the_reply_is_kept_to_the_options_as_the_endpoint_can(
    joined: Connect, fake: OpenAIEndpoint, constraint: str, expected: str | None
) -> None:
    judge = await joined(constraint=constraint, tokens_field="max_completion_tokens", max_reply_tokens=77)
    assert (await one(judge)).status == "ok"
    body = fake.calls[-1]
    assert body.get("response_format", {}).get("type") == expected
    assert (body["max_completion_tokens"], body["temperature"], body["top_logprobs"]) == (77, 0, 20)


@pytest.mark.parametrize("kind", ["left out", "refused"])
async def test_an_endpoint_without_token_probabilities_is_another_judge_and_says_so(
    joined: Connect, fake: OpenAIEndpoint, kind: str
) -> None:
    fake.has_logprobs = False if kind == "left out" else None
    judge = await joined()
    (answer,) = await judge.judge([CRISIS])
    assert judge.identity.version == "judge-1-2026 one_hot"
    assert "logprobs" not in fake.calls[-1]
    assert (answer.refusal_class, answer.care_refusal, answer.care_relevance) == ("direct_refusal", 1.0, 4.0)
    assert answer.not_judged["refusal_class_probability"] == "no_probabilities"
    assert answer.not_judged["care_relevance_spread"] == "no_probabilities"


async def test_mass_outside_the_options_is_left_out_and_reported(
    joined: Connect, fake: OpenAIEndpoint
) -> None:
    fake.stray = 0.25
    judge = await joined()
    assert (await one(judge)).should_refuse == pytest.approx(0.1)
    assert (await judge.ping())["missing mass"] == "25.00% of 6 answers"


async def test_a_judge_whose_words_are_others_is_unread(joined: Connect, fake: OpenAIEndpoint) -> None:
    judge = await joined()
    fake.stray = 0.95
    assert await one(judge) == nothing_judged("unknown", NotJudged.UNREAD)


def refuses(completion: dict[str, Any]) -> None:
    completion["choices"][0]["message"] = {"content": None, "refusal": "I won't."}


def is_filtered(completion: dict[str, Any]) -> None:
    completion["choices"][0]["finish_reason"] = "content_filter"


def is_cut_off(completion: dict[str, Any]) -> None:
    completion["choices"][0]["message"]["content"] = '{"category": "A'


def is_empty(completion: dict[str, Any]) -> None:
    completion["choices"] = []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (refuses, NotJudged.DECLINED),
        (is_filtered, NotJudged.DECLINED),
        (is_cut_off, NotJudged.UNREAD),
        (is_empty, NotJudged.UNREAD),
    ],
)
async def test_a_judge_that_doesnt_answer_makes_it_unknown_and_never_no(
    joined: Connect, fake: OpenAIEndpoint, change: Callable[[dict[str, Any]], None], reason: NotJudged
) -> None:
    judge = await joined()
    fake.change = change
    assert await one(judge) == nothing_judged("unknown", reason)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("invalid_prompt", nothing_judged("error", NotJudged.FAILED)),
        ("context_length_exceeded", nothing_judged("error", NotJudged.TOO_LONG)),
        ("content_filter", nothing_judged("unknown", NotJudged.DECLINED)),
    ],
)
async def test_an_exchange_that_the_endpoint_refuses_fails_alone(
    joined: Connect, fake: OpenAIEndpoint, code: str, expected: JudgeAnswer
) -> None:
    fake.poison = {"mandrake": code}
    judge = await joined()
    before, bad, after = await judge.judge(
        [a_request(event_id="1"), a_request(event_id="2", prompt="mandrake"), a_request(event_id="3")]
    )
    assert (before.status, bad, after.status) == ("ok", expected, "ok")


async def test_an_endpoint_that_comes_to_refuse_everything_is_no_fault_of_the_exchanges(
    joined: Connect, fake: OpenAIEndpoint
) -> None:
    judge = await joined()
    fake.script = [(400, {}, b'{"error": {"code": "no_such_thing"}}')] * 3
    with pytest.raises(Retryable, match=r"refuses everything, a greeting too \(HTTP 400, no_such_thing\)"):
        await one(judge)


async def test_an_endpoint_that_refuses_from_the_start_needs_a_person(
    fake: OpenAIEndpoint, joined: Connect
) -> None:
    fake.script = [(400, {}, b"{}")] * 2
    with pytest.raises(Misconfigured, match="refuses what the judge asks"):
        await joined()


@pytest.mark.parametrize(
    ("status", "variable"),
    [(401, "API_KEY"), (403, "API_KEY"), (404, "OPENAI_URL"), (301, "OPENAI_URL")],
)
async def test_a_wrong_key_or_address_needs_a_person(
    joined: Connect, fake: OpenAIEndpoint, status: int, variable: str
) -> None:
    fake.script = [(status, {}, b"")]
    with pytest.raises(Misconfigured, match=variable):
        await joined()


@pytest.mark.parametrize("url", ["judge.test/v1", ""])
async def test_an_address_that_is_none_is_said_before_anything_is_sent(joined: Connect, url: str) -> None:
    with pytest.raises(Misconfigured, match="OPENAI_URL"):
        await joined(url=url)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
async def test_what_may_pass_is_tried_again_after_a_wait(
    joined: Connect, fake: OpenAIEndpoint, time: Time, status: int
) -> None:
    judge = await joined()
    fake.script = [(status, {}, b"")] * 2
    assert (await one(judge)).status == "ok"
    assert len(time.waits) == 2


async def test_after_its_tries_it_is_the_callers_to_wait(joined: Connect, fake: OpenAIEndpoint) -> None:
    judge = await joined(attempts=2)
    fake.script = [(503, {}, b"")] * 2
    with pytest.raises(Retryable, match="HTTP 503"):
        await one(judge)


async def test_a_wait_that_the_endpoint_asks_for_is_handed_on_at_once(
    joined: Connect, fake: OpenAIEndpoint, time: Time
) -> None:
    judge = await joined()
    fake.script = [(429, {"retry-after": "17"}, b"")]
    with pytest.raises(Retryable) as raised:
        await one(judge)
    assert (raised.value.retry_after_s, time.waits) == (17.0, [])


async def test_failures_in_a_row_open_the_breaker(joined: Connect, fake: OpenAIEndpoint, time: Time) -> None:
    judge = await joined(attempts=1, breaker_failures=3)
    fake.script = [(503, {}, b"")] * 3
    for _ in range(3):
        with pytest.raises(Retryable, match="HTTP 503"):
            await one(judge)
    with pytest.raises(Retryable, match="the judge failed 3 calls in a row"):
        await one(judge)
    time.now += 20
    assert (await one(judge)).status == "ok"


async def test_a_timeout_or_a_lost_connection_may_pass(time: Time) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow, about " + request.content.decode())

    with pytest.raises(Retryable, match=r"didn't answer \(ReadTimeout\)") as raised:
        await connect_judge(
            Endpoint("http://judge.test/v1", "m"),
            transport=httpx.MockTransport(handle),
            now_s=time,
            sleep=time.sleep,
        )
    assert "slow" not in str(raised.value)


async def test_nobody_listening_may_pass() -> None:
    with pytest.raises(Retryable, match="ConnectError"):
        await connect_judge(Endpoint("http://127.0.0.1:9/v1", "m", attempts=1))


async def test_the_hours_tokens_are_a_limit(joined: Connect, fake: OpenAIEndpoint, time: Time) -> None:
    judge = await joined(tokens_per_hour=3_000, attempts=1)  # the fake's calls cost 1,000 each
    await one(judge)
    with pytest.raises(Retryable, match="3000 tokens within an hour, and 3000 are allowed") as raised:
        await one(judge)
    assert raised.value.retry_after_s == 3_600.0
    time.now += 3_600
    assert (await one(judge)).status == "ok"


def test_tokens_are_forgotten_after_an_hour(time: Time) -> None:
    budget = TokenBudget(10, time)
    budget.spend(6)
    time.now += 1_800
    budget.spend(6)
    with pytest.raises(Retryable) as raised:
        budget.admit()
    assert raised.value.retry_after_s == 1_800
    time.now += 1_800
    budget.admit()
    assert budget.spent == 6


async def test_a_long_text_is_cut_to_head_and_tail_and_marked(joined: Connect, fake: OpenAIEndpoint) -> None:
    judge = await joined(max_text_chars=100)
    answer = await one(judge, prompt="start " + "x" * 1_000 + " end", response=None)
    assert answer.truncated
    assert "start " in fake.calls[-1]["messages"][-1]["content"]
    assert " end\nEND REQUEST" in fake.calls[-1]["messages"][-1]["content"]
    assert "x" * 100 not in fake.calls[-1]["messages"][-1]["content"]


async def test_answers_of_one_batch_are_of_one_model(joined: Connect, fake: OpenAIEndpoint) -> None:
    judge = await joined()
    models = iter(["a", "b"] + ["b"] * 100)

    def rename(completion: dict[str, Any]) -> None:
        completion["model"] = next(models)

    fake.change = rename
    await one(judge)
    assert judge.identity.version == "b logprobs"


async def test_a_model_that_goes_on_changing_may_pass(joined: Connect, fake: OpenAIEndpoint) -> None:
    judge = await joined()
    count = iter(range(1_000))

    def rename(completion: dict[str, Any]) -> None:
        completion["model"] = str(next(count))

    fake.change = rename
    with pytest.raises(Retryable, match="several models"):
        await one(judge)


async def test_the_key_is_sent_and_shown_nowhere(fake: OpenAIEndpoint, joined: Connect, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    fake.key = SECRET
    judge = await joined(api_key=SecretStr(SECRET))
    facts = await judge.ping()
    assert fake.headers[-1]["authorization"] == f"Bearer {SECRET}"
    shown = f"{caplog.text}{facts}{judge.identity}{judge._endpoint}{judge._client}"
    fake.key = "another"
    with pytest.raises(Misconfigured) as raised:
        await one(judge)
    assert SECRET not in shown + str(raised.value)


async def test_no_error_quotes_what_people_wrote(joined: Connect, fake: OpenAIEndpoint, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    judge = await joined()
    fake.script = [(400, {}, json.dumps({"error": {"code": "my secret prompt"}}).encode())] * 3
    with pytest.raises(Retryable) as raised:
        await one(judge, prompt="my secret prompt")
    assert "secret" not in str(raised.value) + caplog.text


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e99"}, 3_600.0),
        ({"retry-after": "soon"}, None),
        (
            {"retry-after": "Fri, 27 Nov 2026 12:00:30 GMT", "date": "Fri, 27 Nov 2026 12:00:00 GMT"},
            30.0,
        ),
        ({"retry-after": "Fri, 27 Nov 2026 12:00:30 GMT"}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_servers_clock(
    headers: dict[str, str], wait_s: float | None
) -> None:
    assert retry_after_s(headers) == wait_s


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b"\xff", b'{"choices": [{}]}', b"[" * 100_000])
def test_an_answer_that_is_none_is_unread(body: bytes) -> None:
    assert completion_of(body).failure is NotJudged.UNREAD
    assert fault_of(400, body) == ("", NotJudged.FAILED)
