"""The broker's start-up cache: what one broker loaded and compiled, kept for all later ones (JEP 483, 514, 515).

A broker starts in 0.5 to 0.65 of the time with it and in less memory (`python -m benchmarks.embedded` prints the ratio).
Making it takes 8 s of an idle machine, once per user, runtime and set of jars: a broker on a folder of its own is
started, used as a client would, and stopped. A user's first start does without, so that first figures come soon; the
second makes it. It is never needed: if it can't be made, brokers start without.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from monitor.embedded.free_ports import LOOPBACK, free_ports
from monitor.embedded.java import Java
from monitor.embedded.kafka_config import BROKER_CLASS, format_storage, new_cluster_id, write_configuration
from monitor.embedded.locks import try_lock
from monitor.embedded.part import accepts
from monitor.embedded.process import TetheredProcess, launched
from monitor.embedded.progress import OnProgress, Progress
from monitor.errors import Misconfigured

WITHIN_S: Final = 60.0
TRY_AGAIN_AFTER_S: Final = 86_400.0
STOPPED_BY_TERM: Final = 128 + 15
TOPIC: Final = "warm-up"


def cache_path(java: Java, command: Sequence[str], cache: Path) -> Path | None:
    """Where the cache for this runtime (with its flags and class path) is or would be; None if it can't have one."""
    if not java.has_aot_cache:
        return None
    classpath = command[list(command).index("-cp") + 1]
    identity = f"{java.executable}\n{java.executable.stat().st_mtime_ns}\n{classpath}"
    return cache / f"kafka-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.aot"


def cache_flags(kept: Path | None) -> list[str]:
    """The flags that make a broker use the cache; none if it isn't there."""
    if kept is None or not kept.exists():
        return []
    # The JVM warns of every adapter that it compiles anew instead; that is no trouble of the reader's.
    return [f"-XX:AOTCache={kept}", "-Xlog:aot*=error"]


async def make_once(command: Sequence[str], kept: Path, *, on_progress: OnProgress) -> None:
    """Make the cache unless it is there, this is the user's first start, or it failed lately. Raises nothing of that."""
    asked, failed = kept.with_suffix(".asked"), kept.with_suffix(".failed")
    if not _is_due(kept, failed):
        return
    lock = try_lock(kept.with_suffix(".lock"))
    if lock is None:
        return  # another process is at it: go without
    try:
        if not asked.exists():
            asked.touch()
            return
        on_progress(Progress("kafka", "preparing", {"what": "a start-up cache, once"}))
        await _make(command, kept)
        failed.unlink(missing_ok=True)
    except (Misconfigured, OSError, TimeoutError, RuntimeError) as exc:
        failed.write_text(f"{type(exc).__name__}: {exc}\n", encoding="utf-8")
    finally:
        os.close(lock)


def _is_due(kept: Path, failed: Path) -> bool:
    if kept.exists():
        return False
    try:
        return time.time() - failed.stat().st_mtime > TRY_AGAIN_AFTER_S
    except OSError:
        return True


async def _make(command: Sequence[str], kept: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="warm-up-", dir=kept.parent))
    try:
        ports = free_ports(("broker", "controller"))
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
