"""The guard's client against a server that fails on demand."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]  # ships no types
import pytest

from monitor.adapters.triton import TritonGuard, connect
from monitor.adapters.triton_model import BACKFILL
from monitor.errors import Misconfigured, Retryable
from monitor.metrics import Metric, Metrics
from monitor.ports import GuardIdentity, Score
from monitor.settings import TritonSettings
from tests.fakes.guard_server import GuardServer
from tests.waiting import until

Code = grpc.StatusCode
BENIGN = Score("ok", 0.1, None, None, "benign", 0.9, False)
ERROR = Score("error", None, None, None, "", None, False)

Connect = Callable[..., Awaitable[TritonGuard]]


@dataclass
class Time:
    """A clock that moves only by the waits it is asked for, or by hand."""

    now: float = 1_000.0
    waits: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def server() -> AsyncIterator[GuardServer]:
    async with GuardServer() as server:
        yield server


@pytest.fixture
async def joined(server: GuardServer, time: Time) -> AsyncIterator[Connect]:
    async with AsyncExitStack() as stack:

        async def make(**settings: Any) -> TritonGuard:
            metrics = settings.pop("metrics", None)
            given = TritonSettings(**({"url": server.address} | settings))
            guard = await connect(given, metrics=metrics, now_s=time, sleep=time.sleep, rng=random.Random(7))
            return await stack.enter_async_context(guard)

        yield make


def rounded(score: Score) -> Score:
    def cut(value: float | None) -> float | None:
        return None if value is None else round(value, 4)

    return Score(
        score.status,
        cut(score.prompt_harm),
        cut(score.refusal),
        cut(score.response_harm),
        score.category,
        cut(score.category_probability),
        score.truncated,
    )


async def scored(guard: TritonGuard, *prompts: str) -> list[Score]:
    return [rounded(score) for score in await guard.score(prompts, [None] * len(prompts))]


async def test_scores_come_in_order_and_in_full(joined: Connect) -> None:
    guard = await joined()
    answers = await guard.score(["hello", "a bomb", "hello"], [None, "I am sorry", ""])
    assert [rounded(score) for score in answers] == [
        BENIGN,
        Score("ok", 0.9, 0.8, 0.4, "violence_physical_harm", 0.9, False),
        Score("ok", 0.1, 0.2, 0.1, "benign", 0.9, False),
    ]


async def test_nothing_to_score_asks_nothing(server: GuardServer, joined: Connect) -> None:
    guard = await joined()
    assert (await guard.score([], []), server.requests) == ([], [])


async def test_a_call_is_cut_into_batches_of_which_so_many_are_in_flight(
    server: GuardServer, joined: Connect
) -> None:
    guard = await joined(max_batch=4, concurrency=2)
    server.gate = asyncio.Event()
    call = asyncio.create_task(scored(guard, *(f"prompt {n}" for n in range(18))))
    await until(lambda: server.in_flight == 2, "two in flight")
    server.gate.set()
    assert await call == [BENIGN] * 18
    assert sorted(len(prompts) for prompts in server.requests) == [2, 4, 4, 4, 4]
    assert server.most_in_flight == 2


async def test_a_batch_is_never_larger_than_the_model_takes(server: GuardServer, joined: Connect) -> None:
    server.config.max_batch_size = 3
    assert await scored(await joined(max_batch=64), *"abcdefg") == [BENIGN] * 7
    assert sorted(len(prompts) for prompts in server.requests) == [1, 3, 3]


async def test_a_batch_holds_at_most_three_mebibytes(server: GuardServer, joined: Connect) -> None:
    guard = await joined(max_text_chars=1_000_000)
    assert await scored(guard, *["x" * 1_000_000] * 7) == [BENIGN] * 7
    assert sorted(len(prompts) for prompts in server.requests) == [1, 3, 3]


async def test_every_call_has_a_deadline_and_tells_it_to_the_queue(
    server: GuardServer, joined: Connect
) -> None:
    await scored(await joined(deadline_s=7.5), "hello")
    assert server.queue_timeout_us == [7_500_000]
    assert 5 < server.remaining_s[0] < 8


async def test_backfill_asks_to_be_served_behind_live_traffic(server: GuardServer, joined: Connect) -> None:
    guard = await joined()
    await scored(guard, "live")
    backfill = guard.behind_live()
    assert [rounded(score) for score in await backfill.score(["old"], [None])] == [BENIGN]
    assert backfill.identity == guard.identity
    assert server.priorities == [0, BACKFILL]


async def test_a_server_that_never_answers_is_given_up_at_the_deadline(
    server: GuardServer, joined: Connect
) -> None:
    guard = await joined(deadline_s=0.2, attempts=2)
    server.gate = asyncio.Event()
    with pytest.raises(Retryable, match="DEADLINE_EXCEEDED, 2 tries"):
        await scored(guard, "hello")
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "code",
    [
        Code.UNAVAILABLE,
        Code.DEADLINE_EXCEEDED,
        Code.RESOURCE_EXHAUSTED,
        Code.ABORTED,
        Code.CANCELLED,
        Code.NOT_FOUND,
    ],
)
async def test_a_server_that_is_away_is_asked_again_after_a_jittered_wait(
    server: GuardServer, joined: Connect, time: Time, code: Any
) -> None:
    guard = await joined(attempts=4)
    server.script = [code, code]
    assert await scored(guard, "hello") == [BENIGN]
    assert len(server.requests) == 3
    assert len(time.waits) == 2
    assert all(0 <= wait <= ceiling for wait, ceiling in zip(time.waits, (0.1, 0.2), strict=True))


async def test_after_the_last_try_the_caller_is_told_to_come_back(
    server: GuardServer, joined: Connect
) -> None:
    guard = await joined(attempts=3, breaker_failures=10)
    server.broken = Code.UNAVAILABLE
    with pytest.raises(Retryable, match=r"didn't answer \(UNAVAILABLE, 3 tries\)"):
        await scored(guard, "hello")
    assert len(server.requests) == 3


@pytest.mark.parametrize("code", [Code.INTERNAL, Code.UNKNOWN, Code.DATA_LOSS])
async def test_an_ambiguous_failure_is_tried_twice(server: GuardServer, joined: Connect, code: Any) -> None:
    guard = await joined(attempts=4)
    server.script = [code]
    assert await scored(guard, "hello") == [BENIGN]
    assert len(server.requests) == 2


@pytest.mark.parametrize("code", [Code.INVALID_ARGUMENT, Code.OUT_OF_RANGE, Code.INTERNAL, Code.UNKNOWN])
@pytest.mark.parametrize("place", [0, 6, 9])
async def test_a_bad_exchange_fails_alone(
    server: GuardServer, joined: Connect, code: Any, place: int
) -> None:
    guard = await joined()
    prompts = [f"prompt {n}" for n in range(10)]
    server.poison = {prompts[place].encode(): code}
    wanted = [BENIGN] * 10
    wanted[place] = ERROR
    assert await scored(guard, *prompts) == wanted


@pytest.mark.parametrize("count", [1, 5])
async def test_a_refusal_that_was_the_fault_of_another_clients_request_marks_no_exchange(
    server: GuardServer, joined: Connect, count: int
) -> None:
    guard = await joined()
    server.script = [Code.INVALID_ARGUMENT]
    assert await scored(guard, *["hello"] * count) == [BENIGN] * count


async def test_several_bad_exchanges_each_fail_alone(server: GuardServer, joined: Connect) -> None:
    guard = await joined(max_batch=5)
    bad = {2, 3, 11}
    server.poison = {f"prompt {n}".encode(): Code.INVALID_ARGUMENT for n in bad}
    answers = await scored(guard, *(f"prompt {n}" for n in range(12)))
    assert answers == [ERROR if n in bad else BENIGN for n in range(12)]


@pytest.mark.parametrize("code", [Code.INVALID_ARGUMENT, Code.INTERNAL])
async def test_a_server_that_refuses_everything_loses_no_exchange(
    server: GuardServer, joined: Connect, code: Any
) -> None:
    guard = await joined()
    server.broken = code
    with pytest.raises(Retryable, match="refuses everything"):
        await scored(guard, "hello", "there")


async def test_a_server_that_turns_us_away_needs_a_person(server: GuardServer, joined: Connect) -> None:
    guard = await joined()
    server.broken = Code.PERMISSION_DENIED
    with pytest.raises(Misconfigured, match="PERMISSION_DENIED"):
        await scored(guard, "hello")


async def test_no_error_quotes_a_user(server: GuardServer, joined: Connect) -> None:
    guard = await joined(attempts=2, breaker_failures=100)
    for code in set(Code) - {Code.OK}:
        server.broken = code
        with pytest.raises((Retryable, Misconfigured)) as caught:
            await scored(guard, "my secret")
        assert "secret" not in str(caught.value)


async def test_an_open_breaker_fails_at_once_and_one_trial_closes_it(
    server: GuardServer, joined: Connect, time: Time
) -> None:
    guard = await joined(max_batch=1, attempts=3, breaker_failures=3, breaker_open_s=5.0)
    server.broken = Code.UNAVAILABLE
    with pytest.raises(Retryable):
        await scored(guard, "hello")
    asked = len(server.requests)
    time.now += 2
    with pytest.raises(Retryable) as caught:
        await scored(guard, *"abc")
    assert (caught.value.retry_after_s, len(server.requests)) == (3.0, asked)
    server.broken = None
    time.now += 3
    server.gate = asyncio.Event()
    call = asyncio.create_task(scored(guard, *"abc"))
    await until(lambda: server.in_flight == 1, "the trial")
    with pytest.raises(Retryable, match="trial"):
        await scored(guard, "other")
    assert server.in_flight == 1
    server.gate.set()
    assert await call == [BENIGN] * 3


async def test_a_cancelled_call_cancels_its_batches_and_counts_for_nothing(
    server: GuardServer, joined: Connect
) -> None:
    guard = await joined(max_batch=1, breaker_failures=1)
    server.gate = asyncio.Event()
    call = asyncio.create_task(scored(guard, *"abc"))
    await until(lambda: server.in_flight == 3, "three in flight")
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await until(lambda: server.in_flight == 0, "all cancelled at the server")
    server.gate.set()
    assert await scored(guard, "hello") == [BENIGN]


async def test_an_answer_that_makes_no_sense_is_unknown(server: GuardServer, joined: Connect) -> None:
    guard = await joined()
    server.distort = lambda response: response.outputs[0].shape.append(1)
    assert await scored(guard, "hello") == [Score("unknown", None, None, None, "", None, False)]


async def test_the_identity_follows_other_weights_and_the_call_is_scored_under_it(
    server: GuardServer, joined: Connect
) -> None:
    guard = await joined()
    first = guard.identity
    await scored(guard, "hello")
    server.config.parameters["prompt_hash"].string_value = "feedfeedfeedfeed"
    server.requests.clear()
    assert await scored(guard, "hello") == [BENIGN]
    assert guard.identity == GuardIdentity("guard_lite", first.version, "feedfeedfeedfeed")
    assert len(server.requests) == 2


async def test_a_guard_that_changes_all_the_time_is_waited_for(server: GuardServer, joined: Connect) -> None:
    guard = await joined()
    counts = iter(range(100))

    def other_weights(response: Any) -> None:
        server.config.parameters["prompt_hash"].string_value = f"{next(counts):016}"

    server.distort = other_weights
    with pytest.raises(Retryable, match="replaced during 3 tries"):
        await scored(guard, "hello")


async def test_a_model_replaced_by_something_else_stops_the_guard(
    server: GuardServer, joined: Connect
) -> None:
    guard = await joined()
    server.config.parameters["category_labels"].string_value = "good,bad"
    with pytest.raises(Misconfigured, match="category_labels"):
        await scored(guard, "hello")


async def test_an_unknown_model_is_told_with_the_setting_to_change(joined: Connect) -> None:
    with pytest.raises(Misconfigured, match="GUARD_MODEL"):
        await joined(guard_model="wildguard")


async def test_a_model_that_is_not_ready_may_be_so_later(server: GuardServer, joined: Connect) -> None:
    server.is_ready = False
    with pytest.raises(Retryable, match="not ready yet"):
        await joined()


async def test_nobody_there_may_come_later(joined: Connect) -> None:
    with pytest.raises(Retryable, match="UNAVAILABLE"):
        await joined(url="127.0.0.1:1", deadline_s=2)


async def test_an_address_with_a_scheme_is_refused(joined: Connect) -> None:
    with pytest.raises(Misconfigured, match="host:port"):
        await joined(url="http://127.0.0.1:8000")


async def test_a_missing_ca_file_is_named(joined: Connect, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"missing\.pem"):
        await joined(tls=True, tls_ca_file=tmp_path / "missing.pem")


async def test_a_ping_tells_the_server_each_model_and_the_guard(server: GuardServer, joined: Connect) -> None:
    guard = await joined()
    assert await guard.ping() == {
        "address": server.address,
        "server": "test server 7",
        "model guard_lite": "READY",
        "model other": "UNAVAILABLE",
        "guard": f"guard_lite {guard.identity.version}",
        "prompt_hash": guard.identity.prompt_hash,
    }
    server.is_ready = False
    with pytest.raises(Retryable, match="not ready"):
        await guard.ping()


async def test_closing_ends_calls_in_flight_as_if_the_guard_were_away(
    server: GuardServer, joined: Connect
) -> None:
    guard = await joined(max_batch=1)
    server.gate = asyncio.Event()
    call = asyncio.create_task(scored(guard, *"abc"))
    await until(lambda: server.in_flight == 3, "three in flight")
    await guard.aclose()
    with pytest.raises(Retryable, match="closed"):
        await call


async def test_closing_twice_is_harmless_and_later_calls_may_be_retried(joined: Connect) -> None:
    guard = await joined()
    await guard.aclose()
    await guard.aclose()
    with pytest.raises(Retryable):
        await scored(guard, "hello")


async def test_every_call_is_counted_by_its_code_and_every_opening_of_the_breaker_once(
    server: GuardServer, joined: Connect, time: Time
) -> None:
    metrics = Metrics()
    guard = await joined(metrics=metrics, max_batch=1, attempts=2, breaker_failures=2, breaker_open_s=5.0)
    assert await scored(guard, *"ab") == [BENIGN] * 2
    server.broken = Code.UNAVAILABLE
    with pytest.raises(Retryable):
        await scored(guard, "a")
    seen = [guard.breaker_state]
    with pytest.raises(Retryable):
        await scored(guard, "a")
    time.now += 5
    with pytest.raises(Retryable):
        await scored(guard, "a")
    time.now += 5
    server.broken = None
    assert await scored(guard, "a") == [BENIGN]
    seen.append(guard.breaker_state)

    assert seen == ["open", "closed"]
    assert {
        "OK": metrics.value(Metric.GUARD_CALLS, code="OK"),
        "UNAVAILABLE": metrics.value(Metric.GUARD_CALLS, code="UNAVAILABLE"),
        "timed": metrics.value(Metric.GUARD_SECONDS),
        "openings": metrics.value(Metric.BREAKER_OPENINGS),
    } == {"OK": 3, "UNAVAILABLE": 3, "timed": 6, "openings": 2}
    assert metrics.value(Metric.GUARD_TURNED_AWAY) >= 1
