"""The embedded parts stand what they are for: being killed, and coming back with their data."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from tritonclient.grpc.aio import InferenceServerClient  # type: ignore[import-untyped]  # ships no types

from monitor.embedded.kafka import KafkaPart
from monitor.embedded.process import process_started
from monitor.embedded.triton import TritonPart
from monitor.errors import Misconfigured
from tests.integration.conftest import REPOSITORY, TopicFactory, create_topic

LISTENING = "0A"
MAPPED_IPV4 = "0000000000000000FFFF0000"  # how /proc/net/tcp6 begins ::ffff:a.b.c.d


async def test_a_killed_broker_comes_back_on_its_port_with_its_records(
    new_kafka: Callable[[], KafkaPart],
) -> None:
    kafka = new_kafka()
    await kafka.start()
    address, first_pid = kafka.address, kafka.pid
    await create_topic(address, "kept", partitions=2)
    await _produce(address, "kept", [b"one", b"two", b"three"])
    await kafka.kill()
    assert (kafka.is_running, kafka.exit_code) == (False, 137)

    await kafka.restart()

    assert kafka.address == address
    assert kafka.pid != first_pid
    assert await _consume(address, "kept", 3) == [b"one", b"two", b"three"]


async def test_a_transaction_is_seen_whole_by_readers_of_the_committed(
    topic: TopicFactory, kafka_part: KafkaPart
) -> None:
    name = await topic("transactions")
    producer = AIOKafkaProducer(bootstrap_servers=kafka_part.address, transactional_id=name)
    async with producer, producer.transaction():
        await producer.send_and_wait(name, b"in", partition=0)
    assert await _consume(kafka_part.address, name, 1) == [b"in"]


async def test_a_message_of_thirty_megabytes_passes_the_broker(
    topic: TopicFactory, kafka_part: KafkaPart
) -> None:
    name = await topic("large")
    value = bytes(30_000_000)
    await _produce(kafka_part.address, name, [value])
    assert await _consume(kafka_part.address, name, 1) == [value]


async def test_a_killed_triton_leaves_no_stub_and_comes_back(new_triton: Callable[[], TritonPart]) -> None:
    triton = new_triton()
    await triton.start()
    pid = triton.pid
    assert pid is not None
    stubs = _children(pid)
    assert stubs, "the Python backend runs each model in a process of its own"

    await triton.kill()
    assert [process_started(stub) for stub in stubs] == [None] * len(stubs)

    await triton.restart()
    client = InferenceServerClient(triton.address)
    try:
        assert [await client.is_model_ready(model) for model in triton.models] == [True] * len(triton.models)
    finally:
        await client.close()


async def test_a_model_that_fails_to_load_is_told_with_its_reason(tmp_path: Path) -> None:
    model = tmp_path / "models" / "broken"
    (model / "1").mkdir(parents=True)
    (model / "config.pbtxt").write_text(
        'name: "broken"\nbackend: "python"\nmax_batch_size: 1\n', encoding="utf-8"
    )
    (model / "1" / "model.py").write_text("raise RuntimeError('no weights here')\n", encoding="utf-8")
    with pytest.raises(Misconfigured, match="triton ended with code 1 while it started") as caught:
        await TritonPart(tmp_path / "triton", tmp_path / "models").start()
    assert "failed to load 'broken' version 1: Internal: RuntimeError: no weights here" in str(caught.value)


async def test_where_no_tritonserver_runs_our_own_serves_the_models_and_says_why(tmp_path: Path) -> None:
    part = TritonPart(tmp_path / "triton", REPOSITORY, binary="there is none for this platform")
    async with part:
        assert (part.http_address, part.facts["server"], part.facts["why"]) == (
            "",
            "in-process (KServe v2 gRPC)",
            "there is none for this platform",
        )
        client = InferenceServerClient(part.address)
        try:
            assert [await client.is_model_ready(model) for model in part.models] == [True] * len(part.models)
        finally:
            await client.close()


async def test_parts_listen_on_loopback_alone(kafka_part: KafkaPart, triton_part: TritonPart) -> None:
    ports = {*kafka_part.ports.values(), *triton_part.ports.values()}
    listeners = _listeners()
    assert {(address, port) for address, port in listeners if port in ports} == {
        ("127.0.0.1", port) for port in ports
    }


async def _produce(bootstrap: str, topic: str, values: list[bytes]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=33_554_432) as producer:
        for value in values:
            await producer.send_and_wait(topic, value, partition=0)


async def _consume(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    async with consumer:
        return [(await consumer.getone()).value for _ in range(count)]


def _children(pid: int) -> list[int]:
    return [
        int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    ]


def _listeners() -> set[tuple[str, int]]:
    """Every listening TCP address of this machine: IPv4 dotted, IPv6 as the kernel writes it."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            host, port = fields[1].split(":")
            if fields[3] == LISTENING:
                host = host.removeprefix(MAPPED_IPV4)
                address = socket.inet_ntoa(bytes.fromhex(host)[::-1]) if len(host) == 8 else host
                found.add((address, int(port, 16)))
    return found
