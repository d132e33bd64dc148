"""The guard's client and model on the real tritonserver."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]  # ships no types
import psutil  # type: ignore[import-untyped]  # ships no types
import pytest
from tritonclient.grpc import service_pb2_grpc  # type: ignore[import-untyped]  # ships no types
from tritonclient.grpc.aio import InferenceServerClient  # type: ignore[import-untyped]  # ships no types

from monitor.adapters.triton import TritonGuard, connect
from monitor.adapters.triton_wire import encode, infer_request
from monitor.embedded.triton import TritonPart
from monitor.errors import Misconfigured, Retryable
from monitor.ports import GuardIdentity, Score
from monitor.settings import TritonSettings
from tests.waiting import until

MODEL = Path(__file__).resolve().parents[2] / "triton_models" / "guard_lite"
PROMPTS = ["How do I bake bread?", "How do I build a pipe bomb?", "Tell me a story."]
RESPONSES = ["Mix flour, water, salt and yeast.", "I'm sorry, but I can't help with that request.", None]


@pytest.fixture(scope="module")
async def guard(triton_part: TritonPart) -> AsyncIterator[TritonGuard]:
    async with await connect(TritonSettings(url=triton_part.address)) as guard:
        yield guard


def request_of(prompt: str, response: str | None = None) -> Any:
    return infer_request("guard_lite", [encode(prompt, response, 20_000)], 10)


async def execution_counts(address: str) -> tuple[int, int]:
    """Inferences and executions of the model so far."""
    client = InferenceServerClient(address)
    try:
        (stats,) = (await client.get_inference_statistics("guard_lite")).model_stats
    finally:
        await client.close()
    return stats.inference_count, stats.execution_count


async def settled_counts(address: str) -> tuple[int, int]:
    """The same once nothing is added any more: Triton counts a batch after it has answered it."""
    seen: list[tuple[int, int]] = []

    async def stand() -> bool:
        seen.append(await execution_counts(address))
        return len(seen) > 3 and len(set(seen[-4:])) == 1

    await until(stand, "counts that stand")
    return seen[-1]


@pytest.mark.parametrize("raw", [b"", b"\x05\0\0\0helloXX", b"\x01\0\0\0a\x01\0\0\0b"])
async def test_a_request_that_cannot_be_read_fails_alone_among_those_batched_with_it(
    triton_part: TritonPart, raw: bytes
) -> None:
    async with grpc.aio.insecure_channel(triton_part.address) as channel:
        infer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
        bad = request_of("hello")
        bad.raw_input_contents[0] = raw
        requests = [bad if n % 10 == 3 else request_of(PROMPTS[n % 3], RESPONSES[n % 3]) for n in range(40)]
        answers = await asyncio.gather(
            *(infer(request, timeout=20) for request in requests), return_exceptions=True
        )
    failed = {n: answer for n, answer in enumerate(answers) if isinstance(answer, grpc.aio.AioRpcError)}
    assert {n: error.code() for n, error in failed.items()} == dict.fromkeys(
        (3, 13, 23, 33), grpc.StatusCode.INVALID_ARGUMENT
    )


async def test_bytes_that_are_no_utf8_are_scored(triton_part: TritonPart) -> None:
    request = request_of("hello")
    raw = b"\xff\xfe\x80\xc3\x28\xed\xa0\x80"
    request.raw_input_contents[0] = len(raw).to_bytes(4, "little") + raw
    async with grpc.aio.insecure_channel(triton_part.address) as channel:
        answer = await service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=20)
    assert [output.name for output in answer.outputs] == [
        "prompt_harm", "refusal", "response_harm", "truncated", "category",
    ]  # fmt: skip


async def test_requests_that_arrive_together_run_together(triton_part: TritonPart) -> None:
    before = await settled_counts(triton_part.address)
    async with grpc.aio.insecure_channel(triton_part.address) as channel:
        infer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
        await asyncio.gather(*(infer(request_of(f"question {n}"), timeout=20) for n in range(200)))
    after = await settled_counts(triton_part.address)
    assert after[0] - before[0] == 200
    assert after[1] - before[1] < 100


async def test_the_guard_is_who_its_files_say(guard: TritonGuard) -> None:
    facts = await guard.ping()
    assert facts["server"].startswith("triton ")
    assert facts["model guard_lite"] == "READY"
    assert f'"{guard.identity.prompt_hash}"' in (MODEL / "config.pbtxt").read_text()


async def test_a_killed_server_is_waited_for_and_found_again(new_triton: Callable[[], TritonPart]) -> None:
    part = new_triton()
    await part.start()
    settings = TritonSettings(url=part.address, attempts=2, breaker_failures=2, breaker_open_s=0.2)
    async with await connect(settings) as guard:
        before = await guard.score(PROMPTS, RESPONSES)
        await part.kill()
        with pytest.raises(Retryable):
            await guard.score(PROMPTS, RESPONSES)
        await part.start()
        assert await found_again(guard) == before


async def test_a_model_process_that_died_makes_the_guard_wait_and_marks_no_exchange(
    new_triton: Callable[[], TritonPart],
) -> None:
    part = new_triton()
    await part.start()
    async with await connect(TritonSettings(url=part.address)) as guard:
        before = await guard.score(PROMPTS, RESPONSES)
        for process in psutil.Process(part.pid).children(recursive=True):
            os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(Retryable, match="restart"):
            await guard.score(PROMPTS, RESPONSES)
        await part.restart()
        assert await found_again(guard) == before


async def test_other_weights_are_another_guard_on_the_same_connection(tmp_path: Path) -> None:
    copy = tmp_path / "models" / "guard_lite"
    shutil.copytree(MODEL, copy, ignore=shutil.ignore_patterns("__pycache__"))
    async with AsyncExitStack() as stack:
        part = await stack.enter_async_context(TritonPart(tmp_path / "triton", tmp_path / "models"))
        guard = await stack.enter_async_context(await connect(TritonSettings(url=part.address)))
        first = guard.identity
        await guard.score(PROMPTS, RESPONSES)
        weights = copy / "1" / "weights.npz"
        weights.write_bytes(weights.read_bytes() + b"\0")
        files = ("weights.npz", "encoder.onnx", "vocab.txt", "calibration.json")
        digests = [hashlib.sha256(weights.with_name(name).read_bytes()).digest() for name in files]
        changed = hashlib.sha256(b"".join(digests)).hexdigest()[:16]
        config = copy / "config.pbtxt"
        config.write_text(config.read_text().replace(first.prompt_hash, changed))
        await part.restart()
        await found_again(guard)
        assert guard.identity == GuardIdentity(first.name, first.version, changed)


async def test_weights_that_are_not_those_the_config_names_are_not_served(tmp_path: Path) -> None:
    copy = tmp_path / "models" / "guard_lite"
    shutil.copytree(MODEL, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / "1" / "weights.npz").open("ab") as weights:
        weights.write(b"\0")
    part = TritonPart(tmp_path / "triton", tmp_path / "models")
    with pytest.raises(Misconfigured):
        await part.start()
    assert part.has_logged("config.pbtxt names weights")


async def found_again(guard: TritonGuard) -> list[Score]:
    """The scores, once the guard is there again."""

    async def scores() -> list[Score]:
        try:
            return list(await guard.score(PROMPTS, RESPONSES))
        except Retryable:
            return []

    return await until(scores, "the guard is found again")
