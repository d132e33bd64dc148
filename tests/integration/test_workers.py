"""The stream end to end on the real parts: chat logs in; rows and dead letters out; nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart
from monitor.embedded.triton import TritonPart
from monitor.embedded.workers import WorkersPart
from schemas import topics
from tests.waiting import until

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "chatlogs"
CANARY = "zanzibar-marmalade"
"""A word that only the tests' users type: it may be nowhere but in the dead letters' values and the excerpts."""


class Deployment:
    """Worker processes on the session's parts, with topics, groups and a database of their own."""

    def __init__(
        self, folder: Path, kafka: KafkaPart, triton: TritonPart, clickhouse: ClickHousePart, **settings: str
    ) -> None:
        self.name = secrets.token_hex(4)
        self.database = f"watchkeeper_{self.name}"
        self.kafka = kafka
        self.clickhouse = clickhouse
        self.chat_logs = f"chat.logs.{self.name}"
        self.environment = {
            "WATCHKEEPER_KAFKA__BOOTSTRAP": kafka.address,
            "WATCHKEEPER_KAFKA__CHAT_LOGS_TOPIC": self.chat_logs,
            "WATCHKEEPER_KAFKA__CHAT_LOGS_BACKFILL_TOPIC": f"{self.chat_logs}.backfill",
            "WATCHKEEPER_KAFKA__CHAT_LOGS_DLQ_TOPIC": f"{self.chat_logs}.dlq",
            "WATCHKEEPER_KAFKA__VERDICTS_TOPIC": f"safety.verdicts.{self.name}",
            "WATCHKEEPER_KAFKA__VERDICTS_DLQ_TOPIC": f"safety.verdicts.{self.name}.dlq",
            "WATCHKEEPER_KAFKA__GROUP_PREFIX": f"wk-{self.name}",
            "WATCHKEEPER_KAFKA__SESSION_TIMEOUT_S": "6",
            "WATCHKEEPER_TRITON__URL": triton.address,
            "WATCHKEEPER_CLICKHOUSE__URL": clickhouse.address,
            "WATCHKEEPER_CLICKHOUSE__DATABASE": self.database,
            "WATCHKEEPER_RETRY__MAX_S": "1",
            **settings,
        }
        self.workers = WorkersPart(folder / f"workers-{self.name}", self.environment)

    async def rows(self, query: str) -> list[dict[str, Any]]:
        """The rows of a query on this deployment's database."""
        url = f"{self.clickhouse.address}/?database={self.database}&default_format=JSONEachRow"
        body = await asyncio.to_thread(lambda: urlopen(Request(url, query.encode())).read())
        return [json.loads(line) for line in body.splitlines()]

    async def one(self, expression: str, source: str = "verdicts") -> int:
        """A number."""
        return int(next(iter((await self.rows(f"SELECT {expression} FROM {source}"))[0].values())))

    async def produce(self, values: Sequence[bytes | None], partitions: int = 4, **record: Any) -> None:
        """Round robin over the partitions."""
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka.address, max_request_size=32_000_000)
        await producer.start()
        sent = [
            await producer.send(self.chat_logs, value, key=b"k", partition=number % partitions, **record)
            for number, value in enumerate(values)
        ]
        await asyncio.gather(*sent)
        await producer.stop()

    async def dead_letters(self, count: int) -> list[tuple[bytes | None, dict[str, bytes]]]:
        """Exactly `count` of them, or a failure."""
        consumer = AIOKafkaConsumer(
            f"{self.chat_logs}.dlq",
            bootstrap_servers=self.kafka.address,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=40_000_000,
        )
        await consumer.start()
        letters: list[tuple[bytes | None, dict[str, bytes]]] = []

        async def read() -> bool:
            for messages in (await consumer.getmany(timeout_ms=200)).values():
                letters.extend((message.value, dict(message.headers)) for message in messages)
            return len(letters) >= count

        try:
            await until(read, f"{count} dead letters", within_s=60)
        finally:
            await consumer.stop()
        return letters


@pytest.fixture
async def deployment(
    tmp_path: Path, kafka_part: KafkaPart, triton_part: TritonPart, clickhouse_part: ClickHousePart
) -> AsyncIterator[Deployment]:
    """Workers on the shared parts, started."""
    made = Deployment(tmp_path, kafka_part, triton_part, clickhouse_part)
    async with made.workers:
        yield made


def chat_log(
    event_id: str, prompt: str = "How do plants grow?", response: str | None = "With light."
) -> bytes:
    """An OpenAI record."""
    message = {"role": "assistant", "content": response}
    return json.dumps(
        {
            "id": event_id,
            "created": 1_741_000_000,
            "model": "gpt-4o",
            "request": {"model": "gpt-4o", "messages": [{"role": "user", "content": prompt}]},
            "response": {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]},
        }
    ).encode()


async def test_every_chat_log_becomes_one_row_and_a_repeat_changes_nothing(deployment: Deployment) -> None:
    logs = [chat_log(f"e{i}") for i in range(1000)]
    await deployment.produce(logs)
    await until(lambda: deployment.one("count() = 1000"), "1,000 rows")
    before = await deployment.rows("SELECT * FROM verdicts ORDER BY event_id")
    await deployment.produce(logs)
    positions = "uniqExact(source_partition, source_offset, source_index)"
    await until(lambda: deployment.one(f"{positions} = 2000", "arrivals"), "2,000 arrivals")

    assert await deployment.rows("SELECT * FROM verdicts ORDER BY event_id") == before
    assert await deployment.one("uniqExact(event_id)") == await deployment.one("count()") == 1000


BAD: Mapping[str, bytes | None] = {
    "undecodable bytes": b"\xff\xfe\x00" + CANARY.encode(),
    "not JSON": f"hello {CANARY}".encode(),
    "wrong types": json.dumps({"request": {"messages": CANARY}, "response": 3}).encode(),
    "missing fields": json.dumps({"request": {}, "response": {}, CANARY: CANARY}).encode(),
    "another format": json.dumps({CANARY: [1, 2, 3]}).encode(),
    "ten megabytes": b'{"x": "' + CANARY.encode() * 600_000 + b'"}',
    "deeply nested": b"[" * 100_000,
    "empty": b"",
    "tombstone": None,
}


async def test_bad_input_is_dead_lettered_whole_and_what_users_typed_is_nowhere_else(
    deployment: Deployment,
) -> None:
    good = [chat_log(f"g{i}", prompt=f"{CANARY} {i}?") for i in range(40)]
    await deployment.produce([*BAD.values(), *good])
    letters = await deployment.dead_letters(len(BAD))
    await until(lambda: deployment.one("count() = 40"), "the good ones' rows")

    assert Counter(value for value, _ in letters) == Counter(BAD.values())
    assert all(headers[topics.HEADER_REASON] for _, headers in letters)
    assert not [h for _, headers in letters for h in headers.values() if CANARY.encode() in h]
    assert CANARY not in deployment.workers.log.read_text()


async def test_hostile_but_usable_input_becomes_rows(deployment: Deployment) -> None:
    ids = [
        "'; DROP TABLE verdict_rows; --",
        "\u202eevil\u200b",
        "x" * 5000,
        "a\nb\x00c",
        "{{7*7}}",
        "💥" * 50,
    ]
    texts = ["\ud83d lone surrogate", "zero\u200bwidth", "\u202ebidi", "\x00nul\x07", "𝕬" * 1000, ""]
    logs = [chat_log(i, prompt=t, response=t) for i, t in zip(ids, texts, strict=True)]
    logs += [
        json.dumps({**json.loads(chat_log(f"t{when}")), "created": when}).encode()
        for when in (0, 4_102_444_800)
    ]
    logs.append(chat_log("big", prompt="word " * 2_000_000))
    await deployment.produce(logs, partitions=1)
    await until(lambda: deployment.one(f"count() = {len(logs)}"), "all rows")

    times = await deployment.rows(
        "SELECT event_id, occurred_at_source AS s, occurred_at = arrived_at AS same FROM verdicts "
        "WHERE event_id IN ('t0', 't4102444800') ORDER BY event_id"
    )
    assert times == [
        {"event_id": "t0", "s": "arrival", "same": 1},
        {"event_id": "t4102444800", "s": "arrival", "same": 1},
    ]
    assert await deployment.rows("SELECT truncated, status FROM verdicts WHERE event_id = 'big'") == [
        {"truncated": True, "status": "ok"}
    ]
    assert await deployment.one("max(length(event_id)) <= 300") == 1


async def test_a_killed_worker_loses_nothing_and_counts_nothing_twice(deployment: Deployment) -> None:
    total = 6000
    producing = asyncio.ensure_future(deployment.produce([chat_log(f"k{i}") for i in range(total)]))
    for kills in range(1, 4):
        await until(partial(deployment.one, f"count() >= {1000 * kills}"), "progress", within_s=60)
        await deployment.workers.kill()
        await deployment.workers.start()
    await producing
    positions = "uniqExact(source_partition, source_offset, source_index)"
    await until(lambda: deployment.one(f"{positions} = {total}", "arrivals"), "every arrival", within_s=90)

    assert await deployment.one("count()") == await deployment.one("uniqExact(event_id)") == total


async def test_workers_wait_out_a_triton_and_a_store_that_are_away(
    tmp_path: Path, kafka_part: KafkaPart, new_triton: Any, new_clickhouse: Any
) -> None:
    triton: TritonPart = new_triton()
    clickhouse: ClickHousePart = new_clickhouse()
    await asyncio.gather(triton.start(), clickhouse.start())
    deployment = Deployment(tmp_path, kafka_part, triton, clickhouse)
    async with deployment.workers:
        await deployment.produce([chat_log(f"a{i}") for i in range(100)])
        await until(lambda: deployment.one("count() = 100"), "the first rows")
        await triton.kill()
        await deployment.produce([chat_log(f"b{i}") for i in range(100)])
        await until(lambda: "batch waits" in deployment.workers.log.read_text(), "a batch that waits")
        await triton.start()
        await until(lambda: deployment.one("count() = 200"), "rows after Triton came back")
        await clickhouse.kill()
        await deployment.produce([chat_log(f"c{i}") for i in range(100)])
        await until(
            lambda: "ClickHouse" in deployment.workers.log.read_text(), "a batch that waits for the store"
        )
        await clickhouse.start()
        await until(lambda: deployment.one("count() = 300"), "rows after the store came back")

        assert await deployment.one("uniqExact(event_id)") == 300
        assert await deployment.one("countIf(status != 'ok')") == 0


async def test_a_stopped_worker_leaves_no_backlog_of_its_own(deployment: Deployment) -> None:
    await deployment.produce([chat_log(f"s{i}") for i in range(2000)])
    await until(lambda: deployment.one("count() > 0"), "the first rows")
    await deployment.workers.stop()

    assert deployment.workers.exit_code == 0
    await deployment.workers.start()
    await until(lambda: deployment.one("count() = 2000"), "all rows")


async def test_a_deploy_that_breaks_the_logs_stops_before_it_drains_into_the_dead_letters(
    deployment: Deployment,
) -> None:
    await deployment.produce([b"not a chat log"] * 1000, partitions=1)
    await until(lambda: "halted" in deployment.workers.log.read_text(), "the halt")

    assert "messages in a row" in deployment.workers.log.read_text()


@pytest.mark.skipif(not SHARED.exists(), reason="the shared chat logs are not beside this checkout")
async def test_a_real_week_is_stored_exactly_once_however_often_it_is_replayed(
    deployment: Deployment,
) -> None:
    logs = (SHARED / "mixed-week.jsonl").read_bytes().splitlines()
    ids = {json.loads(log)["id"] for log in logs}
    await deployment.produce(logs)
    await until(lambda: deployment.one(f"count() = {len(ids)}"), "the week's rows", within_s=120)
    counts = "SELECT tenant, model, category, count() AS n, sum(refused) AS r FROM verdicts GROUP BY ALL ORDER BY ALL"
    before = await deployment.rows(counts)
    await deployment.produce(logs)
    positions = "uniqExact(source_partition, source_offset, source_index)"
    await until(
        lambda: deployment.one(f"{positions} = {2 * len(logs)}", "arrivals"), "both replays", within_s=120
    )

    assert {row["event_id"] for row in await deployment.rows("SELECT event_id FROM verdicts")} == ids
    assert await deployment.rows(counts) == before
