"""The broker behind a proxy, and worker processes that are killed, stopped and frozen."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.chaos.faults.tcp_proxy import TcpProxy
from benchmarks.chaos.faults.workers import WorkerProcess
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.free_ports import LOOPBACK, free_port
from monitor.embedded.kafka import KafkaPart
from monitor.embedded.process import process_started
from monitor.embedded.triton import TritonPart
from tests.integration.conftest import create_topic
from tests.waiting import until

REPOSITORY_ROOT: Final = Path(__file__).resolve().parents[2]


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
