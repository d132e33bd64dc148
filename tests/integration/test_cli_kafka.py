"""The commands that talk to Kafka, run as a person runs them, against a real broker."""

from __future__ import annotations

import gzip
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from msgspec.structs import replace

from monitor.adapters.kafka import KafkaOutbox, ensure_topics
from monitor.adapters.kafka_admin import KafkaAdmin, Range
from monitor.cli.shapes import (
    LetterDocument,
    LetterReplayDocument,
    LettersDocument,
    ReplayDocument,
    TailLine,
)
from monitor.dead_lettering import Origin, dead_letter
from monitor.embedded.kafka import KafkaPart
from monitor.kafka_settings import KafkaSettings
from monitor.ports import OutRecord
from monitor.settings import Settings, load
from schemas.topics import HEADER_ATTEMPTS, HEADER_ORIGIN, HEADER_REPLAY_OF
from tests.fakes.verdicts import a_verdict
from tests.integration.commands import watchkeeper
from tests.integration.conftest import TopicFactory

NOWHERE = "127.0.0.1:9"


@pytest.fixture
async def environment(kafka_part: KafkaPart) -> dict[str, str]:
    """Settings that point at the shared broker, with topics of the test's own, created as workers create them."""
    mark = secrets.token_hex(4)
    environment = {
        "WATCHKEEPER_KAFKA__BOOTSTRAP": kafka_part.address,
        "WATCHKEEPER_KAFKA__CHAT_LOGS_TOPIC": f"chat.{mark}",
        "WATCHKEEPER_KAFKA__CHAT_LOGS_BACKFILL_TOPIC": f"chat.{mark}.backfill",
        "WATCHKEEPER_KAFKA__VERDICTS_TOPIC": f"verdicts.{mark}",
        "WATCHKEEPER_KAFKA__CHAT_LOGS_DLQ_TOPIC": f"chat.{mark}.dlq",
        "WATCHKEEPER_KAFKA__VERDICTS_DLQ_TOPIC": f"verdicts.{mark}.dlq",
    }
    await ensure_topics(load(environment).kafka)
    return environment


async def values(kafka: KafkaSettings, topic: str) -> list[bytes]:
    async with KafkaAdmin.connect(kafka) as admin:
        return [record.value or b"" async for record in admin.read(topic, await admin.ranges(topic))]


async def test_replay_sends_every_line_as_it_is(environment: dict[str, str], tmp_path: Path) -> None:
    lines = [b'{"id": "%d", "text": "\xff"}' % n for n in range(5_000)]
    plain, packed = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"
    plain.write_bytes(b"\n".join(lines[:2_000]) + b"\n\n")
    packed.write_bytes(gzip.compress(b"\n".join(lines[2_000:4_000])))
    done = await watchkeeper(
        ["replay", str(plain), str(packed), "-", "--live", "--json"],
        environment,
        stdin=b"\n".join(lines[4_000:]),
    )
    assert (done.code, done.err) == (0, "")
    document = ReplayDocument.model_validate_json(done.out)
    kafka = load(environment).kafka
    assert document.model_dump(exclude={"seconds"}) == {
        "topic": kafka.chat_logs_topic,
        "produced": 5_000,
        "bytes": sum(map(len, lines)),
        "empty_lines": 1,
        "files": [str(plain), str(packed), "-"],
        "interrupted": False,
    }
    assert sorted(await values(kafka, kafka.chat_logs_topic)) == sorted(lines)


async def test_replay_goes_to_the_backfill_and_says_where_nobody_takes_it(
    environment: dict[str, str],
) -> None:
    kafka = load(environment).kafka
    done = await watchkeeper(["replay", "-"], environment, stdin=b"{}\n{}\n")
    assert (done.code, done.out.split(" in ")[0]) == (
        0,
        f"2 messages sent to {kafka.chat_logs_backfill_topic}",
    )
    assert "No worker plays the role backfill now (group watchkeeper.backfill has no member)" in done.err
    assert await values(kafka, kafka.chat_logs_backfill_topic) == [b"{}", b"{}"]
    assert await values(kafka, kafka.chat_logs_topic) == []


async def test_a_replay_can_not_be_both_live_and_to_a_topic_of_ones_own(environment: dict[str, str]) -> None:
    done = await watchkeeper(["replay", "-", "--live", "--topic", "mine"], environment, stdin=b"{}\n")
    assert (done.code, "--live and --topic" in done.err) == (2, True)


async def test_replay_stops_at_a_line_too_large_and_has_sent_those_before(
    environment: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"{}\n" + b"x" * 5_000 + b"\n{}\n")
    limited = {**environment, "WATCHKEEPER_KAFKA__MAX_MESSAGE_BYTES": "5000"}
    done = await watchkeeper(["replay", str(path), "--live"], limited)
    assert done.code == 2
    assert "1 message sent before this:" in done.err
    assert "line 2: longer than 3,976 bytes" in done.err
    assert "Traceback" not in done.err
    kafka = load(environment).kafka
    assert await values(kafka, kafka.chat_logs_topic) == [b"{}"]


async def test_replay_to_a_topic_that_is_not_there_says_so(environment: dict[str, str]) -> None:
    done = await watchkeeper(["replay", "-", "--topic", "no.such.topic"], environment, stdin=b"{}\n")
    assert done.code == 2
    assert "the topic no.such.topic doesn't exist" in done.err
    async with KafkaAdmin.connect(load(environment).kafka) as admin:
        assert "no.such.topic" not in await admin.partitions()


async def test_an_unreachable_broker_is_told_without_a_traceback() -> None:
    done = await watchkeeper(["replay", "-"], {"WATCHKEEPER_KAFKA__BOOTSTRAP": NOWHERE}, stdin=b"{}\n")
    assert done.code == 3
    assert done.err == (
        "watchkeeper: no Kafka broker answers at 127.0.0.1:9 (KafkaConnectionError)\n"
        "  → run `watchkeeper check`: it asks every part and says what to do\n"
    )


async def test_tail_shows_what_is_asked_for_and_ends_where_told(environment: dict[str, str]) -> None:
    kafka = load(environment).kafka
    hostile = "\x1b[2J\u202eevil\u200b"
    verdicts = [
        replace(a_verdict(), event_id="calm", prompt_harmful=False, category="benign"),
        replace(a_verdict(), event_id="harm", prompt_excerpt=hostile),
    ]
    outbox = await KafkaOutbox.connect(kafka)
    records = [OutRecord(None, verdict.to_bytes()) for verdict in verdicts] + [OutRecord(None, b"no verdict")]
    await outbox.publish(kafka.verdicts_topic, 0, records)
    await outbox.aclose()
    shown = await watchkeeper(["tail", "--since", "1h", "--no-follow", "--harmful"], environment)
    assert shown.code == 0
    assert len(shown.out.splitlines()) == 1
    assert "cyberattacks" in shown.out
    assert "‹202E›evil‹200B›" in shown.out
    assert "\x1b" not in shown.out
    assert "1 records were no verdicts" in shown.err
    lines = await watchkeeper(["tail", "--since", "1h", "--limit", "2", "--json"], environment)
    assert [TailLine.model_validate_json(line).event_id for line in lines.out.splitlines()] == [
        "calm",
        "harm",
    ]
    assert lines.out.isascii()


async def letters(settings: Settings, count: int, *, attempts: int = 0) -> None:
    """Put dead letters of chat logs, as moderation writes them, into partition 1."""
    kafka = settings.kafka
    outbox = await KafkaOutbox.connect(kafka)
    written = []
    for n in range(count):
        headers = [("ce_type", b"chat"), (HEADER_ATTEMPTS, str(attempts).encode())]
        origin = Origin(
            kafka.chat_logs_topic, 1, n, b"key", b"bad \x1b[31m %d" % n, headers, a_verdict().arrived_at
        )
        written.append(dead_letter(origin, reason="not_json", detail="at byte 0", version="1"))
    await outbox.publish(kafka.chat_logs_dlq_topic, 1, written)
    await outbox.aclose()


async def test_dead_letters_are_listed_shown_and_sent_back_once(environment: dict[str, str]) -> None:
    settings = load(environment)
    kafka = settings.kafka
    assert (await watchkeeper(["dlq", "list"], environment)).out == "No dead letters.\n"
    await letters(settings, 3)
    listed = LettersDocument.model_validate_json(
        (await watchkeeper(["dlq", "list", "--json"], environment)).out
    )
    assert [(c.topic, c.reason, c.count) for c in listed.counts] == [(kafka.chat_logs_topic, "not_json", 3)]
    assert len(listed.letters) == listed.total == 3
    id_ = f"{kafka.chat_logs_dlq_topic}/1/1"

    shown = await watchkeeper(["dlq", "show", id_], environment)
    assert "bad" not in shown.out
    with_body = await watchkeeper(["dlq", "show", id_, "--body"], environment)
    assert "bad ␛[31m 1" in with_body.out
    document = LetterDocument.model_validate_json(
        (await watchkeeper(["dlq", "show", id_, "--body", "--json"], environment)).out
    )
    assert (document.body, document.key, document.headers) == ("bad \x1b[31m 1", "key", {"ce_type": "chat"})

    dry = await watchkeeper(["dlq", "replay", id_, "--dry-run", "--json"], environment)
    assert LetterReplayDocument.model_validate_json(dry.out).replayed == [id_]
    for topic in (kafka.chat_logs_topic, kafka.chat_logs_backfill_topic):
        assert await values(kafka, topic) == []
    assert (await watchkeeper(["dlq", "replay", id_], environment)).code == 0
    assert await values(kafka, kafka.chat_logs_topic) == []
    assert (await watchkeeper(["dlq", "replay", id_, "--live"], environment)).code == 0
    for topic in (kafka.chat_logs_topic, kafka.chat_logs_backfill_topic):
        assert await values(kafka, topic) == [b"bad \x1b[31m 1"]
        async with KafkaAdmin.connect(kafka) as admin:
            (record,) = [r async for r in admin.read(topic, await admin.ranges(topic))]
        assert (record.partition, record.key) == (1, b"key")
        assert list(record.headers) == [
            ("ce_type", b"chat"),
            (HEADER_REPLAY_OF, id_.encode()),
            (HEADER_ATTEMPTS, b"1"),
            (HEADER_ORIGIN, f"{kafka.chat_logs_topic}/1/1".encode()),
        ]


async def test_what_was_tried_too_often_stays_a_dead_letter(environment: dict[str, str]) -> None:
    settings = load(environment)
    await letters(settings, 2, attempts=2)
    done = await watchkeeper(["dlq", "replay", "--all", "--json"], environment)
    assert done.code == 1
    document = LetterReplayDocument.model_validate_json(done.out)
    assert (len(document.exhausted), document.replayed) == (2, [])
    assert await values(settings.kafka, settings.kafka.chat_logs_backfill_topic) == []


async def test_a_dead_letter_that_is_not_there_is_told(environment: dict[str, str]) -> None:
    topic = load(environment).kafka.chat_logs_dlq_topic
    done = await watchkeeper(["dlq", "show", f"{topic}/0/17"], environment)
    assert done.code == 2
    assert f"there is no dead letter {topic}/0/17" in done.err


async def test_reading_a_range_counts_messages_not_transaction_markers(
    kafka_part: KafkaPart, topic: TopicFactory
) -> None:
    name = await topic("marked")
    producer = AIOKafkaProducer(bootstrap_servers=kafka_part.address, transactional_id=secrets.token_hex(4))
    await producer.start()
    for _ in range(3):
        async with producer.transaction():
            await producer.send_and_wait(name, b"{}")
    await producer.stop()
    async with KafkaAdmin.connect(load({"WATCHKEEPER_KAFKA__BOOTSTRAP": kafka_part.address}).kafka) as admin:
        assert await admin.ranges(name) == {0: Range(0, 6)}
        assert await admin.count(name, 0, Range(0, 6)) == 3
        assert await admin.count(name, 0, Range(5, 6)) == 0


async def test_commits_carry_their_metadata(kafka_part: KafkaPart, topic: TopicFactory) -> None:
    name = await topic("committed", partitions=2)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_part.address, group_id=f"group.{name}")
    await consumer.start()
    consumer.assign([TopicPartition(name, 1)])
    await consumer.commit({TopicPartition(name, 1): (0, "said")})
    async with KafkaAdmin.connect(load({"WATCHKEEPER_KAFKA__BOOTSTRAP": kafka_part.address}).kafka) as admin:
        commits = await admin.commits(f"group.{name}", name)
        state = await admin.group("no.such.group")
    await consumer.stop()
    assert {n: (c.offset, c.metadata) for n, c in commits.items()} == {1: (0, "said")}
    assert (state.state, state.members) == ("Dead", 0)


async def test_a_broker_that_never_had_a_group_is_asked_until_it_can_say(
    new_kafka: Callable[[], KafkaPart],
) -> None:
    broker = new_kafka()
    await broker.start()
    kafka = load({"WATCHKEEPER_KAFKA__BOOTSTRAP": broker.address}).kafka
    await ensure_topics(kafka)
    async with KafkaAdmin.connect(kafka) as admin:
        assert await admin.commits("nobody", kafka.chat_logs_topic) == {}
        assert (await admin.group("nobody")).members == 0
