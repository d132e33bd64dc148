"""Membership in the group whose one partition makes its owner the overseer, and what is said on that topic."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from monitor.adapters.closing import close
from monitor.adapters.control import Said, said_by
from monitor.adapters.kafka import translated
from monitor.adapters.kafka_options import client_options
from monitor.fleet import REACHES_BACK_S
from monitor.settings import Settings
from workers.identity import Identity

log = structlog.get_logger("watchkeeper.control")

GROUP: Final = "control"
HISTORY_RECORDS: Final = 5_000
"""At most so many statuses are read on taking over, and none that says nothing of now any more."""
CLOSE_WITHIN_S: Final = 5.0


class Control(ConsumerRebalanceListener):  # type: ignore[misc]  # the library isn't typed
    """A member of the control group. Nothing is committed: whoever takes over reads the last few thousand statuses again.

    `term` counts the times that the partition became ours. `is_live`: the history is read and something has been said
    since, so that we know what time it is (`now_s`, seconds since 1970 by the broker's clock).
    """

    def __init__(
        self, settings: Settings, who: Identity, *, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        session_ms = int(settings.health.leader_session_timeout_s * 1000)
        self._key = TopicPartition(settings.kafka.control_topic, 0)
        self._consumer = AIOKafkaConsumer(
            **client_options(settings.kafka),
            client_id=who.client_id,
            group_id=f"{settings.kafka.group_prefix}.{GROUP}",
            enable_auto_commit=False,
            auto_offset_reset="latest",
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // 5,
            rebalance_timeout_ms=session_ms,
        )
        self._monotonic_s = monotonic_s
        self._heard_at_s = 0.0
        self._heard_mono_s = 0.0
        self._live_from = 0
        self.term = 0
        self.is_owner = False
        self.is_live = False

    async def join(self) -> None:
        """Join the group. Raises Retryable or Misconfigured."""
        self._consumer.subscribe([self._key.topic], listener=self)
        try:
            await self._consumer.start()
        except KafkaError as exc:
            raise translated(exc, f"joining the group of {self._key.topic}") from exc

    async def leave(self) -> None:
        """Leave it, so that the next one takes over at once."""
        self.is_owner = False
        await close(self._consumer.stop(), CLOSE_WITHIN_S)

    async def hear(self, within_s: float) -> list[Said]:
        """What was said, as soon as something was; nothing after that time. Raises Retryable or Misconfigured."""
        try:
            batches = await self._consumer.getmany(timeout_ms=int(within_s * 1000))
        except KafkaError as exc:
            raise translated(exc, f"reading {self._key.topic}") from exc
        records = batches.get(self._key, ())
        for record in records:
            self._heard_at_s = max(self._heard_at_s, record.timestamp / 1000)
            self._heard_mono_s = self._monotonic_s()
            self.is_live = self.is_live or record.offset >= self._live_from
        return [said for record in records if (said := said_by(record)) is not None]

    @property
    def now_s(self) -> float:
        """The broker's time, as far as can be told since it last stamped something."""
        return self._heard_at_s + self._monotonic_s() - self._heard_mono_s

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Called by aiokafka: from now on the partition may be another's."""
        if self.is_owner:
            log.info("another worker may oversee from now on", term=self.term)
        self.is_owner = self.is_live = False

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Called by aiokafka: if the partition is among them, we oversee."""
        if self._key not in assigned:
            return
        try:
            self._live_from = (await self._consumer.end_offsets([self._key]))[self._key]
            begin = (await self._consumer.beginning_offsets([self._key]))[self._key]
            since_ms = int((time.time() - REACHES_BACK_S) * 1000)
            lately = (await self._consumer.offsets_for_times({self._key: since_ms}))[self._key]
            first = self._live_from if lately is None else lately.offset
            self._consumer.seek(self._key, max(begin, first, self._live_from - HISTORY_RECORDS))
        except KafkaError as exc:  # the history is lost, and what is said from now on is heard
            log.warning("reading the history of statuses failed", error=type(exc).__name__)
        self.term += 1
        self.is_owner, self.is_live = True, False
        log.info("this worker oversees", term=self.term, topic=self._key.topic)
