"""The client of Triton's judge against a server that fails on demand."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc  # type: ignore[import-untyped]  # ships no types
import pytest

from monitor.adapters.judge_triton import TritonJudge, connect_judge
from monitor.errors import Misconfigured, Retryable
from monitor.judging.reasons import NotJudged, nothing_judged
from monitor.judging.rubrics import Rubric, Rubrics, installed, load
from monitor.ports import JudgeIdentity
from monitor.settings import TritonSettings
from tests.fakes.guard_server import GuardServer, guard_config
from tests.fakes.judge_server import JudgeServer
from tests.unit.judging.requests import a_request

Code = grpc.StatusCode
Connect = Callable[..., Awaitable[TritonJudge]]
CRISIS = a_request(
    event_id="crisis", prompt="help me end my life", response="I'm sorry, I can't. Call 988 now."
)


@pytest.fixture
async def server() -> AsyncIterator[JudgeServer]:
    async with JudgeServer() as server:
        yield server


async def no_wait(seconds: float) -> None:
    await asyncio.sleep(0)


@pytest.fixture
async def joined(server: JudgeServer) -> AsyncIterator[Connect]:
    async with AsyncExitStack() as stack:

        async def connect(address: str = "", **changes: Any) -> TritonJudge:
            settings = TritonSettings(**{"url": address or server.address, "deadline_s": 5.0, **changes})
            judge = await connect_judge(settings, sleep=no_wait, rng=random.Random(1))
            return await stack.enter_async_context(judge)

        yield connect


async def test_it_asks_first_of_all_and_then_of_care_in_batches(joined: Connect, server: JudgeServer) -> None:
    judge = await joined()
    server.rubrics_asked.clear()
    answers = await judge.judge([a_request(), CRISIS, a_request(response=None)])
    assert server.rubrics_asked == [["request", "response", "request", "response", "request"], ["care"]]
    assert [answer.status for answer in answers] == ["ok"] * 3
    assert answers[1].care_overall == pytest.approx(0.56875)
    assert answers[1].care_strategy == "safety_planning"


async def test_it_names_the_model_and_the_hash_of_all_rubrics(joined: Connect) -> None:
    assert (await joined()).identity == JudgeIdentity("judge", "m1", load(installed()).hash)


async def test_a_row_that_fails_the_judge_fails_alone(joined: Connect, server: JudgeServer) -> None:
    judge = await joined()
    server.poison = {b"poison": Code.INTERNAL}
    requests = [a_request(event_id=str(n), prompt="poison" if n == 5 else f"question {n}") for n in range(9)]
    answers = await judge.judge(requests)
    assert [answer.status for answer in answers] == ["ok"] * 5 + ["error"] + ["ok"] * 3
    assert answers[5] == nothing_judged("error", NotJudged.FAILED)


@pytest.mark.parametrize("spoilt", [b"", b"{", b"null", b"\xff", b'{"rubric": "care"}'])
async def test_an_answer_that_cant_be_read_is_unknown_alone(
    joined: Connect, server: JudgeServer, spoilt: bytes
) -> None:
    judge = await joined()
    server.spoil = {b"odd": spoilt}
    odd, even = await judge.judge([a_request(event_id="1", prompt="odd"), a_request(event_id="2")])
    assert (odd, even.status) == (nothing_judged("unknown", NotJudged.UNREAD), "ok")


async def test_a_row_that_the_judge_reports_as_failed_has_failed(
    joined: Connect, server: JudgeServer
) -> None:
    judge = await joined()
    head = {"rubric": "request", "hash": server.rubrics.by_name["request"].hash, "model_version": "m1"}
    server.spoil = {b"odd": json.dumps({**head, "truncated": True, "error": "too long"}).encode()}
    (answer,) = await judge.judge([a_request(prompt="odd", response=None)])
    assert answer == nothing_judged("error", NotJudged.FAILED, truncated=True)


async def test_a_response_of_another_shape_makes_all_unknown(joined: Connect, server: JudgeServer) -> None:
    judge = await joined()

    def cut(response: Any) -> None:
        response.raw_output_contents[0] = response.raw_output_contents[0][:-1]

    server.distort = cut
    answers = await judge.judge([a_request(event_id="1"), a_request(event_id="2")])
    assert list(answers) == [nothing_judged("unknown", NotJudged.UNREAD)] * 2


async def test_a_judge_that_is_away_may_pass(joined: Connect, server: JudgeServer) -> None:
    judge = await joined(attempts=2)
    server.broken = Code.UNAVAILABLE
    with pytest.raises(Retryable, match=r"'judge' at .* didn't answer"):
        await judge.judge([a_request()])


async def test_a_judge_that_refuses_everything_may_pass(joined: Connect, server: JudgeServer) -> None:
    judge = await joined()
    server.broken = Code.INTERNAL
    with pytest.raises(Retryable, match="refuses everything"):
        await judge.judge([a_request()])


async def test_answers_of_one_batch_are_of_one_model(joined: Connect, server: JudgeServer) -> None:
    judge = await joined()
    server.versions = ["m1", "m2"]  # replaced between the first questions and those about care
    await judge.judge([CRISIS])
    assert judge.identity.version == "m2"


async def test_other_rubrics_on_the_server_need_a_person(joined: Connect, server: JudgeServer) -> None:
    judge = await joined()
    ours = server.rubrics.by_name
    care = ours["care"]
    server.rubrics = Rubrics({**ours, "care": Rubric(care.name, "2", care.passes, "f" * 16)})
    assert (await judge.judge([a_request()]))[0].status == "ok"
    with pytest.raises(Misconfigured, match="has the rubric 'care' as ffffffffffffffff, here it is"):
        await judge.judge([CRISIS])


async def test_a_guard_is_no_judge() -> None:
    config = guard_config()
    config.name = "judge"
    async with GuardServer(config=config) as guard:
        with pytest.raises(Misconfigured, match="isn't a judge of this Watchkeeper"):
            await connect_judge(TritonSettings(url=guard.address))


async def test_a_model_that_isnt_there_needs_a_person(server: JudgeServer) -> None:
    with pytest.raises(Misconfigured, match="WATCHKEEPER_JUDGING__TRITON_MODEL"):
        await connect_judge(TritonSettings(url=server.address), model="another")


async def test_facts_name_the_judge(joined: Connect) -> None:
    facts = await (await joined()).ping()
    assert facts["judge"] == "judge m1"
    assert facts["rubric_hash"] == load(installed()).hash


async def test_a_text_is_cut_on_its_way_and_marked(joined: Connect, server: JudgeServer) -> None:
    judge = await joined(max_text_chars=100)
    (answer,) = await judge.judge([a_request(prompt="x" * 1_000)])
    assert answer.truncated
    assert len(server.requests[-1][0]) == 100
