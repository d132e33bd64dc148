"""What a real worker says of itself equals what went in and what came of it, and its probes say what the page says."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart
from monitor.embedded.triton import TritonPart
from monitor.embedded.workers import WorkersPart
from monitor.metric_spec import PREFIX
from monitor.version import watchkeeper_version
from tests.integration.test_workers import CANARY, Deployment, chat_log
from tests.waiting import until

GOOD = 120
BAD: dict[bytes | None, str] = {
    b"\xff\xfe" + CANARY.encode(): "not_utf8",
    f"hello {CANARY}".encode(): "not_json",
    json.dumps({CANARY: 1}).encode(): "unknown_format",
    b"": "empty",
    None: "tombstone",
}


def _read(url: str) -> tuple[int, bytes]:
    try:
        with urlopen(url, timeout=30) as answer:
            return answer.status, answer.read()
    except HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read()


async def probe(workers: WorkersPart, page: str) -> tuple[int, dict[str, Any]]:
    """Status, and the facts of each check by its name."""
    status, body = await asyncio.to_thread(_read, f"{workers.address}/{page}")
    return status, {check["name"]: check["facts"] for check in json.loads(body)["checks"]}


class Scrape:
    """The samples of /metrics at one moment."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._samples = [s for family in text_string_to_metric_families(text) for s in family.samples]

    def __call__(self, name: str, **labels: str) -> float:
        """The sum of all series of this name that have these labels."""
        wanted = labels.items()
        return sum(s.value for s in self._samples if s.name == PREFIX + name and wanted <= s.labels.items())

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """The series of this name that have these labels and aren't 0, by another label."""
        wanted = labels.items()
        return {
            s.labels[label]: s.value
            for s in self._samples
            if s.name == PREFIX + name and wanted <= s.labels.items() and s.value
        }


async def scraped(workers: WorkersPart) -> Scrape:
    _, body = await asyncio.to_thread(_read, f"{workers.address}/metrics")
    return Scrape(body.decode())


async def test_what_a_worker_counts_is_what_went_in(
    tmp_path: Path, kafka_part: KafkaPart, triton_part: TritonPart, clickhouse_part: ClickHousePart
) -> None:
    # The watch writes windows as time passes, and whoever counts quarters its marks, which are rows too.
    deployment = Deployment(
        tmp_path,
        kafka_part,
        triton_part,
        clickhouse_part,
        WATCHKEEPER_DRIFT__ENABLED="false",
        WATCHKEEPER_ROLLUPS__ENABLED="false",
    )
    async with deployment.workers as workers:
        values = [*BAD, *BAD, *(chat_log(f"m{i}", prompt=f"{CANARY} {i}?") for i in range(GOOD))]
        await deployment.produce(values)

        async def all_done() -> Scrape | None:
            now = await scraped(workers)
            is_done = (
                now("partition_position_offset", role="moderation") == len(values)
                and now("verdicts_stored_total") == GOOD
                and now("partition_position_offset", role="dead_letter_rows") == 2 * len(BAD)
                and not now("partition_lag_messages")
                and not now("batches_in_flight")
            )
            return now if is_done else None

        now = await until(all_done, "all durable and stored", within_s=60)
        assert now is not None
        ready, live = await probe(workers, "readyz"), await probe(workers, "livez")

    moderation, storage = {"role": "moderation"}, {"role": "storage"}
    verdicts, letters = (
        deployment.environment["WATCHKEEPER_KAFKA__VERDICTS_TOPIC"],
        f"{deployment.chat_logs}.dlq",
    )
    bad = {reason: 2.0 * times for reason, times in Counter(BAD.values()).items()}
    assert {
        "taken": now("messages_taken_total", **moderation),
        "bytes": now("taken_bytes_total", **moderation),
        "in batches": now("batch_messages_sum", **moderation),
        "judged": now.by("status", "exchanges_judged_total"),
        "dead": now.by("reason", "dead_letters_total", **moderation),
        "produced": now.by("topic", "produced_records_total", topic=verdicts)
        | now.by("topic", "produced_records_total", topic=letters),
        "taken to store": now("messages_durable_total", **storage),
        "rows": now("store_rows_total"),
        "inserts": now.by("outcome", "store_inserts_total"),
        "partitions": now.by("role", "partitions_owned"),
        "guard": set(now.by("code", "guard_calls_total")),
        "breaker": now.by("state", "guard_breaker_state", **moderation),
        "troubled": now("partitions_set_aside") + now("partitions_halted") + now("batch_retries_total"),
        "durable": now("messages_durable_total", **moderation),
        "version": now.by("version", "worker_info"),
    } == {
        "taken": len(values),
        "bytes": sum(len(value or b"") + len(b"k") for value in values),
        "in batches": len(values),
        "judged": {"ok": GOOD},
        "dead": bad,
        "produced": {verdicts: GOOD, letters: sum(bad.values())},
        "taken to store": GOOD,
        "rows": GOOD + sum(bad.values()),
        "inserts": {"ok": now("store_insert_duration_seconds_count")},
        "partitions": {
            "moderation": 4,
            "backfill": 4,
            "storage": 4,
            "alert_rows": 1,
            "dead_letter_rows": 4,
        },
        "guard": {"OK"},
        "breaker": {"closed": 1},
        "troubled": 0,
        "durable": len(values),
        "version": {watchkeeper_version(): 1},
    }
    assert now("guard_call_duration_seconds_count") == now("guard_calls_total")
    assert set(now.by("stage", "stage_duration_seconds_count", **moderation)) >= {"decode", "guard", "write"}
    assert now("commits_total", role="moderation", outcome="ok") >= 1
    assert CANARY not in now.text
    assert (ready[0], live[0]) == (200, 200)


async def test_a_guard_that_is_away_shows_in_the_metrics_and_leaves_the_worker_live_and_ready(
    tmp_path: Path, kafka_part: KafkaPart, new_triton: Any, clickhouse_part: ClickHousePart
) -> None:
    triton: TritonPart = new_triton()
    await triton.start()
    deployment = Deployment(
        tmp_path,
        kafka_part,
        triton,
        clickhouse_part,
        WATCHKEEPER_TRITON__BREAKER_FAILURES="2",
        WATCHKEEPER_TRITON__BREAKER_OPEN_S="2",
    )
    async with deployment.workers as workers:
        await triton.kill()
        await deployment.produce([chat_log(f"t{i}") for i in range(40)])

        async def is_open() -> Scrape | None:
            now = await scraped(workers)
            is_shown = now.by("state", "guard_breaker_state", role="moderation") == {"open": 1}
            return now if is_shown and now("guard_calls_turned_away_total") else None

        away = await until(is_open, "an open breaker that turns calls away")
        assert away is not None
        ready, facts = await probe(workers, "readyz")
        live, _ = await probe(workers, "livez")
        await triton.start()
        await until(lambda: deployment.one("count() = 40"), "all rows once Triton is back")

        async def is_closed() -> Scrape | None:
            now = await scraped(workers)
            return now if now.by("state", "guard_breaker_state", role="moderation") == {"closed": 1} else None

        back = await until(is_closed, "a closed breaker")
        assert back is not None

    assert (ready, live) == (200, 200)
    assert facts["moderation"]["breaker"] in {"open", "half-open"}
    assert away("guard_calls_total", code="UNAVAILABLE") >= 2
    assert away("guard_breaker_openings_total") >= 1
    assert away("batch_retries_total", role="moderation", trouble="away") >= 1
    assert back("exchanges_judged_total", status="ok") == 40
