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
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, Final, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import ConsumerStoppedError, KafkaError
from mode import Service

from monitor.adapters.closing import close
from monitor.adapters.kafka_options import client_options
from monitor.backoff import Backoff
from monitor.errors import Misconfigured, Retryable, WatchkeeperError
from monitor.kafka_settings import KafkaSettings
from monitor.ledger import Ledger
from monitor.metrics import Metric, Metrics
from monitor.settings import RetrySettings
from schemas.status import RoleStatus
from workers.assignment import Assignment
from workers.batch import Batch
from workers.commits import Commits
from workers.gate import Gate
from workers.partition import BatchLimits, Partition
from workers.tally import BreakerState, Tally, no_breaker
from workers.trouble import said, where

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


class Channel(Protocol):
    """The Faust channel that an agent iterates over."""

    async def put(self, value: Any) -> None:
        """Hand over one value; waits while the channel is full."""
        ...


class Intake(Service, ConsumerRebalanceListener):  # type: ignore[misc]  # neither library is typed
    """Owns one consumer group membership on one topic and feeds one channel. Start it after the agents, stop it before
    them: `on_stop` drains through the running agents."""

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
        metrics: Metrics | None = None,
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
        self._gate = gate
        self._breaker = breaker
        self._kafka = kafka
        self._retry = retry
        self._drain_s = drain_s
        self._tally = Tally(role, topic, group, metrics or Metrics())
        self._ours = Assignment(self._tally)
        self._ready = asyncio.Event()

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
            self._commits = Commits(self._consumer, self._admin, self._retry, self._tally)
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
        await self._let_go(list(self._ours))
        await self._close_clients()

    async def _close_clients(self) -> None:
        for stop in (self._consumer.stop, self._admin.close):
            await close(stop(), LONGEST_GOODBYE_S)

    # -- what it says of itself ---------------------------------------------------------------------------------

    @property
    def has_joined(self) -> bool:
        """Whether it is a member of its group that knows where its partitions, if any, stand."""
        return self._ready.is_set()

    @property
    def in_flight(self) -> int:
        """Batches that have left the consumer and aren't durable yet."""
        return self._ours.in_flight

    @property
    def lag(self) -> int:
        """Messages known to be in the log of our partitions and not durable yet."""
        return self._ours.lag

    def status(self) -> RoleStatus:
        """Where it stands, for the overseer and for a person."""
        return self._tally.status(self._ours.values(), self.limits, self._breaker())

    def ledgers(self) -> dict[int, Ledger]:
        """What became of the messages of each partition that is ours, up to its durable prefix."""
        return {partition.number: partition.ledger for partition in self._ours.values()}

    # -- taking -------------------------------------------------------------------------------------------------

    async def _take(self) -> None:
        while not self.should_stop:
            self.last_turn_s = time.monotonic()
            try:
                self._bring_back()
                if await self._has_room():
                    await self._read(self._ours.poll_ms(self.limits.flush_after_s))
                    await self._dispatch()
            except ConsumerStoppedError:
                return
            except Exception as exc:  # noqa: BLE001  # whatever it was, a worker that reads no more is worse
                emit, what = (
                    (log.warning, type(exc).__name__)
                    if isinstance(exc, KafkaError)
                    else (log.error, where(exc))
                )
                emit("reading failed", topic=self.topic, error=what)
                self._tally.metrics.count(Metric.READ_FAILURES, role=self._tally.role)
                self._read_again()
                await self.sleep(self._retry.first_s)

    async def _read(self, timeout_ms: int) -> None:
        """Buffer what there is. What isn't ours any more is its next owner's."""
        records = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=self.limits.max_events)
        await self._ready.wait()  # what we have just been given we don't know the position of yet
        now_s = time.monotonic()
        for key, messages in records.items():
            if key in self._ours:
                self._ours[key].buffer(messages, now_s)

    def _read_again(self) -> None:
        """After a failed read nothing says what it took: go on behind what we hold."""
        for key, partition in self._ours.items():
            if partition.aside_until_s is None:
                with suppress(KafkaError):
                    self._consumer.seek(key, partition.next_offset)

    async def _dispatch(self) -> None:
        for key, partition in list(self._ours.items()):
            if not partition.is_due(self.limits, time.monotonic()):
                continue
            most = self.limits.max_events
            while not (await self._has_room() and await self._passes(min(len(partition.buffered), most))):
                if self.should_stop:
                    return
            is_still_ours = self._ours.get(key) is partition  # it may have left meanwhile
            if is_still_ours and partition.has_something_to_give:
                batch = partition.take(self, most, time.monotonic())
                self._tally.taken(batch)
                await self.channel.put(batch)

    async def _passes(self, messages: int) -> bool:
        """True when the gate lets a batch go; False after a wait in which it didn't."""
        if self._gate is None:
            return True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._gate.wait(messages), STALLED_AFTER_S)
            return True
        await self._stay_in_group()
        return False

    async def _has_room(self) -> bool:
        """True when another batch may be under way; False after a wait in which none became free."""
        deadline_s = time.monotonic() + STALLED_AFTER_S
        while self.in_flight > self.limits.in_flight:
            if time.monotonic() >= deadline_s or self.should_stop:
                await self._stay_in_group()
                return False
            await self._ours.changed(deadline_s - time.monotonic())
        return True

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
            self._consumer.resume(*((reading & self._consumer.assignment()) - self._ours.asides))

    # -- what a batch says --------------------------------------------------------------------------------------

    def settled(self, batch: Batch) -> None:
        """Move the durable prefix of its partition over every batch that is done."""
        self._ours.settled(batch)

    async def in_trouble(self, batch: Batch, trouble: Exception) -> None:
        """Log once a try (class and place, never text); wait with backoff, or set the partition aside.

        Only the oldest batch of a partition decides: those behind it may be well, and wait for it anyway.
        """
        key = TopicPartition(batch.topic, batch.partition)
        partition = self._ours.get(key)
        if partition is None or batch.is_abandoned:
            return
        is_oldest = partition.outstanding[0] is batch
        if is_oldest:
            partition.failed_at = batch.failed_at
        if isinstance(trouble, Misconfigured) and is_oldest:
            self._set_aside(key, partition, trouble, self._retry.halted_s)
            return
        wait_s = partition.backoff.next_s(trouble.retry_after_s if isinstance(trouble, Retryable) else None)
        is_ours = isinstance(trouble, WatchkeeperError)
        self._tally.metrics.count(
            Metric.RETRIES, role=self._tally.role, trouble="away" if is_ours else "defect"
        )
        (log.warning if is_ours else log.error)(
            "batch waits" if is_ours else "batch failed unexpectedly",
            topic=batch.topic,
            partition=batch.partition,
            first_offset=batch.messages[0].offset,
            attempts=batch.attempts,
            error=said(trouble),
            retry_in_s=round(wait_s, 2),
        )
        if is_oldest and partition.backoff.attempt > TRIES_IN_PLACE:
            self._set_aside(key, partition, trouble, wait_s)
            return
        partition.trouble = said(trouble)
        with suppress(TimeoutError):
            await asyncio.wait_for(batch.done.wait(), wait_s)

    def _set_aside(
        self, key: TopicPartition, partition: Partition, trouble: Exception, wait_s: float
    ) -> None:
        """Give its batches back and read it again after a wait. What isn't durable stays unacknowledged: nothing is lost."""
        partition.trouble, partition.is_halted = said(trouble), isinstance(trouble, Misconfigured)
        partition.aside_until_s = time.monotonic() + wait_s
        with suppress(KafkaError):  # it is being taken from us
            self._consumer.pause(key)
        self._ours.drop(partition)
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

    def _bring_back(self) -> None:
        """Read the partitions again whose wait is over."""
        now_s = time.monotonic()
        for key, partition in self._ours.items():
            if partition.aside_until_s is not None and partition.aside_until_s <= now_s and self.has_joined:
                self._consumer.seek(key, partition.position)
                self._consumer.resume(key)
                partition.aside_until_s = None

    # -- the log and the offsets --------------------------------------------------------------------------------

    async def _look_ahead(self) -> None:
        """Hear now and then where the logs of our partitions end, and crash where a consumer doesn't read them.

        It has been seen to go on heartbeating though it fetches no more; whoever supervises the worker starts it again.
        """
        unread = 0
        while not self.should_stop:
            await self.sleep(LOOK_AHEAD_EVERY_S)
            try:
                went_back = await self._commits.hear_ends(self._ours)
            except (KafkaError, TimeoutError):
                unread = 0
                continue
            for key in went_back.keys() & self._ours.keys():
                self._set_aside(key, self._ours[key], went_back[key], self._retry.halted_s)
            # Looks are counted, not time: neither a broker that was away nor a frozen process is the consumer's fault.
            unread = unread + 1 if self._ours.waits_for_the_consumer else 0
            if unread * LOOK_AHEAD_EVERY_S > 3 * self._kafka.request_timeout_s:
                raise RuntimeError(f"the consumer of {self.topic} no longer reads what there is")

    async def _commit_now_and_then(self) -> None:
        while not self.should_stop:
            await self.sleep(COMMIT_EVERY_S)
            await self.commit()

    async def commit(self) -> None:
        """Commit every durable prefix that has moved. A failed commit costs a repetition, never a loss."""
        await self._commits.write(self._ours)

    # -- rebalances ---------------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Called by aiokafka, which waits for us before it lets go."""
        self._ready.clear()
        if revoked:
            self._tally.metrics.count(Metric.REBALANCES, role=self._tally.role, change="revoked")
        await self._let_go(revoked)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Called by aiokafka once the partitions are ours; reads position and ledger of each."""
        if assigned:
            self._tally.metrics.count(Metric.REBALANCES, role=self._tally.role, change="assigned")
        backoff = Backoff(self._retry)
        while not self.should_stop:
            try:
                self._ours.update(await self._commits.read(assigned))
            except Exception as exc:  # noqa: BLE001  # aiokafka would go on without us, and nothing would be read
                log.warning("reading committed offsets failed", topic=self.topic, error=where(exc))
                await self.sleep(backoff.next_s())
            else:
                self._ready.set()
                log.info(
                    "partitions ours", topic=self.topic, partitions=sorted(p.partition for p in assigned)
                )
                return

    async def _let_go(self, leaving: Collection[TopicPartition]) -> None:
        await self._ours.drained(leaving, self._drain_s)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._commits.write(self._ours, only=leaving), LONGEST_GOODBYE_S)
        self._ours.leave(leaving)
