"""What is asked of Kafka: topics, offsets, groups, and records read without joining any group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaError,
    NoError,
    NotCoordinatorForGroupError,
    for_code,
)
from aiokafka.structs import OffsetAndMetadata

from monitor.adapters.closing import close
from monitor.adapters.kafka import translated
from monitor.adapters.kafka_options import client_options
from monitor.errors import Misconfigured, Retryable
from monitor.kafka_settings import KafkaSettings

CONNECT_S: Final = 10.0
"""Longest wait for a first answer: a person is waiting."""
COORDINATOR_S: Final = 5.0
"""Longest wait for a group's coordinator to be made or to load."""
STALLED_S: Final = 20.0
"""Reading a range that brings nothing for this long is given up."""

_REBALANCING: Final = frozenset({"PreparingRebalance", "CompletingRebalance"})

T = TypeVar("T")


class Record(Protocol):
    """A record as aiokafka gives it."""

    @property
    def partition(self) -> int:
        """Its partition."""
        ...

    @property
    def offset(self) -> int:
        """Its offset."""
        ...

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970."""
        ...

    @property
    def key(self) -> bytes | None:
        """Its key."""
        ...

    @property
    def value(self) -> bytes | None:
        """Its value; None for a tombstone."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Its headers."""
        ...


@dataclass(frozen=True, slots=True)
class Commit:
    """A group's committed offset in a partition, and the metadata string committed with it."""

    offset: int
    metadata: str


@dataclass(frozen=True, slots=True)
class Range:
    """The offsets of a partition: the first that is still there, and the one after the last."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class GroupState:
    """A consumer group: its state as Kafka names it, how many members it has, and which partitions of each topic they own.

    While it rebalances nobody owns any.
    """

    state: str
    members: int
    owned: Mapping[str, frozenset[int]]

    @property
    def is_settled(self) -> bool:
        """Whether it isn't rebalancing."""
        return self.state not in _REBALANCING


class KafkaAdmin:
    """Asks one cluster. Every method raises Retryable where the broker doesn't answer, Misconfigured where a person
    has to change something."""

    def __init__(
        self, settings: KafkaSettings, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer
    ) -> None:
        self._settings = settings
        self._admin = admin
        self._consumer = consumer

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, settings: KafkaSettings, connect_s: float = CONNECT_S
    ) -> AsyncIterator[KafkaAdmin]:
        """A connected admin, closed at the end of the block."""
        options = client_options(settings)
        admin = AIOKafkaAdminClient(**options)
        consumer = AIOKafkaConsumer(
            **options, group_id=None, enable_auto_commit=False, auto_offset_reset="none"
        )
        try:
            try:
                async with asyncio.timeout(connect_s):
                    await admin.start()
                    await consumer.start()
            except (TimeoutError, KafkaError, OSError, ValueError) as exc:
                raise _no_broker(settings, exc) from exc
            yield cls(settings, admin, consumer)
        finally:
            await close(consumer.stop(), CONNECT_S)
            await close(admin.close(), CONNECT_S)

    async def partitions(self) -> dict[str, int]:
        """Every topic with its number of partitions."""
        with _translating(f"listing topics at {self._settings.bootstrap}"):
            topics = await self._admin.describe_topics()
        return {topic["topic"]: len(topic["partitions"]) for topic in topics if topic["error_code"] == 0}

    async def require_topic(self, topic: str) -> int:
        """The number of partitions of a topic. Raises Misconfigured where it doesn't exist."""
        partitions = await self.partitions()
        if topic not in partitions:
            raise Misconfigured(
                f"the topic {topic} doesn't exist at {self._settings.bootstrap}",
                "start the workers, which create their topics (`watchkeeper up`, or `python -m workers`), or "
                "correct its name: `watchkeeper config`",
            )
        return partitions[topic]

    async def topic_configs(self, topics: Sequence[str]) -> dict[str, dict[str, str]]:
        """The configuration in force for each topic."""
        resources = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
        with _translating(f"reading the configuration of topics at {self._settings.bootstrap}"):
            responses = await self._admin.describe_configs(resources)
        found: dict[str, dict[str, str]] = {}
        for response in responses:
            for _code, _message, _kind, name, entries in response.resources:
                found[name] = {entry[0]: entry[1] or "" for entry in entries}
        return found

    async def ranges(self, topic: str, count: int | None = None) -> dict[int, Range]:
        """The offsets of every partition of a topic, whose number is asked for unless the caller knows it."""
        partitions = [
            TopicPartition(topic, number) for number in range(count or await self.require_topic(topic))
        ]
        with _translating(f"reading the offsets of {topic}"):
            starts = await self._consumer.beginning_offsets(partitions)
            ends = await self._consumer.end_offsets(partitions)
        return {p.partition: Range(starts[p], ends[p]) for p in partitions}

    async def commits(self, group: str, topic: str, count: int | None = None) -> dict[int, Commit]:
        """The group's commits in a topic, by partition; partitions it never committed are missing. The number of partitions
        is asked for unless the caller knows it."""
        known = (await self.partitions()).get(topic, 0) if count is None else count
        partitions = [TopicPartition(topic, number) for number in range(known)]
        with _translating(f"reading the offsets of group {group}"):
            offsets = await _patiently(lambda: committed_offsets(self._admin, group, partitions))
        return {
            partition.partition: Commit(commit.offset, commit.metadata)
            for partition, commit in offsets.items()
        }

    async def group(self, group: str) -> GroupState:
        """State and members of a group; "Dead" without members where it doesn't exist."""
        with _translating(f"looking at group {group}"):
            described = await _patiently(lambda: self._described(group))
        return GroupState(described["state"], len(described["members"]), _owned(described))

    async def _described(self, group: str) -> Mapping[str, Any]:
        (response,) = await self._admin.describe_consumer_groups([group])
        (described,) = response.to_object()["groups"]
        fault = for_code(described["error_code"])
        if fault is not NoError:
            raise fault(f"describing group {group}")
        return dict(described)

    async def offsets_at(self, topic: str, moment: datetime, count: int | None = None) -> dict[int, int]:
        """For each partition the first offset whose record is not older than `moment`; its end where none is."""
        ranges = await self.ranges(topic, count)
        asked = {TopicPartition(topic, number): int(moment.timestamp() * 1000) for number in ranges}
        with _translating(f"looking for a time in {topic}"):
            found = await self._consumer.offsets_for_times(asked)
        return {
            partition.partition: at.offset if at is not None else ranges[partition.partition].end
            for partition, at in found.items()
        }

    async def read(self, topic: str, ranges: Mapping[int, Range]) -> AsyncIterator[Record]:
        """The records in these ranges, in order within a partition, then it ends. Joins no group, commits nothing."""
        left = {TopicPartition(topic, n): r.end for n, r in ranges.items() if r.end > r.start}
        if not left:
            return
        # Never unsubscribe here: aiokafka 0.14 swallows the cancelling of its fetcher while it lets go of partitions,
        # and `stop` soon after hangs for ever. The next read assigns anew; finished partitions are paused.
        self._consumer.assign(list(left))
        with _translating(f"reading {topic}"):
            for partition in left:
                self._consumer.seek(partition, ranges[partition.partition].start)
            while left:
                batches = await self._poll(topic, left)
                for partition, records in batches.items():
                    for record in records:
                        if partition in left and record.offset < left[partition]:
                            yield record
                for partition in list(left):
                    if await self._consumer.position(partition) >= left[partition]:
                        del left[partition]
                        self._consumer.pause(partition)

    async def _poll(
        self, topic: str, left: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, list[Record]]:
        """Records, or nothing once a position has moved without any (transaction markers)."""
        before = {partition: await self._consumer.position(partition) for partition in left}
        loop = asyncio.get_running_loop()
        deadline = loop.time() + STALLED_S
        while True:
            batches: dict[TopicPartition, list[Record]] = await self._consumer.getmany(
                *left, timeout_ms=500, max_records=2_000
            )
            moved = [p for p in left if await self._consumer.position(p) != before[p]]
            if batches or moved:
                return batches
            if loop.time() > deadline:
                raise Retryable(f"reading {topic} brought nothing for {STALLED_S:.0f} s")

    async def count(self, topic: str, partition: int, offsets: Range) -> int:
        """How many messages there really are in a range: reads it."""
        count = 0
        async for _ in self.read(topic, {partition: offsets}):
            count += 1
        return count

    async def follow(self, topic: str, begins: Mapping[int, int]) -> AsyncIterator[list[Record]]:
        """Records from these offsets on, as they arrive, in lists; never ends. An empty list: nothing for a while.

        Survives a broker that goes away and comes back.
        """
        partitions = [TopicPartition(topic, number) for number in begins]
        self._consumer.assign(partitions)
        for partition in partitions:
            self._consumer.seek(partition, begins[partition.partition])
        while True:
            with _translating(f"reading {topic}"):
                batches = await self._consumer.getmany(timeout_ms=500, max_records=500)
            yield sorted(
                (record for records in batches.values() for record in records), key=lambda r: r.timestamp
            )


def _owned(described: Mapping[str, Any]) -> dict[str, frozenset[int]]:
    """Whose partitions are whose, without the whose. A group of another protocol than consumers' owns none."""
    owned: dict[str, frozenset[int]] = {}
    if described["state"] in _REBALANCING or described["protocol_type"] != ConsumerProtocol.PROTOCOL_TYPE:
        return owned
    for member in described["members"]:
        if member["member_assignment"]:
            assignment = ConsumerProtocol.ASSIGNMENT.decode(member["member_assignment"])
            for topic, partitions in assignment.assignment:
                owned[topic] = owned.get(topic, frozenset()) | frozenset(partitions)
    return owned


@contextmanager
def _translating(doing: str) -> Iterator[None]:
    """Raises ours for aiokafka's."""
    try:
        yield
    except KafkaError as exc:
        raise translated(exc, doing) from exc


async def committed_offsets(
    admin: AIOKafkaAdminClient, group: str, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata]:
    """The group's commits in these partitions; those that it never committed are missing. Raises KafkaError.

    A coordinator that is still loading (its broker has just started, or the group has just moved to it) answers without
    any of the partitions and says why beside them, where aiokafka (checked: 0.14) doesn't look. Taken for "never
    committed", a worker would read the topic from its beginning again, and commit backwards.
    """
    if not partitions:
        return {}
    answer = await admin.list_consumer_group_offsets(group, partitions=list(partitions))
    if any(partition not in answer for partition in partitions):
        raise GroupLoadInProgressError(f"the coordinator of {group} didn't answer for every partition")
    return {partition: commit for partition, commit in answer.items() if commit.offset >= 0}


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer of a group's coordinator. A broker that never had a group makes it at the first question, and one
    that has just started is still loading: both take a moment. Raises what asking raises after that."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + COORDINATOR_S
    while True:
        try:
            return await ask()
        except (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError):
            if loop.time() > deadline:
                raise
        await asyncio.sleep(0.1)


def _no_broker(settings: KafkaSettings, exc: Exception) -> Retryable | Misconfigured:
    if isinstance(exc, ValueError):
        return Misconfigured(
            f"WATCHKEEPER_KAFKA__BOOTSTRAP {settings.bootstrap!r} is no list of host:port",
            "write it as host:port, several separated by commas",
        )
    return Retryable(f"no Kafka broker answers at {settings.bootstrap} ({type(exc).__name__})")
