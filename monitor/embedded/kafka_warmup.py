"""The broker's start-up cache: what a first broker loaded and compiled, kept for all later ones (JEP 483, 514, 515).

Measured on two cores, Java 25, from launch to serving: 2.3 to 3.6 s without it, 0.65 s with it; formatting 1.0 s and
0.3 s. Making it takes about 8 s, once per user, runtime and set of jars: a broker on a folder of its own is started,
used as a client would, and stopped. It is never needed: if it can't be made, brokers start without.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from monitor.embedded.free_ports import LOOPBACK, free_port
from monitor.embedded.java import Java
from monitor.embedded.kafka_config import BROKER_CLASS, format_storage, new_cluster_id, write_configuration
from monitor.embedded.locks import try_lock
from monitor.embedded.part import accepts
from monitor.embedded.process import TetheredProcess, launched
from monitor.embedded.progress import OnProgress, Progress
from monitor.errors import Misconfigured

WITHIN_S: Final = 60.0
STOPPED_BY_TERM: Final = 128 + 15
TOPIC: Final = "warm-up"


async def start_up_cache(
    java: Java, command: Sequence[str], cache: Path, *, on_progress: OnProgress
) -> list[str]:
    """The flags that make a broker use the cache, made first if it is missing; none where it can't be had.

    `command` is the runtime with its flags and class path. If another process is making the cache, we go without.
    """
    if not java.has_aot_cache:
        return []
    classpath = command[list(command).index("-cp") + 1]
    key = hashlib.sha256(
        f"{java.executable}\n{java.executable.stat().st_mtime_ns}\n{classpath}".encode()
    ).hexdigest()
    kept = cache / f"kafka-{key[:16]}.aot"
    failed = kept.with_suffix(".failed")
    if not kept.exists() and not failed.exists():
        lock = try_lock(kept.with_suffix(".lock"))
        if lock is None:
            return []
        try:
            on_progress(Progress("kafka", "preparing", {"what": "a start-up cache, once"}))
            await _make(command, kept)
        except (Misconfigured, OSError, TimeoutError, RuntimeError) as exc:
            failed.write_text(f"{type(exc).__name__}: {exc}\n", encoding="utf-8")
            return []
        finally:
            os.close(lock)
    # The JVM warns of every adapter that it compiles anew instead; that is no trouble of the reader's.
    return [f"-XX:AOTCache={kept}", "-Xlog:aot*=error"] if kept.exists() else []


async def _make(command: Sequence[str], kept: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="warm-up-", dir=kept.parent))
    try:
        ports = {"broker": free_port(), "controller": free_port()}
        configuration = write_configuration(folder, ports)
        await asyncio.to_thread(format_storage, command, configuration, new_cluster_id())
        made = folder / kept.name
        broker = await launched(
            [command[0], f"-XX:AOTCacheOutput={made}", *command[1:], BROKER_CLASS, str(configuration)],
            folder / "kafka.log",
            environment=os.environ,
            grace_s=WITHIN_S,
        )
        try:
            async with asyncio.timeout(WITHIN_S):
                await _use(broker, ports["broker"])
            code = await broker.stop()
        except BaseException:
            await broker.kill()
            raise
        if code != STOPPED_BY_TERM or not made.exists():
            raise RuntimeError(f"the broker that was to make it ended with code {code}")
        made.replace(kept)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _use(broker: TetheredProcess, port: int) -> None:
    """Go the ways that a stack goes: create a topic, produce, fetch."""
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    while not await accepts(port):
        if broker.exit_code is not None:
            raise RuntimeError(f"the broker ended with code {broker.exit_code}")
        await asyncio.sleep(0.05)
    bootstrap = f"{LOOPBACK}:{port}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(TOPIC, b"{}")
    finally:
        await producer.stop()
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        await consumer.getone()
    finally:
        await consumer.stop()
