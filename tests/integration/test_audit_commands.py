"""Live anchors read back from a real log, and the audit commands as a person runs them, on a real broker and a real engine."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from monitor.adapters.anchor_sources import AnchorSources
from monitor.adapters.audits import AuditRows
from monitor.adapters.clickhouse import ClickHouse
from monitor.adapters.kafka import ensure_topics
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.cli.audit_shapes import AuditDocument
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart
from monitor.settings import Settings, load
from schemas.audits import AuditRecord, AuditRequest, audit_id_of_request
from tests.integration.commands import watchkeeper
from tests.stores import NOW, new_store, verdict
from tests.unit.audit.recorded import record, refused
from tests.waiting import until

EXCHANGES = 300
DELETED = 20
"""Of each partition, by retention."""


@dataclass(frozen=True)
class Stack:
    """A broker and an engine with topics and a database of the test's own."""

    environment: dict[str, str]
    settings: Settings
    store: ClickHouse


@pytest.fixture(scope="module")
async def stack(kafka_part: KafkaPart, clickhouse_part: ClickHousePart) -> AsyncIterator[Stack]:
    mark = secrets.token_hex(4)
    async with new_store(clickhouse_part.address) as store:
        environment = {
            "WATCHKEEPER_KAFKA__BOOTSTRAP": kafka_part.address,
            "WATCHKEEPER_KAFKA__CHAT_LOGS_TOPIC": f"chat.{mark}",
            "WATCHKEEPER_KAFKA__AUDITS_TOPIC": f"audits.{mark}",
            "WATCHKEEPER_KAFKA__AUDIT_REQUESTS_TOPIC": f"audit_requests.{mark}",
            "WATCHKEEPER_KAFKA__GROUP_PREFIX": f"fleet-{mark}",
            "WATCHKEEPER_CLICKHOUSE__URL": clickhouse_part.address,
            "WATCHKEEPER_CLICKHOUSE__DATABASE": store._settings.database,
            "WATCHKEEPER_AUDIT__ENABLED": "true",
            "WATCHKEEPER_AUDIT__LIVE_ANCHORS": "128",
        }
        settings = load(environment)
        await ensure_topics(settings.kafka)
        yield Stack(environment, settings, store)


def line(number: int) -> bytes:
    """An exchange: every tenth is a later turn, every eleventh has a system prompt."""
    messages = [{"role": "user", "content": f"question {number}"}]
    if number % 10 == 0:
        messages = [{"role": "user", "content": "first"}, {"role": "assistant", "content": "yes"}, *messages]
    elif number % 11 == 0:
        messages = [{"role": "system", "content": "be kind"}, *messages]
    chat = {"id": f"e{number}", "request": {"model": "gpt-4o", "messages": messages}, "response": "ok"}
    return json.dumps(chat).encode()


async def test_live_anchors_come_back_from_the_log_and_what_retention_took_is_counted(stack: Stack) -> None:
    topic = stack.settings.kafka.chat_logs_topic
    producer = AIOKafkaProducer(bootstrap_servers=stack.settings.kafka.bootstrap)
    await producer.start()
    stored = []
    for number in range(EXCHANGES):
        place = await (await producer.send(topic, line(number), partition=number % 2))
        stored.append(
            verdict(
                f"e{number}",
                number / 60,
                conversation_id="",
                prompt_harm=(0.01, 0.99, 0.5)[number % 3],
                context_turns=2 if number % 10 == 0 else 1 if number % 11 == 0 else 0,
                source_topic=topic,
                source_partition=place.partition,
                source_offset=place.offset,
            )
        )
    await producer.stop()
    stored.append(verdict("elsewhere", 1, prompt_harm=0.01, context_turns=0, source_topic="gone"))
    stored.append(verdict("early", -60, prompt_harm=0.01, context_turns=0))
    await stack.store.insert([one.to_bytes() for one in stored])
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.settings.kafka.bootstrap)
    await admin.start()
    await admin.delete_records(
        {TopicPartition(topic, partition): RecordsToDelete(before_offset=DELETED) for partition in range(2)}
    )
    await admin.close()
    hours = (datetime.now(UTC) - NOW) / timedelta(hours=1) + 0.5
    settings = load({**stack.environment, "WATCHKEEPER_AUDIT__LIVE_WINDOW_DAYS": str(hours / 24)})

    live = AnchorSources(stack.store, settings, lambda: datetime.now(UTC)).live()
    sample = await live.sample()
    again = await live.sample()

    # of the first 40 exchanges, those that are sure and first turns, and the one of a topic that is gone
    assert sample.gone == sum(n % 3 != 2 and n % 10 != 0 for n in range(2 * DELETED)) + 1
    assert (sample.not_first, sample.unsure, sample.repeated, sample.unsuitable) == (0, 0, 0, 0)
    numbers = {int(text.removeprefix("question ")) for text in sample.anchors.texts}
    assert len(numbers) == 128
    assert not any(n % 10 == 0 or n % 3 == 2 or n < 2 * DELETED for n in numbers)
    assert any(n % 11 == 0 for n in numbers), "a system prompt doesn't make a later turn of a first one"
    labels = dict(zip(sample.anchors.texts, sample.anchors.labels, strict=True))
    assert all((label == "unsafe") == (int(text.split()[1]) % 3 == 1) for text, label in labels.items())
    assert sample.anchors.anchors().safe == 64
    assert again.anchors == sample.anchors


async def test_show_prints_the_newest_audit_its_history_and_a_picture(stack: Stack, tmp_path: Path) -> None:
    fleet = stack.settings.kafka.group_prefix
    first = record(number=1)
    second = record(number=2, apart=1.0, before=first)
    made = [msgspec.structs.replace(one, fleet=fleet) for one in (first, second)]
    empty = await watchkeeper(["audit", "show"], stack.environment)
    assert (empty.code, empty.out) == (2, "")
    assert "there is no audit of this fleet yet" in empty.err
    await AuditRows(stack.store).insert([one.to_bytes() for one in made])

    picture = tmp_path / "audit.svg"
    text, told = await asyncio.gather(
        watchkeeper(["audit", "show", "--plot", str(picture)], stack.environment),
        watchkeeper(["audit", "show", second.id, "--json"], stack.environment),
    )
    assert text.code == told.code == 0, (text.err, told.err)
    assert "J fell since the audit before" in text.out
    assert "AQI, section 3 of the paper" in text.out
    ET.fromstring(picture.read_bytes())
    document = AuditDocument.model_validate_json(told.out)
    assert (document.id, document.previous_id) == (second.id, first.id)
    assert [line.id for line in document.history] == [first.id, second.id]
    assert document.history_layer == second.picture.layer if second.picture else ""

    wrong = await watchkeeper(["audit", "show", "--plot", str(tmp_path / "a.pdf")], stack.environment)
    assert wrong.code == 2
    unknown, several = await asyncio.gather(
        watchkeeper(["audit", "show", "ffff"], stack.environment),
        watchkeeper(["audit", "show", "000"], stack.environment),
    )
    assert (unknown.code, several.code) == (2, 2)
    assert "2 audits begin with '000'" in several.err


async def test_run_asks_once_and_prints_the_record_that_answers(stack: Stack) -> None:
    kafka = stack.settings.kafka
    asked = asyncio.create_task(watchkeeper(["audit", "run", "--json"], stack.environment))
    requests: list[AuditRequest] = []

    async def heard() -> bool:
        async with KafkaAdmin.connect(kafka) as admin:
            ranges = await admin.ranges(kafka.audit_requests_topic)
            requests[:] = [
                AuditRequest.from_bytes(one.value or b"")
                async for one in admin.read(kafka.audit_requests_topic, ranges)
            ]
        return bool(requests)

    await until(heard)
    (request,) = requests
    assert (request.fleet, request.model, request.anchor_set) == (kafka.group_prefix, "probe", "matched")
    answer = msgspec.structs.replace(
        refused(),
        fleet=request.fleet,
        id=audit_id_of_request(request.fleet, request.id),
        request_id=request.id,
    )
    await AuditRows(stack.store).insert([answer.to_bytes()])
    done = await asked
    assert done.code == 1, done.err
    document = AuditDocument.model_validate_json(done.out)
    assert (document.id, document.state, document.reason) == (answer.id, "refused", "one_class")

    late = await watchkeeper(["audit", "run", "--wait", "1s"], stack.environment)
    assert late.code == 3
    assert "it goes on without this command" in late.err
    other = await watchkeeper(["audit", "run", "--set", "other.jsonl"], stack.environment)
    assert other.code == 2
    assert AuditRecord.from_bytes(answer.to_bytes()) == answer
