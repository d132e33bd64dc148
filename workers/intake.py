"""The one way in: whole batches from a consumer group, acknowledged in order once durable.

Why not Faust's own event path: docs/adr/0001. The promise, per partition:

    committed offset = end of the longest prefix of batches that their agent has called durable

A batch is tracked from the moment it leaves the consumer until it is durable or abandoned. Losing a partition
drains what is in flight, commits, and abandons the rest; an abandoned batch can still be written by a late
agent (a harmless duplicate: rows are once per event id) but can never move an offset.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from contextlib import suppress
from typing import Any, Final, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from mode import Service

from monitor.adapters.kafka import client_options
from monitor.backoff import Backoff
from monitor.errors import Misconfigured, Retryable
from monitor.ledger import Ledger
from monitor.settings import KafkaSettings, RetrySettings
from workers.batch import Batch
from workers.partition import BatchLimits, Partition

log = structlog.get_logger("watchkeeper.intake")

COMMIT_EVERY_S: Final = 0.5
"""What a crash may make us do again. A commit costs one round trip for all partitions."""
STALLED_AFTER_S: Final = 5.0
"""With no room for this long, partitions are paused and the consumer is polled so that it stays in its group."""
HALTED_LOG_EVERY_S: Final = 30.0


class Channel(Protocol):
    """The Faust channel that an agent iterates over."""

    async def put(self, value: Any) -> None:
        """Hand over one value; waits while the channel is full."""
        ...


class Intake(Service, ConsumerRebalanceListener):  # type: ignore[misc]  # neither library is typed
    """Owns one consumer group membership on one topic and feeds one channel.

    Start it after the agents, stop it before them: `on_stop` drains through the running agents.
    """

    mundane_level = "debug"

    def __init__(
        self,
        channel: Channel,
        *,
        topic: str,
        group: str,
        kafka: KafkaSettings,
        limits: BatchLimits,
        retry: RetrySettings,
        drain_s: float,
        **service: Any,
    ) -> None:
        super().__init__(**service)
        self.channel = channel
        self.topic = topic
        self.group = group
        self.limits = limits
        self.halted: Misconfigured | None = None
        self.stalls = 0
        self._kafka = kafka
        self._retry = retry
        self._drain_s = drain_s
        self._partitions: dict[TopicPartition, Partition] = {}
        self._ready = asyncio.Event()
        self._room = asyncio.Event()
        self._durable = asyncio.Event()
        self._commit_lock = asyncio.Lock()
        self._backoffs: dict[Batch, Backoff] = {}

    # -- life ---------------------------------------------------------------------------------------------------

    async def on_start(self) -> None:
        """Join the group; retried for as long as no broker answers."""
        backoff = Backoff(self._retry)
        while not self.should_stop:
            options = client_options(self._kafka)
            self._admin = AIOKafkaAdminClient(**options)
            self._consumer = AIOKafkaConsumer(
                **options,
                group_id=self.group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                session_timeout_ms=int(self._kafka.session_timeout_s * 1000),
                heartbeat_interval_ms=int(self._kafka.session_timeout_s * 1000 / 10),
                rebalance_timeout_ms=int((self._drain_s + 10) * 1000),
                max_partition_fetch_bytes=1_048_576,
                fetch_max_bytes=8_388_608,
                fetch_max_wait_ms=100,
            )
            self._consumer.subscribe([self.topic], listener=self)
            try:
                await self._admin.start()
                await self._consumer.start()
            except KafkaError as exc:
                wait_s = backoff.next_s()
                log.warning(
                    "broker away", topic=self.topic, error=type(exc).__name__, retry_in_s=round(wait_s, 2)
                )
                await self._close_clients()
                await self.sleep(wait_s)
                continue
            self.add_future(self._take())
            self.add_future(self._commit_now_and_then())
            return

    async def on_stop(self) -> None:
        """Stop taking, drain what is in flight, commit, leave the group."""
        await self._drain(list(self._partitions), self._drain_s)
        await self.commit()
        self._abandon(list(self._partitions))
        await self._close_clients()

    async def _close_clients(self) -> None:
        with suppress(KafkaError):
            await self._consumer.stop()
        with suppress(KafkaError):
            await self._admin.close()

    def ledgers(self) -> dict[int, Ledger]:
        """What became of the messages of each partition that is ours, up to its durable prefix."""
        return {partition.partition: state.ledger for partition, state in self._partitions.items()}

    # -- taking -------------------------------------------------------------------------------------------------

    async def _take(self) -> None:
        while not self.should_stop:
            try:
                if not await self._has_room():
                    continue
                records = await self._consumer.getmany(
                    timeout_ms=self._poll_ms(), max_records=self.limits.max_events
                )
                await self._ready.wait()
                now_s = time.monotonic()
                for key, messages in records.items():
                    if key in self._partitions:  # else revoked meanwhile: its next owner reads these
                        self._partitions[key].buffer(messages, now_s)
                await self._dispatch(now_s)
            except KafkaError as exc:
                log.warning("reading failed", topic=self.topic, error=type(exc).__name__)
                await self.sleep(self._retry.first_s)

    def _poll_ms(self) -> int:
        waiting = [p.buffered_since_s for p in self._partitions.values() if p.buffered]
        if not waiting:
            return 200
        return max(0, int(1000 * (min(waiting) + self.limits.flush_after_s - time.monotonic())))

    async def _dispatch(self, now_s: float) -> None:
        for key, partition in list(self._partitions.items()):
            if not partition.is_due(self.limits, now_s):
                continue
            while not await self._has_room():
                if self.should_stop:
                    return
            if self._keeps(key, partition):  # it may have left while we waited
                await self.channel.put(partition.take(self))

    def _keeps(self, key: TopicPartition, partition: Partition) -> bool:
        return self._partitions.get(key) is partition and not partition.is_leaving

    async def _has_room(self) -> bool:
        """True when another batch may be under way; False after a wait in which none became free."""
        if self.halted is None and self.in_flight <= self.limits.in_flight:
            return True
        self._room.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._room.wait(), STALLED_AFTER_S)
            return self.halted is None
        await self._stay_in_group()
        return False

    async def _stay_in_group(self) -> None:
        """A consumer that is never polled leaves its group: poll it with everything paused."""
        self.stalls += 1
        paused = list(self._consumer.assignment())
        self._consumer.pause(*paused)
        try:
            await self._consumer.getmany(timeout_ms=0)
        finally:
            self._consumer.resume(*(set(paused) & self._consumer.assignment()))

    @property
    def in_flight(self) -> int:
        """Batches that have left the consumer and aren't durable yet."""
        return sum(len(state.outstanding) for state in self._partitions.values())

    # -- what a batch says --------------------------------------------------------------------------------------

    def settled(self, batch: Batch) -> None:
        """Move the durable prefix of its partition over every batch that is done."""
        self._backoffs.pop(batch, None)
        batch.done.set()
        partition = self._partitions.get(TopicPartition(batch.topic, batch.partition))
        if partition is not None:
            partition.advance()
        self._room.set()
        self._durable.set()

    async def wait_to_retry(self, batch: Batch, trouble: Exception) -> None:
        """Log once a try (class and place, never text) and wait with backoff."""
        backoff = self._backoffs.setdefault(batch, Backoff(self._retry))
        is_ours = isinstance(trouble, Retryable)
        wait_s = backoff.next_s(trouble.retry_after_s if isinstance(trouble, Retryable) else None)
        emit = log.warning if is_ours else log.error
        emit(
            "batch waits" if is_ours else "batch failed unexpectedly",
            topic=batch.topic,
            partition=batch.partition,
            first_offset=batch.messages[0].offset,
            attempts=batch.attempts,
            error=str(trouble) if is_ours else _where(trouble),
            retry_in_s=round(wait_s, 2),
        )
        with suppress(TimeoutError):
            await asyncio.wait_for(batch.done.wait(), wait_s)

    def halt(self, trouble: Misconfigured) -> None:
        """Take nothing more until a restart. What isn't durable stays unacknowledged, so nothing is lost."""
        if self.halted is None:
            self.halted = trouble
            self.add_future(self._say_halted())

    async def _say_halted(self) -> None:
        while not self.should_stop:
            log.error("halted", topic=self.topic, group=self.group, cause=str(self.halted))
            await self.sleep(HALTED_LOG_EVERY_S)

    # -- acknowledging ------------------------------------------------------------------------------------------

    async def _commit_now_and_then(self) -> None:
        while not self.should_stop:
            await self.sleep(COMMIT_EVERY_S)
            await self.commit()

    async def commit(self, only: Collection[TopicPartition] | None = None) -> None:
        """Commit every durable prefix that has moved. A failed commit costs a repetition, never a loss."""
        async with self._commit_lock:
            moved = {
                partition: state
                for partition, state in self._partitions.items()
                if state.position > state.committed_offset and (only is None or partition in only)
            }
            if not moved:
                return
            offsets = {p: OffsetAndMetadata(s.position, s.ledger.to_metadata()) for p, s in moved.items()}
            try:
                await self._consumer.commit(offsets)
            except (CommitFailedError, IllegalStateError) as exc:
                log.warning("commit came too late: the partitions have moved", error=type(exc).__name__)
            except KafkaError as exc:
                log.warning("commit failed, tried again later", error=type(exc).__name__)
            else:
                for partition, state in moved.items():
                    state.committed_offset = offsets[partition].offset

    # -- rebalances ---------------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Called by aiokafka, which waits for us before it lets go."""
        self._ready.clear()
        await self._drain(revoked, self._drain_s)
        await self.commit(revoked)
        self._abandon(revoked)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Called by aiokafka once the partitions are ours; reads position and ledger of each."""
        backoff = Backoff(self._retry)
        while not self.should_stop:
            try:
                await self._load(assigned)
            except KafkaError as exc:
                log.warning("reading committed offsets failed", error=type(exc).__name__)
                await self.sleep(backoff.next_s())
            else:
                self._ready.set()
                log.info(
                    "partitions ours", topic=self.topic, partitions=sorted(p.partition for p in assigned)
                )
                return

    async def _load(self, assigned: Collection[TopicPartition]) -> None:
        if not assigned:
            return
        commits = await self._admin.list_consumer_group_offsets(self.group, partitions=list(assigned))
        begins = await self._consumer.beginning_offsets(list(assigned))
        for key in assigned:
            commit, begin = commits.get(key), begins[key]
            if commit is None or commit.offset < 0:
                self._partitions[key] = Partition(key.topic, key.partition, begin, Ledger(begin))
                continue
            if commit.offset < begin:
                log.error(
                    "messages were deleted by retention before they were read",
                    topic=key.topic,
                    partition=key.partition,
                    lost_offsets=begin - commit.offset,
                )
            self._partitions[key] = Partition(
                key.topic,
                key.partition,
                next_offset=commit.offset,
                ledger=Ledger.from_metadata(commit.metadata, commit.offset),
                committed_offset=commit.offset,
                position=commit.offset,
            )

    async def _drain(self, partitions: Collection[TopicPartition], longest_s: float) -> None:
        """Wait until their batches are done, or as long as a drain may take."""
        for partition in partitions:
            if partition in self._partitions:
                self._partitions[partition].is_leaving = True
        deadline = time.monotonic() + longest_s
        while self.halted is None and any(
            self._partitions[p].outstanding for p in partitions if p in self._partitions
        ):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                log.warning("drain ran out of time; the next owner repeats these batches", after_s=longest_s)
                return
            self._durable.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._durable.wait(), left_s)

    def _abandon(self, partitions: Collection[TopicPartition]) -> None:
        for partition in partitions:
            state = self._partitions.pop(partition, None)
            for batch in state.outstanding if state is not None else ():
                self._backoffs.pop(batch, None)
                batch.abandon()
        self._room.set()
        self._durable.set()


def _where(trouble: BaseException) -> str:
    """Class and place of an unexpected exception; its message could hold user text."""
    frame = trouble.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f" at {frame.tb_frame.f_code.co_qualname}:{frame.tb_lineno}" if frame is not None else ""
    return f"{type(trouble).__name__}{place}"
