"""Poison in one partition: the others go on, the dead letters don't fill, and a person can let it pass."""

from __future__ import annotations

from pathlib import Path

from monitor.adapters.kafka import KafkaOutbox, ensure_topics
from monitor.adapters.kafka_admin import KafkaAdmin, Range
from monitor.cli.shapes import AccountDocument
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart
from monitor.embedded.triton import TritonPart
from monitor.embedded.workers import WorkersPart
from monitor.ports import OutRecord
from monitor.settings import load
from tests.integration.commands import watchkeeper
from tests.integration.test_workers import Deployment, chat_log
from tests.waiting import until

GARBAGE = 3_000
GOOD = 400
MAX_RUN = 200


async def fill(deployment: Deployment) -> None:
    """Nothing but garbage in partition 0, and good ones behind it; good ones in the others."""
    kafka = load(deployment.environment).kafka
    await ensure_topics(kafka)
    outbox = await KafkaOutbox.connect(kafka)
    for partition in range(4):
        good = [OutRecord(None, chat_log(f"p{partition}-{n}")) for n in range(GOOD)]
        garbage = [OutRecord(None, b"no chat log %d" % n) for n in range(GARBAGE)]
        await outbox.publish(kafka.chat_logs_topic, partition, good if partition else [*garbage, *good])
    await outbox.aclose()


async def letters(deployment: Deployment) -> dict[int, Range]:
    kafka = load(deployment.environment).kafka
    async with KafkaAdmin.connect(kafka) as admin:
        return await admin.ranges(kafka.chat_logs_dlq_topic)


async def the_account(deployment: Deployment, *, wait_s: int) -> AccountDocument:
    done = await watchkeeper(["account", "--json", "--wait", str(wait_s)], deployment.environment)
    return AccountDocument.model_validate_json(done.out)


async def test_a_partition_of_nothing_but_garbage_halts_alone_until_a_person_lets_it_pass(
    tmp_path: Path, kafka_part: KafkaPart, triton_part: TritonPart, clickhouse_part: ClickHousePart
) -> None:
    deployment = Deployment(
        tmp_path,
        kafka_part,
        triton_part,
        clickhouse_part,
        WATCHKEEPER_DEAD_LETTERS__MAX_RUN=str(MAX_RUN),
        WATCHKEEPER_RETRY__HALTED_S="0.5",
    )
    await fill(deployment)
    async with deployment.workers as worker:
        await until(lambda: deployment.one(f"count() = {3 * GOOD}"), "the good ones of the others")
        # Not once: a halted partition is tried again, and must not leak a batch each time.
        await until(lambda: worker.log.read_text().count("partition halted") >= 3, "the halt, again")
        log = worker.log.read_text()
        halted = await the_account(deployment, wait_s=0)
        first = await letters(deployment)

    for said in ("messages in a row", "WATCHKEEPER_DEAD_LETTERS__MAX_RUN", f"{deployment.chat_logs}/0"):
        assert said in log
    assert await deployment.one("uniqExact(source_partition) = 3 AND min(source_partition) = 1") == 1
    assert sum(offsets.end for offsets in first.values()) < MAX_RUN
    assert halted.state == "on the way"
    assert [line.messages.pending for line in halted.chat_logs.partitions][1:] == [0, 0, 0]

    let_pass = {
        **deployment.environment,
        "WATCHKEEPER_DEAD_LETTERS__MAX_RUN": "1000000",
        "WATCHKEEPER_DEAD_LETTERS__MAX_SHARE": "1",
    }
    async with WorkersPart(tmp_path / "let-pass", let_pass):
        await until(lambda: deployment.one(f"count() = {4 * GOOD}"), "the good ones behind the garbage")
        balanced = await the_account(deployment, wait_s=60)
        after = await letters(deployment)

    assert (balanced.state, balanced.findings) == ("balanced", [])
    assert [line.messages.dead for line in balanced.chat_logs.partitions] == [GARBAGE, 0, 0, 0]
    assert {partition: offsets.end for partition, offsets in after.items()} == {0: GARBAGE, 1: 0, 2: 0, 3: 0}
    assert await deployment.one("uniqExact(event_id)") == 4 * GOOD
