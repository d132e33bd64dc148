"""The one way in: whole batches from a consumer group, acknowledged in order once durable.

Why not Faust's own event path: docs/adr/0001. The promise, per partition:

    committed offset = end of the longest prefix of batches that their agent has called durable

A batch is tracked from the moment it leaves the consumer until it is durable or abandoned. Losing a partition
drains what is in flight, commits, and abandons the rest; an abandoned batch can still be written by a late
agent (a harmless duplicate: rows are once per event id) but can never move an offset.

A partition whose oldest batch keeps failing is set aside: it gives its batches back, so that the others have the
agents to themselves, and is read again from its durable prefix after a wait.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, Final, Literal, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import CommitFailedError, ConsumerStoppedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from mode import Service

from monitor.adapters.kafka import client_options
from monitor.backoff import Backoff
from monitor.errors import Misconfigured, Retryable, WatchkeeperError
from monitor.ledger import Ledger
from monitor.settings import KafkaSettings, RetrySettings
from schemas.status import RoleStatus, Stage
from workers.batch import Batch
from workers.partition import BatchLimits, Partition

log = structlog.get_logger("watchkeeper.intake")

COMMIT_EVERY_S: Final = 0.5
"""What a crash may make us do again. A commit costs one round trip for all partitions."""
STALLED_AFTER_S: Final = 5.0
"""With no room for this long, partitions are paused and the consumer is polled so that it stays in its group."""
TRIES_IN_PLACE: Final = 3
"""Failures in a row after which a partition is set aside. Hiccups pass sooner, and cost no second reading."""
LOOK_AHEAD_EVERY_S: Final = 5.0
"""How often the logs' ends are asked for: a partition that isn't read doesn't hear of its own."""
LONGEST_GOODBYE_S: Final = 10.0
"""A broker that is away may not keep a stop, or a rebalance, from ending."""

BreakerState = Literal["", "closed", "open", "half-open"]


class Channel(Protocol):
    """The Faust channel that an agent iterates over."""

    async def put(self, value: Any) -> None:
        """Hand over one value; waits while the channel is full."""
        ...


class Gate(Protocol):
    """Says when a batch may go to its agent: how backfill gives way."""

    async def wait(self, messages: int) -> None:
        """Return when a batch of so many messages may go. Cancelled and asked again where that takes long."""
        ...


class Open:
    """A gate that is always open."""

    async def wait(self, messages: int) -> None:
        """Return at once."""


def no_breaker() -> BreakerState:
    """Of a role whose agent calls no guard."""
    return ""


class Intake(Service, ConsumerRebalanceListener):  # type: ignore[misc]  # neither library is typed
    """Owns one consumer group membership on one topic and feeds one channel.

    Start it after the agents, stop it before them: `on_stop` drains through the running agents.
    """

    mundane_level = "debug"

    def __init__(
        self,
        channel: Channel,
        *,
        role: str,
        topic: str,
        group: str,
        kafka: KafkaSettings,
        limits: BatchLimits,
        retry: RetrySettings,
        drain_s: float,
        gate: Gate | None = None,
        breaker: Callable[[], BreakerState] = no_breaker,
        **service: Any,
    ) -> None:
        super().__init__(**service)
        self.channel = channel
        self.role = role
        self.topic = topic
        self.group = group
        self.limits = limits
        self.last_turn_s = time.monotonic()
        """When the loop that takes messages last went round."""
        self.stalls = 0
        """How often it stayed in its group though it had no room for a batch."""
        self._gate = gate or Open()
        self._breaker = breaker
        self._spent_s: Counter[Stage] = Counter()
        self._handled = Ledger(0)
        self._unanswered = 0
        self._kafka = kafka
        self._retry = retry
        self._drain_s = drain_s
        self._partitions: dict[TopicPartition, Partition] = {}
        self._ready = asyncio.Event()
        self._room = asyncio.Event()
        self._durable = asyncio.Event()
        self._commit_lock = asyncio.Lock()

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
            self.add_future(self._look_ahead())
            return

    async def on_stop(self) -> None:
        """Stop taking, drain what is in flight, commit, leave the group."""
        await self._drain(list(self._partitions), self._drain_s)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.commit(), LONGEST_GOODBYE_S)
        self._abandon(list(self._partitions))
        await self._close_clients()

    async def _close_clients(self) -> None:
        for close in (self._consumer.stop, self._admin.close):
            with suppress(KafkaError, TimeoutError):
                await asyncio.wait_for(close(), LONGEST_GOODBYE_S)

    # -- what it says of itself ---------------------------------------------------------------------------------

    @property
    def has_joined(self) -> bool:
        """Whether it is a member of its group that knows where its partitions, if any, stand."""
        return self._ready.is_set()

    @property
    def lag(self) -> int:
        """Messages known to be in the log of our partitions and not durable yet."""
        return sum(partition.lag for partition in self._partitions.values())

    def status(self) -> RoleStatus:
        """Where it stands, for the overseer and for a person."""
        now_s = time.monotonic()
        spent_s = Counter(self._spent_s)
        for partition in self._partitions.values():
            for batch in partition.outstanding:
                spent_s.update(batch.spent_s)
                spent_s[batch.stage] += now_s - batch.stage_since_s  # type: ignore[assignment]  # Counter counts floats too
        return RoleStatus(
            role=self.role,
            topic=self.topic,
            group=self.group,
            partitions=tuple(
                self._partitions[key].status(now_s)
                for key in sorted(self._partitions, key=lambda k: k.partition)
            ),
            in_flight=self.in_flight,
            in_flight_limit=self.limits.in_flight,
            spent_s={stage: round(seconds, 3) for stage, seconds in spent_s.items()},
            messages=self._handled.messages,
            exchanges=self._handled.exchanges - self._handled.sampled_out,
            unanswered=self._unanswered,
            dead=self._handled.dead_messages + self._handled.dead_exchanges,
            breaker=self._breaker(),
        )

    def ledgers(self) -> dict[int, Ledger]:
        """What became of the messages of each partition that is ours, up to its durable prefix."""
        return {partition.partition: state.ledger for partition, state in self._partitions.items()}

    # -- taking -------------------------------------------------------------------------------------------------

    async def _take(self) -> None:
        while not self.should_stop:
            self.last_turn_s = time.monotonic()
            try:
                self._bring_back()
                if await self._has_room():
                    await self._read(self._poll_ms())
                    await self._dispatch()
            except ConsumerStoppedError:
                return
            except Exception as exc:  # noqa: BLE001  # whatever it was, a worker that reads no more is worse
                is_theirs = isinstance(exc, KafkaError)
                emit = log.warning if is_theirs else log.error
                emit(
                    "reading failed", topic=self.topic, error=type(exc).__name__ if is_theirs else _where(exc)
                )
                self._read_again()
                await self.sleep(self._retry.first_s)

    async def _read(self, timeout_ms: int) -> None:
        """Buffer what there is. What isn't ours any more is its next owner's."""
        records = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=self.limits.max_events)
        await self._ready.wait()  # what we have just been given we don't know the position of yet
        now_s = time.monotonic()
        for key, messages in records.items():
            if key in self._partitions:
                self._partitions[key].buffer(messages, now_s)

    def _read_again(self) -> None:
        """After a failed read nothing says what it took: go on behind what we hold."""
        for key, partition in self._partitions.items():
            if partition.aside_until_s is None:
                with suppress(KafkaError):
                    self._consumer.seek(key, partition.next_offset)

    def _poll_ms(self) -> int:
        waiting = [p.buffered_since_s for p in self._partitions.values() if p.buffered]
        if not waiting:
            return 200
        return max(0, int(1000 * (min(waiting) + self.limits.flush_after_s - time.monotonic())))

    async def _dispatch(self) -> None:
        for key, partition in list(self._partitions.items()):
            if not partition.is_due(self.limits, time.monotonic()):
                continue
            while not (await self._has_room() and await self._passes(len(partition.buffered))):
                if self.should_stop:
                    return
            if self._keeps(key, partition):  # it may have left while we waited
                await self.channel.put(partition.take(self))

    async def _passes(self, messages: int) -> bool:
        """True when the gate lets a batch go; False after a wait in which it didn't."""
        try:
            await asyncio.wait_for(self._gate.wait(messages), STALLED_AFTER_S)
        except TimeoutError:
            await self._stay_in_group()
            return False
        return True

    def _keeps(self, key: TopicPartition, partition: Partition) -> bool:
        return (
            self._partitions.get(key) is partition and not partition.is_leaving and bool(partition.buffered)
        )

    async def _has_room(self) -> bool:
        """True when another batch may be under way; False after a wait in which none became free."""
        if self.in_flight <= self.limits.in_flight:
            return True
        self._room.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._room.wait(), STALLED_AFTER_S)
            return True
        await self._stay_in_group()
        return False

    async def _stay_in_group(self) -> None:
        """A consumer that is never polled leaves its group: poll it with everything paused."""
        self.stalls += 1
        self.last_turn_s = time.monotonic()
        self._bring_back()
        reading = self._consumer.assignment() - self._consumer.paused()
        self._consumer.pause(*reading)
        try:
            # A rebalance while we wait brings partitions that aren't paused.
            await self._read(0)
        finally:
            asides = {
                key for key, partition in self._partitions.items() if partition.aside_until_s is not None
            }
            self._consumer.resume(*((reading & self._consumer.assignment()) - asides))

    @property
    def in_flight(self) -> int:
        """Batches that have left the consumer and aren't durable yet."""
        return sum(len(state.outstanding) for state in self._partitions.values())

    # -- what a batch says --------------------------------------------------------------------------------------

    def settled(self, batch: Batch) -> None:
        """Move the durable prefix of its partition over every batch that is done."""
        batch.done.set()
        partition = self._partitions.get(TopicPartition(batch.topic, batch.partition))
        if partition is not None:
            partition.advance(time.monotonic())
        if batch.counts is not None:
            self._handled = self._handled.plus(batch.counts)
        self._unanswered += batch.unanswered
        self._spent_s.update(batch.spent_s)
        self._room.set()
        self._durable.set()

    async def in_trouble(self, batch: Batch, trouble: Exception) -> None:
        """Log once a try (class and place, never text); wait with backoff, or set the partition aside.

        Only the oldest batch of a partition decides: those behind it may be well, and wait for it anyway.
        """
        key = TopicPartition(batch.topic, batch.partition)
        partition = self._partitions.get(key)
        if partition is None or batch.is_abandoned:
            return
        is_oldest = partition.outstanding[0] is batch
        if isinstance(trouble, Misconfigured) and is_oldest:
            self._set_aside(key, partition, trouble, self._retry.halted_s)
            return
        wait_s = partition.backoff.next_s(trouble.retry_after_s if isinstance(trouble, Retryable) else None)
        is_ours = isinstance(trouble, WatchkeeperError)
        emit = log.warning if is_ours else log.error
        emit(
            "batch waits" if is_ours else "batch failed unexpectedly",
            topic=batch.topic,
            partition=batch.partition,
            first_offset=batch.messages[0].offset,
            attempts=batch.attempts,
            error=_said(trouble),
            retry_in_s=round(wait_s, 2),
        )
        if is_oldest and partition.backoff.attempt > TRIES_IN_PLACE:
            self._set_aside(key, partition, trouble, wait_s)
            return
        partition.trouble = _said(trouble)
        with suppress(TimeoutError):
            await asyncio.wait_for(batch.done.wait(), wait_s)

    def _set_aside(
        self, key: TopicPartition, partition: Partition, trouble: Exception, wait_s: float
    ) -> None:
        """Give its batches back and read it again after a wait. What isn't durable stays unacknowledged: nothing is lost."""
        partition.trouble, partition.is_halted = _said(trouble), isinstance(trouble, Misconfigured)
        partition.aside_until_s = time.monotonic() + wait_s
        with suppress(KafkaError):  # it is being taken from us
            self._consumer.pause(key)
        self._drop(partition)
        self._room.set()
        self._durable.set()
        emit = log.error if partition.is_halted else log.warning
        emit(
            "partition halted" if partition.is_halted else "partition set aside",
            topic=key.topic,
            partition=key.partition,
            group=self.group,
            position=partition.position,
            cause=partition.trouble,
            retry_in_s=round(wait_s, 2),
        )

    def _drop(self, partition: Partition) -> None:
        for batch in partition.give_back():
            self._spent_s.update(batch.spent_s)
            batch.abandon()

    def _bring_back(self) -> None:
        """Read the partitions again whose wait is over."""
        now_s = time.monotonic()
        for key, partition in self._partitions.items():
            if partition.aside_until_s is not None and partition.aside_until_s <= now_s and self.has_joined:
                self._consumer.seek(key, partition.position)
                self._consumer.resume(key)
                partition.aside_until_s = None

    async def _look_ahead(self) -> None:
        """Hear now and then where the logs of our partitions end."""
        while not self.should_stop:
            await self.sleep(LOOK_AHEAD_EVERY_S)
            with suppress(KafkaError, TimeoutError):
                ends = await self._consumer.end_offsets(list(self._partitions))
                for key, end in ends.items():
                    self._heard_end(key, end)

    def _heard_end(self, key: TopicPartition, end: int) -> None:
        partition = self._partitions.get(key)
        if partition is None:
            return
        partition.heard_end(end, time.monotonic())
        if end < partition.position and partition.aside_until_s is None:
            went_back = Misconfigured(
                f"the log of {key.topic}/{key.partition} ends at {end}, and {partition.position} was reached: the topic "
                "was made again, or a broker lost its end",
                f"stop the workers, delete the offsets of the group {self.group}, start them",
            )
            self._set_aside(key, partition, went_back, self._retry.halted_s)

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
        with suppress(TimeoutError):
            await asyncio.wait_for(self.commit(revoked), LONGEST_GOODBYE_S)
        self._abandon(revoked)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Called by aiokafka once the partitions are ours; reads position and ledger of each."""
        backoff = Backoff(self._retry)
        while not self.should_stop:
            try:
                await self._load(assigned)
            except Exception as exc:  # noqa: BLE001  # aiokafka would go on without us, and nothing would be read
                log.warning("reading committed offsets failed", topic=self.topic, error=_where(exc))
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
                position, ledger = begin, Ledger(begin)
            else:
                position, ledger = commit.offset, Ledger.from_metadata(commit.metadata, commit.offset)
            if position < begin:
                log.error(
                    "messages were deleted by retention before they were read",
                    topic=key.topic,
                    partition=key.partition,
                    lost_offsets=begin - position,
                )
            self._partitions[key] = Partition(
                key.topic, key.partition, position, ledger, Backoff(self._retry), time.monotonic()
            )

    async def _drain(self, partitions: Collection[TopicPartition], longest_s: float) -> None:
        """Wait until their batches are done, or as long as a drain may take."""
        for partition in partitions:
            if partition in self._partitions:
                self._partitions[partition].is_leaving = True
        deadline = time.monotonic() + longest_s
        while any(self._partitions[p].outstanding for p in partitions if p in self._partitions):
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
            if state is not None:
                self._drop(state)
        self._room.set()
        self._durable.set()


def _said(trouble: Exception) -> str:
    """Ours, whose messages hold no user text, as they are; of others the class and place."""
    return str(trouble) if isinstance(trouble, WatchkeeperError) else _where(trouble)


def _where(trouble: BaseException) -> str:
    """Class and place of an unexpected exception; its message could hold user text."""
    frame = trouble.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f" at {frame.tb_frame.f_code.co_qualname}:{frame.tb_lineno}" if frame is not None else ""
    return f"{type(trouble).__name__}{place}"
