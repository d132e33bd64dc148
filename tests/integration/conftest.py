"""The embedded parts as fixtures: real broker, real Triton, real engine, on their own ports and folders.

`kafka_part`, `triton_part`, `clickhouse_part` are shared by the whole session: use them, leave them running.
`new_kafka`, `new_triton`, `new_clickhouse` make a part of your own to kill and restart; it isn't started yet, and is
stopped when the test ends. `topic` makes topics with names of their own on the shared broker.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart
from monitor.embedded.part import Part
from monitor.embedded.triton import TritonPart

REPOSITORY = Path(__file__).resolve().parents[2] / "triton_models"
SomePart = TypeVar("SomePart", bound=Part)
TopicFactory = Callable[..., Awaitable[str]]


@pytest.fixture(scope="session")
def parts_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the session's parts keep their data."""
    return tmp_path_factory.mktemp("parts")


@pytest.fixture(scope="session")
async def kafka_part(parts_folder: Path) -> AsyncIterator[KafkaPart]:
    """The shared broker; `.address` is its bootstrap."""
    async with KafkaPart(parts_folder / "kafka") as part:
        yield part


@pytest.fixture(scope="session")
async def triton_part(parts_folder: Path) -> AsyncIterator[TritonPart]:
    """The shared Triton on our model repository; `.address` is gRPC's."""
    async with TritonPart(parts_folder / "triton", REPOSITORY) as part:
        yield part


@pytest.fixture(scope="session")
async def clickhouse_part(parts_folder: Path) -> AsyncIterator[ClickHousePart]:
    """The shared engine; `.address` is its URL."""
    async with ClickHousePart(parts_folder / "clickhouse") as part:
        yield part


@pytest.fixture
async def keep() -> AsyncIterator[Callable[[SomePart], SomePart]]:
    """Takes a part and stops it when the test ends."""
    async with AsyncExitStack() as stack:

        def take(part: SomePart) -> SomePart:
            stack.push_async_callback(part.stop)
            return part

        yield take


@pytest.fixture
def new_kafka(tmp_path: Path, keep: Callable[[KafkaPart], KafkaPart]) -> Callable[[], KafkaPart]:
    """Makes a broker of the test's own, not started."""
    return lambda: keep(KafkaPart(tmp_path / f"kafka-{secrets.token_hex(3)}"))


@pytest.fixture
def new_triton(tmp_path: Path, keep: Callable[[TritonPart], TritonPart]) -> Callable[[], TritonPart]:
    """Makes a Triton of the test's own on our model repository, not started."""
    return lambda: keep(TritonPart(tmp_path / f"triton-{secrets.token_hex(3)}", REPOSITORY))


@pytest.fixture
def new_clickhouse(
    tmp_path: Path, keep: Callable[[ClickHousePart], ClickHousePart]
) -> Callable[[], ClickHousePart]:
    """Makes an engine of the test's own, not started."""
    return lambda: keep(ClickHousePart(tmp_path / f"clickhouse-{secrets.token_hex(3)}"))


@pytest.fixture
async def topic(kafka_part: KafkaPart) -> TopicFactory:
    """`await topic("chat.logs", partitions=3)` makes a topic of a unique name that begins so, and returns the name."""

    async def make(stem: str = "topic", *, partitions: int = 1, config: dict[str, str] | None = None) -> str:
        name = f"{stem}.{secrets.token_hex(4)}"
        await create_topic(kafka_part.address, name, partitions=partitions, config=config)
        return name

    return make


async def create_topic(
    bootstrap: str, name: str, *, partitions: int = 1, config: dict[str, str] | None = None
) -> None:
    """Create a topic; returns when the broker has answered. Raises aiokafka's error if it refuses."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config or {})])
    finally:
        await admin.close()
