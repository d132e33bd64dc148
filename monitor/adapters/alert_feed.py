"""What the notifier goes by: the logs of alerts, of what people did with them and of what channels were told. Joins no group."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from monitor.adapters.closing import close
from monitor.adapters.kafka import translated
from monitor.adapters.kafka_admin import KafkaAdmin, Range, Record
from monitor.adapters.kafka_options import client_options
from monitor.errors import Retryable
from monitor.kafka_settings import KafkaSettings
from schemas.alert_actions import AlertAction
from schemas.alert_deliveries import AlertDelivery
from schemas.alerts import Alert

MOST_RECORDS: Final = 100_000
"""Of each log, the newest so many are read on taking over: some hundred alerts an hour for thirty days."""
CLOSE_WITHIN_S: Final = 5.0
QUIET_S: Final = 5.0
"""After so long without a word the broker is asked whether it is there: a night without alerts looks the same."""
CHECK_WITHIN_S: Final = 4.0

Content = Alert | AlertAction | AlertDelivery
T = TypeVar("T", Alert, AlertAction, AlertDelivery)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of one of the logs. `at_s`: when the broker appended it, in seconds since 1970."""

    content: Content
    offset: int
    at_s: float


class AlertFeed:
    """The past of the three logs, then what comes after it in the first two."""

    def __init__(
        self, settings: KafkaSettings, consumer: AIOKafkaConsumer, past: Sequence[Entry], alerts_end: int
    ) -> None:
        self._settings = settings
        self._consumer = consumer
        self._heard_s = time.monotonic()
        self.past = past
        """In the order of each log; of one that is very long, the newest."""
        self.alerts_end = alerts_end
        """The offset after the last alert of the past."""

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: KafkaSettings, since: datetime) -> AsyncIterator[AlertFeed]:
        """Reads the past; closed at the end of the block. Raises Retryable, or Misconfigured where a topic is missing."""
        topics = (settings.alerts_topic, settings.alert_actions_topic)
        past: list[Entry] = []
        ends: dict[str, int] = {}
        async with KafkaAdmin.connect(settings) as admin:
            for topic in (settings.alert_deliveries_topic, *topics):
                begin = (await admin.offsets_at(topic, since))[0]
                whole = (await admin.ranges(topic))[0]
                ends[topic] = whole.end
                read = Range(max(begin, whole.start, whole.end - MOST_RECORDS), whole.end)
                async for record in admin.read(topic, {0: read}):
                    entry = _entry(settings, topic, record)
                    if entry is not None:
                        past.append(entry)
        consumer = AIOKafkaConsumer(
            **client_options(settings), group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        try:
            try:
                await consumer.start()
                consumer.assign([TopicPartition(topic, 0) for topic in topics])
                for topic in topics:
                    consumer.seek(TopicPartition(topic, 0), ends[topic])
            except KafkaError as exc:
                raise translated(exc, "following the alerts") from exc
            yield cls(settings, consumer, past, ends[settings.alerts_topic])
        finally:
            await close(consumer.stop(), CLOSE_WITHIN_S)

    async def next(self, within_s: float) -> list[Entry]:
        """What came, as soon as something did; nothing after that time, or after CHECK_WITHIN_S more. Raises Retryable, also where the broker
        answers nothing any more, or Misconfigured."""
        try:
            batches = await self._consumer.getmany(timeout_ms=int(within_s * 1000), max_records=1_000)
        except KafkaError as exc:
            raise translated(exc, "following the alerts") from exc
        if batches or time.monotonic() - self._heard_s >= QUIET_S:
            if not batches:
                await self._check()
            self._heard_s = time.monotonic()
        return [
            entry
            for partition, records in batches.items()
            for record in records
            if (entry := _entry(self._settings, partition.topic, record)) is not None
        ]

    async def _check(self) -> None:
        """Ask the brokers of what is followed for something that they have to answer: it alone tells a quiet log from a broker that is away."""
        try:
            async with asyncio.timeout(CHECK_WITHIN_S):
                await self._consumer.end_offsets(self._consumer.assignment())
        except TimeoutError as exc:
            raise Retryable(
                f"no Kafka broker answers at {self._settings.bootstrap} within {CHECK_WITHIN_S:g} s"
            ) from exc
        except KafkaError as exc:
            raise translated(exc, "following the alerts") from exc


def _entry(settings: KafkaSettings, topic: str, record: Record) -> Entry | None:
    """None where there is nothing in it that this release reads."""
    content: Content | None
    if topic == settings.alerts_topic:
        content = _decoded(Alert, record.value)
    elif topic == settings.alert_actions_topic:
        content = _decoded(AlertAction, record.value)
    else:
        content = _decoded(AlertDelivery, record.value)
    return None if content is None else Entry(content, record.offset, record.timestamp / 1000)


def _decoded(kind: type[T], value: bytes | None) -> T | None:
    try:
        return kind.from_bytes(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
