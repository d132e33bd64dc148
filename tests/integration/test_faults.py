"""The faults of the chaos harness on the real parts: what each does, and that nothing is lost or counted twice by it."""

from __future__ import annotations

import asyncio
import random
import re
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import grpc  # type: ignore[import-untyped]  # ships no types
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from tritonclient.grpc import service_pb2_grpc  # type: ignore[import-untyped]  # ships no types

from benchmarks.chaos.faults.clickhouse_proxy import ClickHouseProxy, StoreFault
from benchmarks.chaos.faults.guard import FaultyGuard, make_repository
from benchmarks.chaos.faults.tcp_proxy import TcpProxy
from benchmarks.chaos.faults.workers import WorkerProcess
from monitor.adapters.clickhouse import ClickHouse, connect
from monitor.adapters.triton import TritonGuard
from monitor.adapters.triton import connect as connect_guard
from monitor.adapters.triton_wire import ERROR, encode, infer_request
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.free_ports import LOOPBACK, free_port
from monitor.embedded.kafka import KafkaPart
from monitor.embedded.process import process_started
from monitor.embedded.triton import TritonPart
from monitor.errors import Retryable
from monitor.ports import Score
from monitor.settings import ClickHouseSettings, TritonSettings
from tests.integration.conftest import create_topic
from tests.stores import new_store, rows, verdict
from tests.waiting import until

REPOSITORY_ROOT: Final = Path(__file__).resolve().parents[2]
APPLIED: Final = {StoreFault.APPLIED_THEN_SILENT, StoreFault.APPLIED_THEN_RESET, StoreFault.HALF_ANSWER}
REPEATED: Final = {*APPLIED, StoreFault.RESET, StoreFault.HALF_APPLIED_BODY}
"""The client itself tries once more where the connection ended without an answer."""
COUNTS: Final = (
    "SELECT (SELECT count() FROM verdicts), (SELECT uniqExact(event_id) FROM verdicts),"
    " (SELECT count() FROM arrivals FINAL)"
)


@pytest.fixture
async def proxy(clickhouse_part: ClickHousePart) -> AsyncIterator[ClickHouseProxy]:
    async with ClickHouseProxy(clickhouse_part.address) as made:
        made.silence_s = 0.1
        yield made


@pytest.fixture
async def store(proxy: ClickHouseProxy) -> AsyncIterator[ClickHouse]:
    async with new_store(proxy.url) as made:
        yield made
        proxy.is_away = False
        proxy.clear()


def a_batch(name: str, size: int = 200) -> list[bytes]:
    return [verdict(f"{name}-{n}", n % 60).to_bytes() for n in range(size)]


@pytest.mark.parametrize("fault", StoreFault)
async def test_an_insert_that_suffers_a_fault_is_retryable_and_once_when_it_is_tried_again(
    proxy: ClickHouseProxy, store: ClickHouse, fault: StoreFault
) -> None:
    proxy.will(fault, 2)
    with pytest.raises(Retryable):
        await store.insert(a_batch("a"))

    happened = 2 if fault in REPEATED else 1
    assert proxy.done == {fault: happened}
    assert sum(proxy.pending.values()) == 2 - happened
    there = 200 if fault in APPLIED else 0
    assert await rows(store, COUNTS) == [(there, there, there)]

    proxy.clear()
    await store.insert(a_batch("a"))
    assert await rows(store, COUNTS) == [(200, 200, 200)]


@pytest.mark.parametrize("fault", sorted(REPEATED))
async def test_a_connection_that_ends_once_is_the_clients_own_affair(
    proxy: ClickHouseProxy, store: ClickHouse, fault: StoreFault
) -> None:
    proxy.will(fault)
    await store.insert(a_batch("a"))
    assert (proxy.done, await rows(store, COUNTS)) == ({fault: 1}, [(200, 200, 200)])


async def test_a_client_that_gives_up_on_an_applied_insert_finds_it_applied(
    proxy: ClickHouseProxy, store: ClickHouse
) -> None:
    proxy.silence_s = 3600.0
    settings = ClickHouseSettings(url=proxy.url, database=store._settings.database, timeout_s=1.0)
    async with await connect(settings) as hasty:
        proxy.will(StoreFault.APPLIED_THEN_SILENT)
        with pytest.raises(Retryable):
            await hasty.insert(a_batch("a"))

    async def is_applied() -> bool:
        return await rows(store, COUNTS) == [(200, 200, 200)]

    await until(is_applied, "the rows")
    await store.insert(a_batch("a"))
    assert await rows(store, COUNTS) == [(200, 200, 200)]


async def test_an_engine_that_is_away_behind_the_proxy_is_retryable_and_found_again(
    proxy: ClickHouseProxy, store: ClickHouse
) -> None:
    proxy.is_away = True
    with pytest.raises(Retryable):
        await store.insert(a_batch("a"))
    with pytest.raises(Retryable):
        await connect(ClickHouseSettings(url=proxy.url))
    proxy.is_away = False
    await store.insert(a_batch("a"))
    assert await rows(store, COUNTS) == [(200, 200, 200)]


async def test_going_away_resets_who_is_being_answered(proxy: ClickHouseProxy) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"{proxy.url}/?query=SELECT+repeat('x',1000)+FROM+numbers(100000000)"
        async with session.get(url) as answer:
            await answer.content.readexactly(1_000_000)
            proxy.is_away = True
            with pytest.raises(aiohttp.ClientError):
                await answer.read()


async def test_writers_side_by_side_under_random_faults_lose_and_repeat_nothing(
    proxy: ClickHouseProxy, store: ClickHouse
) -> None:
    dice = random.Random(4)

    async def write(batch: Sequence[bytes]) -> int:
        tries = 1
        while True:
            try:
                await store.insert(batch)
            except Retryable:
                tries += 1
            else:
                return tries

    for number in range(12):
        for fault in dice.choices(list(StoreFault), k=6):
            proxy.will(fault)
        tries = await asyncio.gather(*(write(a_batch(f"{number}-{writer}", 50)) for writer in range(4)))
        assert sum(tries) > 4
    assert sum(proxy.done.values()) > 40
    proxy.clear()
    assert await rows(store, COUNTS) == [(12 * 4 * 50,) * 3]


@pytest.mark.parametrize("accept", ["", "gzip", "lz4", "zstd"])
@pytest.mark.parametrize(
    "query",
    ["SELECT number FROM numbers(100000)", "SELECT 1 AS x FORMAT CSVWithNames", "SELECT throwIf(1)", "SELEC"],
)
async def test_what_is_no_insert_of_verdicts_passes_through_untouched(
    clickhouse_part: ClickHousePart, proxy: ClickHouseProxy, query: str, accept: str
) -> None:
    proxy.will(StoreFault.REFUSE)

    async def asked(url: str) -> tuple[int, dict[str, str], bytes]:
        params = {"query": query, "query_id": "q", "wait_end_of_query": "1", "enable_http_compression": "1"}
        headers = {"Accept-Encoding": accept}
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.post(url, params=params, headers=headers) as answer,
        ):
            kept = {name: value for name, value in answer.headers.items() if name != "Date"}
            return answer.status, kept, await answer.read()

    assert await asked(proxy.url) == await asked(clickhouse_part.address)
    assert proxy.done == {}


async def test_a_result_passes_while_it_is_made(proxy: ClickHouseProxy) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"{proxy.url}/?query=SELECT+number+FROM+numbers(1000000000000)"
        async with session.get(url) as answer:
            assert (await answer.content.readexactly(4)) == b"0\n1\n"

        async def has_ended() -> bool:
            running = b"SELECT count() FROM system.processes WHERE query LIKE '%numbers(1000000000000)'"
            async with session.post(proxy.url, data=running) as answer:
                return await answer.text() == "0\n"

        await until(has_ended, "the end of a query that nobody waits for")


async def test_a_result_that_breaks_off_breaks_off_behind_the_proxy_too(proxy: ClickHouseProxy) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"{proxy.url}/?query=SELECT+number,throwIf(number=3000000)+FROM+numbers(5000000)"
        async with session.get(url) as answer:
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()


async def test_a_large_insert_of_something_else_passes_whole(
    proxy: ClickHouseProxy, store: ClickHouse
) -> None:
    await store._client.command("CREATE TABLE other (n UInt64) ENGINE = MergeTree ORDER BY n")
    given = [[n] for n in range(500_000)]
    await store._client.insert("other", given, column_names=["n"])
    assert await rows(store, "SELECT count(), uniqExact(n) FROM other") == [(500_000, 500_000)]


@pytest.mark.parametrize("table", ["verdict_rows", "arrivals"])
async def test_a_disk_that_the_engine_finds_full_is_retryable_and_nothing_is_lost_or_doubled(
    store: ClickHouse, table: str
) -> None:
    """The engine's own refusal; of `arrivals` it comes when the rows are in `verdict_rows` already."""
    setting = "min_free_disk_bytes_to_perform_insert"
    await store._do(f"ALTER TABLE {table} MODIFY SETTING {setting} = 1000000000000000")
    for _ in range(2):
        with pytest.raises(Retryable, match="243"):
            await store.insert(a_batch("a"))
    await store._do(f"ALTER TABLE {table} RESET SETTING {setting}")
    await store.insert(a_batch("a"))
    assert await rows(store, COUNTS) == [(200, 200, 200)]


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


@pytest.fixture
async def to_kafka(tmp_path: Path) -> AsyncIterator[tuple[TcpProxy, KafkaPart]]:
    """A broker whose clients all go through the proxy."""
    ports = {"broker": free_port()}
    async with (
        TcpProxy(LOOPBACK, ports["broker"]) as tcp,
        KafkaPart(tmp_path / "kafka", ports=ports, advertised_port=tcp.port) as part,
    ):
        await create_topic(part.address, "logs")
        yield tcp, part


async def test_clients_of_a_broker_behind_a_proxy_go_through_it_and_outlive_its_faults(
    to_kafka: tuple[TcpProxy, KafkaPart],
) -> None:
    tcp, part = to_kafka
    # The producer is told of the broker by the broker itself, and sent to the proxy all the same.
    producer = AIOKafkaProducer(
        bootstrap_servers=part.address, enable_idempotence=True, request_timeout_ms=5_000
    )
    consumer = AIOKafkaConsumer("logs", bootstrap_servers=tcp.address, auto_offset_reset="earliest")
    async with producer, consumer:
        await producer.send_and_wait("logs", b"0")
        assert (await consumer.getone()).value == b"0"
        assert tcp.connections >= 2

        assert tcp.cut() >= 2
        await producer.send_and_wait("logs", b"1")

        tcp.is_frozen = True
        sending = await producer.send("logs", b"2")
        await until(lambda: tcp.under_way, "a request in the black hole")
        assert not sending.done()
        tcp.is_frozen = False
        await sending

        tcp.delay_s = 0.05
        await producer.send_and_wait("logs", b"3")
        assert [(await consumer.getone()).value for _ in range(3)] == [b"1", b"2", b"3"]


@pytest.fixture
def worker_log(tmp_path: Path) -> Path:
    return tmp_path / "worker" / "worker.log"


@pytest.fixture
async def waiting(unused_tcp_port: int, worker_log: Path) -> AsyncIterator[WorkerProcess]:
    """A worker that waits for a broker that isn't there."""
    environment = {"WATCHKEEPER_KAFKA__BOOTSTRAP": f"{LOOPBACK}:{unused_tcp_port}"}
    async with WorkerProcess(environment, worker_log) as made:
        await until(lambda: made.has_logged("waiting"), "a worker that waits")
        yield made


async def test_a_worker_gets_ready_and_drains_when_asked(
    worker_log: Path, kafka_part: KafkaPart, triton_part: TritonPart, clickhouse_part: ClickHousePart
) -> None:
    name = secrets.token_hex(4)
    environment = {
        "WATCHKEEPER_KAFKA__BOOTSTRAP": kafka_part.address,
        "WATCHKEEPER_KAFKA__CHAT_LOGS_TOPIC": f"chat.logs.{name}",
        "WATCHKEEPER_KAFKA__CHAT_LOGS_BACKFILL_TOPIC": f"chat.logs.backfill.{name}",
        "WATCHKEEPER_KAFKA__CHAT_LOGS_DLQ_TOPIC": f"chat.logs.{name}.dlq",
        "WATCHKEEPER_KAFKA__VERDICTS_TOPIC": f"safety.verdicts.{name}",
        "WATCHKEEPER_KAFKA__VERDICTS_DLQ_TOPIC": f"safety.verdicts.{name}.dlq",
        "WATCHKEEPER_KAFKA__GROUP_PREFIX": f"wk-{name}",
        "WATCHKEEPER_TRITON__URL": triton_part.address,
        "WATCHKEEPER_CLICKHOUSE__URL": clickhouse_part.address,
        "WATCHKEEPER_CLICKHOUSE__DATABASE": f"watchkeeper_{name}",
    }
    async with WorkerProcess(environment, worker_log) as worker:
        await worker.wait_ready()
        assert worker.exit_code is None
        worker.sigterm()
        assert await worker.gone() == 0
        assert worker.has_logged("stopped")


async def test_a_killed_worker_is_gone(waiting: WorkerProcess) -> None:
    waiting.sigkill()
    assert await waiting.gone() == 128 + signal.SIGKILL
    waiting.sigterm()  # to nobody
    assert process_started(waiting.pid) is None


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
async def test_a_frozen_worker_does_nothing_until_it_is_thawed(waiting: WorkerProcess) -> None:
    def state() -> str:
        return Path(f"/proc/{waiting.pid}/stat").read_text().rpartition(")")[2].split()[0]

    waiting.freeze()
    await until(lambda: state() == "T", "a worker that stands still")
    waiting.sigterm()
    assert (waiting.exit_code, state()) == (None, "T")
    waiting.thaw()
    assert await waiting.gone() == 0


async def test_a_worker_that_ends_before_it_is_ready_is_told_with_its_log(worker_log: Path) -> None:
    async with WorkerProcess({"WATCHKEEPER_KAFKA__BOOTSTRAPP": "x:1"}, worker_log) as worker:
        with pytest.raises(RuntimeError, match=f"ended with code 2 .* see {worker_log}"):
            await worker.wait_ready()


HARNESS: Final = """
import asyncio, os, sys
from pathlib import Path
from benchmarks.chaos.faults.workers import WorkerProcess

async def main():
    worker = WorkerProcess({"WATCHKEEPER_KAFKA__BOOTSTRAP": sys.argv[2]}, Path(sys.argv[1]), grace_s=0.3)
    await worker.start()
    worker.freeze()
    print(worker.pid, flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


async def test_a_frozen_worker_does_not_outlive_a_harness_that_is_killed(
    unused_tcp_port: int, worker_log: Path
) -> None:
    harness = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HARNESS, str(worker_log), f"{LOOPBACK}:{unused_tcp_port}"),
        cwd=REPOSITORY_ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert harness.stdout is not None
    pid = int(await harness.stdout.readline())
    assert process_started(pid) is not None
    harness.kill()
    await harness.wait()
    await until(lambda: process_started(pid) is None, "the worker's end")
