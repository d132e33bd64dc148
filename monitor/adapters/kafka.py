"""Kafka at the edge: whole-batch producing, and the topics we own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidConfigurationError,
    InvalidReplicationFactorError,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    NoError,
    PolicyViolationError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from monitor.adapters.closing import close
from monitor.adapters.kafka_options import client_options
from monitor.adapters.kafka_tail import last_headers
from monitor.errors import Misconfigured, Retryable, WatchkeeperError
from monitor.kafka_settings import KafkaSettings
from monitor.metrics import Metric, Metrics
from monitor.ports import Headers, OutRecord
from schemas.topics import (
    ALERT_ACTIONS,
    ALERT_DELIVERIES,
    ALERTS,
    AUDIT_REQUESTS,
    AUDITS,
    CALIBRATIONS,
    CHAT_LOGS,
    CHAT_LOGS_BACKFILL,
    CHAT_LOGS_DLQ,
    CONTROL,
    JUDGE_POLICIES,
    JUDGE_REQUESTS,
    JUDGE_REQUESTS_BACKFILL,
    JUDGE_REQUESTS_DLQ,
    JUDGEMENTS,
    JUDGEMENTS_DLQ,
    VERDICTS,
    VERDICTS_DLQ,
    Topic,
)

MAX_BATCH_BYTES = 1_048_576
"""A produced batch closes here: large enough to carry 500 verdicts in one request, far below any broker's limit."""
LONGEST_FLUSH_S: Final = 10.0
"""A broker that is away may not keep a process from ending; what wasn't acknowledged is written again by the next."""


def translated(exc: KafkaError, doing: str) -> WatchkeeperError:
    """Ours for aiokafka's: what only a person can mend is Misconfigured, all else may pass."""
    if isinstance(exc, MessageSizeTooLargeError):
        return Misconfigured(
            f"{doing}: the broker refuses a record of this size",
            "raise max.message.bytes of that topic to that of the topic it is fed from, plus 64 KiB for headers",
        )
    if isinstance(exc, (PolicyViolationError, InvalidReplicationFactorError, InvalidConfigurationError)):
        return Misconfigured(
            f"{doing}: the broker refuses it ({type(exc).__name__})",
            "create the topics yourself as docs/architecture.md lists them, and set WATCHKEEPER_KAFKA__CREATE_TOPICS=false",
        )
    if isinstance(exc, (TopicAuthorizationFailedError, ClusterAuthorizationFailedError)):
        return Misconfigured(
            f"{doing}: this user may not use the topic", "grant it to the SASL user or certificate"
        )
    if isinstance(exc, UnknownTopicOrPartitionError):
        return Retryable(f"{doing}: the topic or partition isn't there (yet)")
    return Retryable(f"{doing}: {type(exc).__name__}")


class KafkaOutbox:
    """Produces whole batches, idempotent, acks=all; implements ports.LetterBox.

    A batch a partition, in order: aiokafka keeps one request a partition in flight, so order holds over retries. A broker
    that is away is waited for. Where a batch fails for good, aiokafka's sequence numbers have a gap, and the broker would
    refuse that partition for ever: the next batch goes out by a new producer.
    """

    def __init__(
        self, settings: KafkaSettings, producer: AIOKafkaProducer, *, metrics: Metrics | None = None
    ) -> None:
        self._settings = settings
        self._producer = producer
        self._is_spoiled = False
        self._renewing = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()
        self._metrics = metrics or Metrics()
        self._partitions: dict[str, int] = {}

    @classmethod
    async def connect(cls, settings: KafkaSettings, *, metrics: Metrics | None = None) -> KafkaOutbox:
        """Start a producer. Raises Retryable where no broker answers."""
        return cls(settings, await _started_producer(settings), metrics=metrics)

    async def aclose(self) -> None:
        """Flush and close; a broker that is away is given up after LONGEST_FLUSH_S."""
        if not await close(self._producer.stop(), LONGEST_FLUSH_S):
            await close(self._producer.client.close(), LONGEST_FLUSH_S)
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)

    async def publish(self, topic: str, partition: int, records: Sequence[OutRecord]) -> None:
        """See ports.Outbox. A batch larger than MAX_BATCH_BYTES goes as several, in order."""
        if not records:
            return
        began_s = time.perf_counter()
        try:
            producer = await self._sound_producer()
            count = self._partitions.get(topic)
            if count is None:
                count = self._partitions[topic] = len(await producer.partitions_for(topic))
            partition %= count
            try:
                await _sent(producer, topic, partition, records)
            except KafkaError:
                self._is_spoiled = self._is_spoiled or producer is self._producer
                raise
        except KafkaError as exc:
            self._partitions.pop(topic, None)
            self._metrics.count(Metric.PRODUCE_FAILURES, topic=topic)
            raise translated(exc, f"writing to {topic}/{partition}") from exc
        else:
            self._metrics.count(Metric.PRODUCED, len(records), topic=topic)
        finally:
            self._metrics.observe(Metric.PRODUCE_SECONDS, time.perf_counter() - began_s, topic=topic)

    async def last_headers(self, topic: str, partition: int, count: int) -> Sequence[Headers]:
        """See ports.LetterBox."""
        try:
            there = len(await (await self._sound_producer()).partitions_for(topic))
            return await last_headers(self._settings, topic, partition % there, count)
        except KafkaError as exc:
            raise translated(exc, f"looking back in {topic}/{partition}") from exc

    async def _sound_producer(self) -> AIOKafkaProducer:
        async with self._renewing:
            if self._is_spoiled:
                fresh = await _started_producer(self._settings)
                # Others may still wait for what the old one sends: it ends once that is decided.
                task = asyncio.create_task(self._producer.stop())
                self._retiring.add(task)
                task.add_done_callback(self._retiring.discard)
                self._producer, self._is_spoiled = fresh, False
            return self._producer


async def _started_producer(settings: KafkaSettings) -> AIOKafkaProducer:
    producer = AIOKafkaProducer(
        **client_options(settings),
        enable_idempotence=True,
        compression_type=None if settings.compression == "none" else settings.compression,
        max_batch_size=MAX_BATCH_BYTES,
        max_request_size=settings.max_message_bytes + MAX_BATCH_BYTES,
    )
    try:
        await producer.start()
    except KafkaConnectionError as exc:
        await close(producer.stop(), LONGEST_FLUSH_S)
        raise Retryable(f"no Kafka broker answers at {settings.bootstrap}") from exc
    return producer


async def _sent(producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[OutRecord]) -> None:
    """Return when all are acknowledged. Raises the KafkaError of the first batch that failed, when all are decided."""
    sent: list[asyncio.Future[Any]] = []
    batch = producer.create_batch()
    for record in records:
        while (
            batch.append(
                timestamp=None,
                key=record.key,
                value=record.value,
                headers=list(record.headers) if record.headers else [],
            )
            is None
        ):
            sent.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
    sent.append(await producer.send_batch(batch, topic, partition=partition))
    for outcome in await asyncio.gather(*sent, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


def owned_topics(settings: KafkaSettings) -> tuple[Topic, ...]:
    """The topics of schemas/topics.py under the names that the settings give them."""
    names = {
        CHAT_LOGS: settings.chat_logs_topic,
        CHAT_LOGS_BACKFILL: settings.chat_logs_backfill_topic,
        VERDICTS: settings.verdicts_topic,
        CHAT_LOGS_DLQ: settings.chat_logs_dlq_topic,
        VERDICTS_DLQ: settings.verdicts_dlq_topic,
        CONTROL: settings.control_topic,
        ALERTS: settings.alerts_topic,
        ALERT_ACTIONS: settings.alert_actions_topic,
        ALERT_DELIVERIES: settings.alert_deliveries_topic,
        JUDGE_REQUESTS: settings.judge_requests_topic,
        JUDGE_REQUESTS_BACKFILL: settings.judge_requests_backfill_topic,
        JUDGE_REQUESTS_DLQ: settings.judge_requests_dlq_topic,
        JUDGEMENTS: settings.judgements_topic,
        JUDGEMENTS_DLQ: settings.judgements_dlq_topic,
        JUDGE_POLICIES: settings.judge_policies_topic,
        AUDITS: settings.audits_topic,
        AUDIT_REQUESTS: settings.audit_requests_topic,
        CALIBRATIONS: settings.calibrations_topic,
    }
    return tuple(replace(topic, name=name) for topic, name in names.items())


def judging_topics(settings: KafkaSettings) -> tuple[str, ...]:
    """Those in which nothing is written while nobody judges."""
    return (
        settings.judge_requests_topic,
        settings.judge_requests_backfill_topic,
        settings.judge_requests_dlq_topic,
        settings.judgements_topic,
        settings.judgements_dlq_topic,
        settings.judge_policies_topic,
    )


def dead_letter_topics(settings: KafkaSettings) -> tuple[str, ...]:
    """Where bad messages go: those of the chat logs first."""
    return (
        settings.chat_logs_dlq_topic,
        settings.verdicts_dlq_topic,
        settings.judge_requests_dlq_topic,
        settings.judgements_dlq_topic,
    )


def topic_config(topic: Topic, max_message_bytes: int) -> Mapping[str, str]:
    """The broker-side configuration of a topic that we create."""
    config = {"max.message.bytes": str(max_message_bytes), "message.timestamp.type": "LogAppendTime"}
    if topic.retention_h is None:
        config["cleanup.policy"] = "compact"
    else:
        config["retention.ms"] = str(topic.retention_h * 3_600_000)
    return config


async def ensure_topics(settings: KafkaSettings) -> list[str]:
    """Create the topics that are missing and return their names; idempotent, safe to race.

    A dead letter is as large as its message and its headers, so its topic takes a little more. Topics that follow the
    chat logs (backfill, verdicts, dead letters) get as many partitions as those have: partition n maps to partition n.
    Raises Retryable where no broker answers.
    """
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        await admin.start()
        existing = {
            entry["topic"]: len(entry["partitions"])
            for entry in await admin.describe_topics()
            if entry["error_code"] == 0
        }
        partitions = existing.get(settings.chat_logs_topic, CHAT_LOGS.partitions)
        replication = settings.replication or min(3, len((await admin.describe_cluster())["brokers"]))
        letters = dead_letter_topics(settings)
        created: list[str] = []
        for topic in owned_topics(settings):
            if topic.name in existing:
                continue
            room = 65_536 if topic.name in letters else 0
            new = NewTopic(
                name=topic.name,
                num_partitions=partitions if topic.follows_chat_logs else topic.partitions,
                replication_factor=replication,
                topic_configs=dict(topic_config(topic, settings.max_message_bytes + room)),
            )
            answer = await admin.create_topics([new])
            for _, code, *_ in answer.topic_errors:
                fault = for_code(code)
                if fault is not NoError and fault is not TopicAlreadyExistsError:
                    raise translated(fault(), f"creating the topic {topic.name}")
                if fault is NoError:
                    created.append(topic.name)
        return created
    except KafkaError as exc:
        raise translated(exc, f"creating topics at {settings.bootstrap}") from exc
    finally:
        await close(admin.close(), LONGEST_FLUSH_S)
