"""Dead letters sent back once the decoder is mended: each exchange is stored once, however often they are sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from monitor.adapters.kafka import KafkaOutbox, ensure_topics
from monitor.cli.shapes import AccountDocument, LetterReplayDocument
from monitor.clock import SystemClock
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart
from monitor.embedded.triton import TritonPart
from monitor.errors import Rejected
from monitor.ingest.decoder import Decoded, Decoder
from monitor.ingest.outcomes import RejectedPart
from monitor.ports import OutRecord
from monitor.redaction import Redactor
from monitor.settings import Settings, load
from monitor.verdicts import VerdictMaker
from tests.fakes.guard import FakeGuard
from tests.integration.commands import watchkeeper
from tests.integration.test_workers import Deployment, chat_log
from tests.waiting import until
from workers.app import Role, build_app
from workers.dead_letters import DeadLetters
from workers.moderation import Moderation
from workers.partition import BatchLimits

UNREADABLE = "not yet readable"
"""What the decoder of the last release couldn't read."""
PARTITIONS = 4
ROUNDS = 10


@dataclass(frozen=True)
class LastRelease:
    """Implements workers.moderation.Decoder. Refuses exchanges whose prompt or answer says UNREADABLE, alone among others."""

    today: Decoder

    def decode(
        self, value: bytes | None, headers: Sequence[tuple[str, bytes]], *, fallback_id: str
    ) -> Decoded:
        decoded = self.today.decode(value, headers, fallback_id=fallback_id)
        good = [
            (index, exchange)
            for index, exchange in decoded.exchanges
            if UNREADABLE not in f"{exchange.prompt} {exchange.response}"
        ]
        if not good:
            raise Rejected("bad_shape", "not in this release")
        bad = {index for index, _ in decoded.exchanges} - {index for index, _ in good}
        return Decoded(good, [RejectedPart(index, "bad_shape", "") for index in bad], decoded.not_chat)


def nameless(prompt: str, *answers: str) -> bytes:
    """A record without an id, with an answer or several."""
    record = json.loads(chat_log("none", prompt))
    del record["id"]
    record["response"]["choices"] = [
        {"index": n, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
        for n, answer in enumerate(answers)
    ]
    return json.dumps(record).encode()


KINDS: tuple[Callable[[int], bytes], ...] = (
    lambda n: chat_log(f"good-{n}"),
    lambda n: chat_log(f"mended-{n}", prompt=UNREADABLE),
    lambda _: nameless("good", "yes"),
    lambda _: nameless(UNREADABLE, "yes"),
    lambda _: nameless("half", "yes", UNREADABLE),
)
EXCHANGES_BEFORE = 3 * ROUNDS
"""The good one with an id, the good one without, and the good half."""
MESSAGES_BACK = 3 * ROUNDS
EXCHANGES_BACK = 4 * ROUNDS
"""Those with an id, those without, and both halves, of which one was stored before."""


async def read_by_the_last_release(settings: Settings, values: Sequence[bytes]) -> set[str]:
    """Send the messages and have a worker of the last release handle them. Returns the ids of all exchanges in them."""
    await ensure_topics(settings.kafka)
    outbox = await KafkaOutbox.connect(settings.kafka)
    for partition in range(PARTITIONS):
        records = [OutRecord(None, value) for value in values[partition::PARTITIONS]]
        await outbox.publish(settings.kafka.chat_logs_topic, partition, records)
    today = Decoder(default_tenant="default", max_context_turns=20)
    agent = Moderation(
        decoder=LastRelease(today),
        guard=FakeGuard(),
        outbox=outbox,
        dead_letters=DeadLetters(
            outbox, settings.kafka.chat_logs_dlq_topic, settings.dead_letters, "last", SystemClock()
        ),
        maker=VerdictMaker(settings.moderation, Redactor(settings.privacy), "redacted"),
        clock=SystemClock(),
        verdicts_topic=settings.kafka.verdicts_topic,
    )
    limits = BatchLimits(max_events=100, max_bytes=1_000_000, flush_after_s=0.05, in_flight=2)
    app = build_app(settings, [Role("moderation", settings.kafka.chat_logs_topic, limits, agent.consume)])
    await app.start()
    (intake,) = app.intakes
    await until(lambda: sum(ledger.messages for ledger in intake.ledgers().values()) == len(values))
    await app.stop()
    await outbox.aclose()
    return {
        exchange.event_id
        for n, value in enumerate(values)
        for _, exchange in today.decode(
            value, (), fallback_id=f"{settings.kafka.chat_logs_topic}-{n % PARTITIONS}-{n // PARTITIONS}"
        ).exchanges
    }


async def the_account(deployment: Deployment) -> AccountDocument:
    done = await watchkeeper(["account", "--json", "--wait", "60"], deployment.environment)
    document = AccountDocument.model_validate_json(done.out)
    assert (document.state, document.findings) == ("balanced", []), done.out
    return document


async def send_back_all(deployment: Deployment) -> int:
    """How many messages `dlq replay --all` sent."""
    done = await watchkeeper(["dlq", "replay", "--all", "--json"], deployment.environment)
    return len(LetterReplayDocument.model_validate_json(done.out).replayed)


async def test_letters_sent_back_twice_after_a_fix_are_stored_once_and_the_account_balances(
    tmp_path: Path, kafka_part: KafkaPart, triton_part: TritonPart, clickhouse_part: ClickHousePart
) -> None:
    deployment = Deployment(tmp_path, kafka_part, triton_part, clickhouse_part)
    values = [kind(n) for n in range(ROUNDS) for kind in KINDS]
    ids = await read_by_the_last_release(load(deployment.environment), values)
    async with deployment.workers:
        before = await the_account(deployment)
        stored_before = await deployment.one("count()")
        replays = [await send_back_all(deployment)]
        await the_account(deployment)
        replays.append(await send_back_all(deployment))
        after = await the_account(deployment)
        stored = await deployment.rows("SELECT event_id FROM verdicts")

    assert (stored_before, len(ids)) == (EXCHANGES_BEFORE, EXCHANGES_BEFORE + 3 * ROUNDS)
    assert replays == [MESSAGES_BACK, MESSAGES_BACK]
    assert sorted(row["event_id"] for row in stored) == sorted(ids)
    assert before.chat_logs == after.chat_logs
    assert before.chat_logs.exchanges is not None
    assert after.backfill.exchanges is not None
    assert (before.chat_logs.messages.dead, before.chat_logs.exchanges.dead) == (2 * ROUNDS, ROUNDS)
    assert after.backfill.messages.produced == 2 * MESSAGES_BACK
    assert after.backfill.exchanges.model_dump() == {
        "found": 2 * EXCHANGES_BACK,
        "stored": 3 * ROUNDS,
        "repeats": 2 * EXCHANGES_BACK - 3 * ROUNDS,
        "sampled_out": 0,
        "dead": 0,
        "pending": 0,
        "lost": 0,
    }


async def test_letters_that_are_still_bad_are_left_alone_after_the_tries_that_are_allowed(
    tmp_path: Path, kafka_part: KafkaPart, triton_part: TritonPart, clickhouse_part: ClickHousePart
) -> None:
    deployment = Deployment(tmp_path, kafka_part, triton_part, clickhouse_part)
    async with deployment.workers:
        await deployment.produce([b"no chat log", chat_log("good")])
        replayed = []
        for _ in range(4):
            await the_account(deployment)
            replayed.append(await send_back_all(deployment))
        balanced = await the_account(deployment)

    assert replayed == [1, 1, 0, 0]
    assert (balanced.chat_logs.messages.dead, balanced.backfill.messages.dead) == (1, 2)
