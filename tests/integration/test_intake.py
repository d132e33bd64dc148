"""The intake on a real broker: in order, once durable, over retries, rebalances and stops."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterable, Callable, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from monitor.embedded.kafka import KafkaPart
from monitor.errors import Misconfigured, Retryable
from monitor.ledger import Ledger
from monitor.settings import Settings, load
from tests.integration.conftest import TopicFactory
from tests.waiting import until
from workers.app import App, Role, build_app
from workers.batch import Batch
from workers.partition import BatchLimits

LIMITS = BatchLimits(max_events=50, max_bytes=1_000_000, flush_after_s=0.05, in_flight=3)


@dataclass
class _Recorder:
    """An agent that remembers what it wrote, in order, a partition at a time."""

    trouble: Callable[[Batch], Exception | None] = lambda _: None
    gate: asyncio.Event | None = None
    written: dict[int, list[int]] = field(default_factory=dict)

    async def consume(self, batches: AsyncIterable[Batch]) -> None:
        async for batch in batches:
            await batch.settle(self.handle)

    async def handle(self, batch: Batch) -> Ledger:
        if self.gate is not None:
            await self.gate.wait()
        await batch.turn()
        trouble = self.trouble(batch)
        if trouble is not None:
            raise trouble
        self.written.setdefault(batch.partition, []).extend(message.offset for message in batch.messages)
        return Ledger(0, messages=len(batch.messages), exchanges=len(batch.messages))

    @property
    def count(self) -> int:
        return sum(len(offsets) for offsets in self.written.values())


def _settings(bootstrap: str, group: str, *, request_timeout_s: str = "40") -> Settings:
    return load(
        {
            "WATCHKEEPER_KAFKA__BOOTSTRAP": bootstrap,
            "WATCHKEEPER_KAFKA__GROUP_PREFIX": group,
            "WATCHKEEPER_KAFKA__SESSION_TIMEOUT_S": "6",
            "WATCHKEEPER_KAFKA__REQUEST_TIMEOUT_S": request_timeout_s,
            "WATCHKEEPER_RETRY__FIRST_S": "0.01",
            "WATCHKEEPER_RETRY__MAX_S": "0.05",
            "WATCHKEEPER_RETRY__HALTED_S": "0.2",
            "WATCHKEEPER_WORKER__DRAIN_S": "5",
        }
    )


def _app(settings: Settings, topic: str, recorder: _Recorder) -> App:
    return build_app(settings, [Role("test", topic, LIMITS, recorder.consume)])


async def _produce(bootstrap: str, topic: str, values: Sequence[bytes], partition: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    for value in values:
        await producer.send(topic, value, partition=partition)
    await producer.stop()


async def _commits(bootstrap: str, group: str) -> dict[int, tuple[int, Ledger]]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        commits = await admin.list_consumer_group_offsets(f"{group}.test")
    finally:
        await admin.close()
    return {tp.partition: (c.offset, Ledger.from_metadata(c.metadata, c.offset)) for tp, c in commits.items()}


def _values(count: int) -> list[bytes]:
    return [str(i).encode() for i in range(count)]


async def test_all_messages_come_in_order_and_the_commit_carries_their_count(
    kafka_part: KafkaPart, topic: TopicFactory
) -> None:
    name = await topic(partitions=2)
    await _produce(kafka_part.address, name, _values(500), 0)
    await _produce(kafka_part.address, name, _values(300), 1)
    recorder = _Recorder()
    app = _app(_settings(kafka_part.address, name), name, recorder)
    await app.start()
    await until(lambda: recorder.count == 800)
    await app.stop()

    assert recorder.written == {0: list(range(500)), 1: list(range(300))}
    assert await _commits(kafka_part.address, name) == {
        0: (500, Ledger(0, messages=500, exchanges=500)),
        1: (300, Ledger(0, messages=300, exchanges=300)),
    }


async def test_a_failing_batch_holds_back_the_commit_of_all_that_follow(
    kafka_part: KafkaPart, topic: TopicFactory
) -> None:
    name = await topic(partitions=1)
    await _produce(kafka_part.address, name, _values(400), 0)
    away = True
    tries = 0

    def trouble(batch: Batch) -> Exception | None:
        nonlocal tries
        if away and batch.messages[0].offset > 0:
            tries += 1
            return Retryable("away")
        return None

    recorder = _Recorder(trouble)
    app = _app(_settings(kafka_part.address, name), name, recorder)
    await app.start()
    await until(lambda: tries >= 3)
    first = len(recorder.written[0])
    await app.intakes[0].commit()
    held = await _commits(kafka_part.address, name)
    away = False
    await until(lambda: recorder.count == 400)
    await app.stop()

    assert held == {0: (first, Ledger(0, messages=first, exchanges=first))}
    assert recorder.written == {0: list(range(400))}
    assert (await _commits(kafka_part.address, name))[0][0] == 400


async def test_a_stop_drains_what_is_in_flight(kafka_part: KafkaPart, topic: TopicFactory) -> None:
    name = await topic(partitions=1)
    await _produce(kafka_part.address, name, _values(100), 0)
    gate = asyncio.Event()
    recorder = _Recorder(gate=gate)
    app = _app(_settings(kafka_part.address, name), name, recorder)
    await app.start()
    await until(lambda: app.intakes[0].in_flight > 0)
    stopping = asyncio.ensure_future(app.stop())
    asyncio.get_running_loop().call_later(0.2, gate.set)
    await stopping

    written = recorder.written[0]
    assert written == list(range(len(written)))
    assert (await _commits(kafka_part.address, name))[0][0] == len(written) > 0


async def test_a_rebalance_loses_nothing_and_the_ledger_counts_each_message_once(
    kafka_part: KafkaPart, topic: TopicFactory
) -> None:
    name = await topic(partitions=2)
    settings = _settings(kafka_part.address, name)
    one, two = _Recorder(), _Recorder()
    first = _app(settings, name, one)
    await first.start()
    for partition in (0, 1):
        await _produce(kafka_part.address, name, _values(1000), partition)
    second = _app(settings, name, two)
    await second.start()
    await until(lambda: len(second.intakes[0].ledgers()) == 1 and len(first.intakes[0].ledgers()) == 1)
    for partition in (0, 1):
        await _produce(kafka_part.address, name, _values(500), partition)
    await until(lambda: one.count + two.count >= 3000)
    await second.stop()
    await first.stop()

    seen = {
        partition: Counter(one.written.get(partition, []) + two.written.get(partition, []))
        for partition in (0, 1)
    }
    assert seen == {partition: Counter(range(1500)) for partition in (0, 1)}
    assert await _commits(kafka_part.address, name) == {
        partition: (1500, Ledger(0, messages=1500, exchanges=1500)) for partition in (0, 1)
    }


async def test_a_wrong_setting_halts_loudly_and_a_restart_begins_where_it_stood(
    kafka_part: KafkaPart, topic: TopicFactory
) -> None:
    name = await topic(partitions=1)
    await _produce(kafka_part.address, name, _values(100), 0)
    settings = _settings(kafka_part.address, name)
    stuck = _Recorder(lambda _: Misconfigured("a person must look"))
    app = _app(settings, name, stuck)
    await app.start()
    await until(lambda: any(partition.is_halted for partition in app.intakes[0].status().partitions))
    await app.stop()
    recorder = _Recorder()
    app = _app(settings, name, recorder)
    await app.start()
    await until(lambda: recorder.count == 100)
    await app.stop()

    assert (stuck.written, recorder.written) == ({}, {0: list(range(100))})


async def test_a_partition_in_trouble_is_set_aside_and_the_others_go_on(
    kafka_part: KafkaPart, topic: TopicFactory
) -> None:
    name = await topic(partitions=3)
    for partition in range(3):
        await _produce(kafka_part.address, name, _values(1000), partition)
    troubles: dict[int, Exception | None] = {0: Misconfigured("a person must look"), 1: ZeroDivisionError()}
    recorder = _Recorder(lambda batch: troubles.get(batch.partition))
    app = _app(_settings(kafka_part.address, name), name, recorder)
    await app.start()
    intake = app.intakes[0]

    def states() -> dict[int, tuple[int, bool, bool]]:
        return {p.partition: (p.position, p.is_halted, p.trouble != "") for p in intake.status().partitions}

    await until(lambda: states() == {0: (0, True, True), 1: (0, False, True), 2: (1000, False, False)})
    failed_at = {p.partition: p.failed_at for p in intake.status().partitions}
    troubles[1] = None
    await until(lambda: states()[1] == (1000, False, False))
    await app.stop()

    assert failed_at == {0: "write", 1: "write", 2: ""}
    assert recorder.written == {1: list(range(1000)), 2: list(range(1000))}
    assert (await _commits(kafka_part.address, name))[1] == (1000, Ledger(0, messages=1000, exchanges=1000))


async def test_a_halted_partition_is_tried_again_until_a_person_has_mended_it(
    kafka_part: KafkaPart, topic: TopicFactory
) -> None:
    name = await topic(partitions=1)
    await _produce(kafka_part.address, name, _values(1000), 0)
    trouble: list[Exception] = [Misconfigured("a table is missing")]
    recorder = _Recorder(lambda _: trouble[0] if trouble else None)
    app = _app(_settings(kafka_part.address, name), name, recorder)
    await app.start()
    intake = app.intakes[0]
    await until(lambda: any(partition.is_halted for partition in intake.status().partitions))
    trouble.clear()
    await until(lambda: recorder.count == 1000)
    mended = intake.status().partitions[0]
    await app.stop()

    assert (mended.is_halted, mended.trouble, mended.failed_at) == (False, "", "")
    assert recorder.written == {0: list(range(1000))}


async def test_a_log_that_went_back_halts_its_partition(kafka_part: KafkaPart, topic: TopicFactory) -> None:
    name = await topic(partitions=1)
    await _produce(kafka_part.address, name, _values(100), 0)
    settings = _settings(kafka_part.address, name)
    committer = AIOKafkaConsumer(bootstrap_servers=kafka_part.address, group_id=f"{name}.test")
    committer.assign([TopicPartition(name, 0)])
    await committer.start()
    await committer.commit({TopicPartition(name, 0): 500})
    await committer.stop()
    recorder = _Recorder()
    app = _app(settings, name, recorder)
    await app.start()
    await until(lambda: any(partition.is_halted for partition in app.intakes[0].status().partitions))
    trouble = app.intakes[0].status().partitions[0].trouble
    await app.stop()

    assert trouble.startswith(f"the log of {name}/0 ends at 100, and 500 was reached")
    assert recorder.written == {}


async def test_a_consumer_that_reads_no_more_ends_its_worker(
    kafka_part: KafkaPart, topic: TopicFactory
) -> None:
    name = await topic(partitions=1)
    settings = _settings(kafka_part.address, name, request_timeout_s="1")
    recorder = _Recorder()
    app = _app(settings, name, recorder)
    await app.start()
    intake = app.intakes[0]
    await until(lambda: intake.has_joined)
    intake._consumer.pause(TopicPartition(name, 0))  # as if its fetching had died: nobody resumes it
    await _produce(kafka_part.address, name, _values(10), 0)
    await until(lambda: app.crashed, within_s=60)
    await app.stop()

    assert "no longer reads" in str(app.crash_reason)
    assert recorder.written == {}


async def test_nothing_leaves_before_the_gate_opens(kafka_part: KafkaPart, topic: TopicFactory) -> None:
    name = await topic(partitions=1)
    await _produce(kafka_part.address, name, _values(200), 0)
    opened, asked = asyncio.Event(), []

    class _Gate:
        async def wait(self, messages: int) -> None:
            asked.append(messages)
            await opened.wait()

    recorder = _Recorder()
    role = Role("test", name, LIMITS, recorder.consume, gate=_Gate())
    app = build_app(_settings(kafka_part.address, name), [role])
    await app.start()
    intake = app.intakes[0]
    await until(lambda: intake.stalls >= 1)
    held = (recorder.count, intake.in_flight)
    opened.set()
    await until(lambda: recorder.count == 200)
    await app.stop()

    assert held == (0, 0)
    assert recorder.written == {0: list(range(200))}
    assert 0 < max(asked) <= LIMITS.max_events


async def test_a_stalled_agent_stays_in_its_group_and_bounds_what_it_holds(
    kafka_part: KafkaPart, topic: TopicFactory
) -> None:
    name = await topic(partitions=1)
    await _produce(kafka_part.address, name, _values(5000), 0)
    gate = asyncio.Event()
    recorder = _Recorder(gate=gate)
    app = _app(_settings(kafka_part.address, name), name, recorder)
    await app.start()
    intake = app.intakes[0]
    await until(lambda: intake.stalls >= 1)
    held = intake.in_flight
    gate.set()
    await until(lambda: recorder.count == 5000)
    await app.stop()

    assert held <= LIMITS.in_flight + 1
    assert recorder.written == {0: list(range(5000))}


async def test_a_foreign_commit_is_where_reading_begins(kafka_part: KafkaPart, topic: TopicFactory) -> None:
    name = await topic(partitions=1)
    await _produce(kafka_part.address, name, _values(100), 0)
    await _commit_elsewhere(kafka_part.address, name, 60)
    recorder = _Recorder()
    app = _app(_settings(kafka_part.address, name), name, recorder)
    await app.start()
    await until(lambda: recorder.count == 40)
    await app.stop()

    assert recorder.written == {0: list(range(60, 100))}
    assert await _commits(kafka_part.address, name) == {0: (100, Ledger(60, messages=40, exchanges=40))}


async def _commit_elsewhere(bootstrap: str, topic: str, offset: int) -> None:
    from aiokafka import AIOKafkaConsumer

    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=f"{topic}.test", enable_auto_commit=False
    )
    await consumer.start()
    consumer.assign([TopicPartition(topic, 0)])
    await consumer.commit({TopicPartition(topic, 0): offset})
    await consumer.stop()
