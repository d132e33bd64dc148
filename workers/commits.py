"""Offsets and their ledgers, as the broker keeps them: read when partitions come, written as they become durable."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from monitor.adapters.kafka_admin import committed_offsets
from monitor.backoff import Backoff
from monitor.errors import Misconfigured
from monitor.ledger import Ledger
from monitor.metrics import Metric
from monitor.settings import RetrySettings
from workers.assignment import Assignment
from workers.partition import Partition
from workers.tally import Tally

log = structlog.get_logger("watchkeeper.intake")


class Commits:
    """The commits of one consumer group. Both clients are started by the one who has them."""

    def __init__(
        self, consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient, retry: RetrySettings, tally: Tally
    ) -> None:
        self._consumer = consumer
        self._admin = admin
        self._retry = retry
        self._tally = tally
        self._lock = asyncio.Lock()

    async def write(self, assignment: Assignment, only: Collection[TopicPartition] | None = None) -> None:
        """Commit every durable prefix that has moved. A failed commit costs a repetition, never a loss."""
        async with self._lock:
            moved = {
                key: partition
                for key, partition in assignment.items()
                if partition.position > partition.committed_offset and (only is None or key in only)
            }
            if not moved:
                return
            offsets = {
                key: OffsetAndMetadata(partition.position, partition.ledger.to_metadata())
                for key, partition in moved.items()
            }
            outcome = "ok"
            try:
                await self._consumer.commit(offsets)
            except (CommitFailedError, IllegalStateError) as exc:
                outcome = "late"
                log.warning("commit came too late: the partitions have moved", error=type(exc).__name__)
            except KafkaError as exc:
                outcome = "failed"
                log.warning("commit failed, tried again later", error=type(exc).__name__)
            else:
                for key, partition in moved.items():
                    partition.committed_offset = offsets[key].offset
            self._tally.metrics.count(Metric.COMMITS, role=self._tally.role, outcome=outcome)

    async def read(self, assigned: Collection[TopicPartition]) -> dict[TopicPartition, Partition]:
        """Where each of these stands. Raises KafkaError."""
        if not assigned:
            return {}
        commits = await committed_offsets(self._admin, self._tally.group, assigned)
        begins = await self._consumer.beginning_offsets(list(assigned))
        found = {}
        for key in assigned:
            commit, begin = commits.get(key), begins[key]
            if commit is None:
                position, ledger = begin, Ledger(begin)
            else:
                position, ledger = commit.offset, Ledger.from_metadata(commit.metadata, commit.offset)
            if position < begin:
                self._expired(key, begin - position)
            found[key] = Partition(
                key.topic, key.partition, position, ledger, Backoff(self._retry), time.monotonic()
            )
        for key, partition in found.items():
            # aiokafka asks for the commit too, and takes a coordinator that is loading for one that has none.
            self._consumer.seek(key, partition.position)
        return found

    async def hear_ends(self, assignment: Assignment) -> dict[TopicPartition, Misconfigured]:
        """Ask where the logs end; returns what is wrong with those that end before what was reached. Raises KafkaError."""
        went_back = {}
        for key, end in (await self._consumer.end_offsets(list(assignment))).items():
            read_to = await self._consumer.position(key)
            partition = assignment.get(key)
            if partition is None:
                continue
            partition.heard_end(end, time.monotonic(), read_to=read_to)
            if end < partition.position and partition.aside_until_s is None:
                went_back[key] = Misconfigured(
                    f"the log of {key.topic}/{key.partition} ends at {end}, and {partition.position} was reached: the "
                    "topic was made again, or a broker lost its end",
                    f"stop the workers, delete the offsets of the group {self._tally.group}, start them",
                )
        return went_back

    def _expired(self, key: TopicPartition, offsets: int) -> None:
        tally = self._tally
        tally.metrics.count(Metric.MESSAGES_EXPIRED, offsets, role=tally.role, topic=key.topic)
        log.error(
            "messages were deleted by retention before they were read",
            topic=key.topic,
            partition=key.partition,
            lost_offsets=offsets,
        )
