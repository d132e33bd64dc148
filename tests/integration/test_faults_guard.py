"""The faults of the guard on the real Triton: each happens once, and no exchange gets the score of another."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc  # type: ignore[import-untyped]  # ships no types
import pytest
from tritonclient.grpc import service_pb2_grpc  # type: ignore[import-untyped]  # ships no types

from benchmarks.chaos.faults.guard import FaultyGuard, make_repository
from monitor.adapters.triton import TritonGuard
from monitor.adapters.triton import connect as connect_guard
from monitor.adapters.triton_wire import ERROR, encode, infer_request
from monitor.embedded.triton import TritonPart
from monitor.errors import Retryable
from monitor.ports import Score
from monitor.settings import TritonSettings
from tests.waiting import until

PROMPTS: Final = [f"how do I make {n} {'bombs' if n % 3 else 'cakes'}" for n in range(60)]
RESPONSES: Final = [
    None if n % 5 == 0 else "I'm sorry, I can't help with that." if n % 2 else "Here is how."
    for n in range(60)
]


@pytest.fixture(scope="module")
async def truth(triton_part: TritonPart) -> Sequence[Score]:
    """What the real model says, without faults."""
    async with await connect_guard(TritonSettings(url=triton_part.address)) as guard:
        return await guard.score(PROMPTS, RESPONSES)


@pytest.fixture(scope="module")
async def faulty(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[FaultyGuard, TritonPart]]:
    folder = tmp_path_factory.mktemp("faulty")
    model = make_repository(folder / "models")
    async with TritonPart(folder / "triton", model.repository) as part:
        yield model, part


@pytest.fixture
async def model(faulty: tuple[FaultyGuard, TritonPart]) -> AsyncIterator[FaultyGuard]:
    yield faulty[0]
    faulty[0].set()


@pytest.fixture
async def guard(faulty: tuple[FaultyGuard, TritonPart]) -> AsyncIterator[TritonGuard]:
    """Whose requests hold eight exchanges each."""
    async with await connect_guard(TritonSettings(url=faulty[1].address, max_batch=8)) as made:
        yield made


@dataclass(frozen=True)
class Since:
    """What the model did since this was made."""

    model: FaultyGuard
    before: Mapping[str, int]

    def did(self) -> dict[str, int]:
        return {kind: n - self.before[kind] for kind, n in self.model.done().items() if n > self.before[kind]}


def since_now(model: FaultyGuard) -> Since:
    return Since(model, model.done())


async def refusals(part: TritonPart, count: int) -> list[str]:
    """Ask for `count` exchanges at once, each in a request of its own. What Triton said of those that it refused."""
    async with grpc.aio.insecure_channel(part.address) as channel:
        infer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
        asked = [encode(PROMPTS[n % 60], RESPONSES[n % 60], 20_000) for n in range(count)]
        requests = [infer(infer_request("guard_lite", [one], 30), timeout=30) for one in asked]
        answers = await asyncio.gather(*requests, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert {error.code() for error in refused if isinstance(error, grpc.aio.AioRpcError)} <= {
        grpc.StatusCode.INTERNAL
    }
    return [error.details() if isinstance(error, grpc.aio.AioRpcError) else repr(error) for error in refused]


async def test_a_guard_told_of_no_fault_is_the_real_one(
    model: FaultyGuard, guard: TritonGuard, truth: Sequence[Score]
) -> None:
    model.set(slow_s=0.001)
    since = since_now(model)
    assert await guard.score(PROMPTS, RESPONSES) == truth
    assert since.did().keys() == {"slow"}


@pytest.mark.parametrize("fault", ["fail_requests", "fail_batches"])
@pytest.mark.parametrize("times", [1, 2, 3, 5])
async def test_failures_that_pass_mark_no_exchange_and_swap_no_score(
    model: FaultyGuard, guard: TritonGuard, truth: Sequence[Score], fault: str, times: int
) -> None:
    since = since_now(model)
    model.set(
        fail_requests=times * (fault == "fail_requests"), fail_batches=times * (fault == "fail_batches")
    )

    async def scored() -> Sequence[Score]:
        try:
            return await guard.score(PROMPTS, RESPONSES)
        except Retryable:
            return []

    assert await until(scored, "the scores") == truth
    assert since.did() == {fault: times}


async def test_a_model_that_fails_every_request_is_waited_for(
    model: FaultyGuard, guard: TritonGuard, truth: Sequence[Score]
) -> None:
    model.set(fail_requests=1_000_000)
    with pytest.raises(Retryable, match="refuses everything"):
        await guard.score(PROMPTS, RESPONSES)
    model.set()
    assert await guard.score(PROMPTS, RESPONSES) == truth


async def test_calls_side_by_side_keep_their_own_scores_under_faults(
    model: FaultyGuard, guard: TritonGuard, truth: Sequence[Score]
) -> None:
    async def scored(start: int) -> Sequence[Score]:
        while True:
            try:
                return await guard.score(PROMPTS[start:], RESPONSES[start:])
            except Retryable:
                pass

    for _ in range(5):
        model.set(fail_requests=4, fail_batches=2, slow_s=0.002)
        together = await asyncio.gather(*(scored(start) for start in range(0, 60, 5)))
        for start, scores in zip(range(0, 60, 5), together, strict=True):
            assert [
                s for s, right in zip(scores, truth[start:], strict=True) if s not in (right, ERROR)
            ] == []


async def test_each_failure_happens_once_among_the_models_processes(
    model: FaultyGuard, faulty: tuple[FaultyGuard, TritonPart]
) -> None:
    since = since_now(model)
    model.set(fail_requests=25, slow_s=0.005)
    assert len(await refusals(faulty[1], 400)) == 25
    assert since.did()["fail_requests"] == 25


async def test_a_fault_that_happened_does_not_happen_again_after_a_restart(
    tmp_path: Path, truth: Sequence[Score]
) -> None:
    model = make_repository(tmp_path / "models")
    async with TritonPart(tmp_path / "triton", model.repository) as part:
        model.set(fail_requests=30)
        assert len(await refusals(part, 10)) == 10
        await part.kill()
        await part.start()
        assert model.done()["fail_requests"] == 10  # none was spent on the warm-up
        assert len(await refusals(part, 30)) == 20
        async with await connect_guard(TritonSettings(url=part.address)) as guard:
            assert await guard.score(PROMPTS, RESPONSES) == truth
    assert model.done() == {"slow": 0, "fail_requests": 30, "fail_batches": 0, "die": 0}


async def test_one_model_process_dies_once_and_stays_dead_beside_the_other(
    tmp_path: Path, truth: Sequence[Score]
) -> None:
    model = make_repository(tmp_path / "models")
    async with TritonPart(tmp_path / "triton", model.repository) as part:
        model.set(die=True)
        said = [text for _ in range(8) for text in await refusals(part, 1)]
        assert 0 < len(said) < 8  # Triton gives it every other request
        assert re.fullmatch(r"Stub process 'guard_lite_0_[01]' is not healthy\.", said[-1])
        assert model.done()["die"] == 1
        await part.restart()
        assert await refusals(part, 40) == []
        async with await connect_guard(TritonSettings(url=part.address)) as guard:
            assert await guard.score(PROMPTS, RESPONSES) == truth
    assert model.done()["die"] == 1
