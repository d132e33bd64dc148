"""`python -m benchmarks.cli`: what the command line costs.

Three things people wait for, each against a peer in the same run: how long `watchkeeper --help` takes to start
(against typer's own `typer --help`, the floor), how fast `replay` sends a file to a real broker (against a plain
aiokafka loop that awaits one `send` a line, then flushes), and how long the account's offsets and commits take to read
(against a limit of a second: a person is waiting). Rounds alternate and the best of each counts. Exits 1 where starting
takes 1.5 times as long as typer's, replay is slower than the loop, or the limit is missed.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaProducer

from monitor.adapters.kafka import ensure_topics
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.cli.chat_log_lines import find_sources
from monitor.cli.replay import Pace, Sent, send_files
from monitor.cli.stock_taking import partition_facts
from monitor.embedded.kafka import KafkaPart
from monitor.kafka_settings import KafkaSettings
from monitor.settings import Settings, load

LINES: Final = 100_000
ROUNDS: Final = 3
START_LIMIT: Final = 1.5
FACTS_LIMIT_S: Final = 1.0
TEXT: Final = "Brainstorm three possible causes of an unexpected error in a program. " * 9


def write_lines(path: Path) -> None:
    """Chat-completions records of about 800 bytes, of a thousand conversations."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(LINES):
            record = {
                "id": f"chatcmpl-{number:024d}",
                "created": 1_740_960_007 + number,
                "model": "gpt-4o",
                "metadata": {"conversation_id": f"c-{number % 1000}"},
                "request": {"messages": [{"role": "user", "content": TEXT}]},
            }
            file.write(json.dumps(record) + "\n")


async def plain_loop(kafka: KafkaSettings, path: Path) -> None:
    """What a person would write in ten lines."""
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap, enable_idempotence=True, max_request_size=kafka.max_message_bytes
    )
    await producer.start()
    with path.open("rb") as file:
        for line in file:
            key = json.loads(line)["metadata"]["conversation_id"].encode()
            await producer.send(kafka.chat_logs_topic, line.rstrip(b"\n"), key=key)
    await producer.flush()
    await producer.stop()


async def ours(settings: Settings, path: Path) -> None:
    """What `watchkeeper replay` runs."""
    sent = Sent()
    await send_files(
        settings, find_sources([str(path)]), settings.kafka.chat_logs_topic, pace=Pace(None, None), sent=sent
    )
    if sent.produced != LINES:
        raise RuntimeError(f"{sent.produced} of {LINES} lines were sent")


async def seconds(job: Callable[[], Awaitable[object]]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    await job()
    return time.perf_counter() - began


def start_s(*command: str) -> float:
    """How long a program takes to print its help."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", *command, "--help"], check=True, capture_output=True)
    return time.perf_counter() - began


async def main() -> int:
    """Measure and print; the exit code."""
    starts = [(start_s("monitor.cli"), start_s("typer")) for _ in range(2 * ROUNDS)]
    own_start, typer_start = (min(column) for column in zip(*starts, strict=True))
    print(
        f"start of --help      {own_start:8.3f} s   typer {typer_start:8.3f} s   ratio {own_start / typer_start:5.2f}"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.jsonl"
        write_lines(path)
        async with KafkaPart(Path(folder) / "kafka") as broker:
            settings = load({"WATCHKEEPER_KAFKA__BOOTSTRAP": broker.address})
            await ensure_topics(settings.kafka)
            rounds = [
                (
                    await seconds(lambda: plain_loop(settings.kafka, path)),
                    await seconds(lambda: ours(settings, path)),
                )
                for _ in range(ROUNDS)
            ]
            plain_s, own_s = (min(column) for column in zip(*rounds, strict=True))
            print(
                f"replay, lines a s    {LINES / own_s:8,.0f}     plain loop {LINES / plain_s:8,.0f}     "
                f"ratio {plain_s / own_s:5.2f}"
            )
            async with KafkaAdmin.connect(settings.kafka) as admin:
                await admin.commits("none", settings.kafka.chat_logs_topic)  # makes the coordinator
                facts_s = await seconds(
                    lambda: partition_facts(admin, "none", settings.kafka.chat_logs_topic, verify=False)
                )
            print(
                f"offsets of the account, of {2 * ROUNDS * LINES:,} messages   {facts_s * 1000:6.1f} ms   "
                f"limit {FACTS_LIMIT_S * 1000:,.0f} ms   ratio {facts_s / FACTS_LIMIT_S:5.2f}"
            )
    return int(own_start > START_LIMIT * typer_start or own_s > plain_s or facts_s > FACTS_LIMIT_S)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
