"""The embedded broker: Apache Kafka in KRaft mode, one node, on loopback."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from monitor.embedded.folders import user_folders
from monitor.embedded.free_ports import LOOPBACK
from monitor.embedded.jars import Abandoned, fetch, pinned_jars
from monitor.embedded.java import find_java
from monitor.embedded.kafka_config import (
    BROKER_CLASS,
    format_storage,
    jvm_flags,
    new_cluster_id,
    write_configuration,
)
from monitor.embedded.kafka_warmup import cache_flags, cache_path, make_once
from monitor.embedded.part import Command, Part, accepts
from monitor.embedded.progress import OnProgress, Progress, unheard


class KafkaPart(Part):
    """`address` is the bootstrap, host:port."""

    name: ClassVar[str] = "kafka"
    port_names: ClassVar[tuple[str, ...]] = ("broker", "controller")
    grace_s: float = 30.0

    def __init__(
        self,
        folder: Path,
        *,
        heap_mb: int = 512,
        cache: Path | None = None,
        on_progress: OnProgress = unheard,
        ports: Mapping[str, int] | None = None,
        advertised_port: int | None = None,
    ) -> None:
        """`cache` keeps the jars, per user; default: the user's cache folder.

        `advertised_port` is where the broker sends clients that it has told of itself: a proxy in front of it, say.
        """
        super().__init__(folder, on_progress=on_progress, ports=ports)
        self._heap_mb = heap_mb
        self._advertised_port = advertised_port
        self._is_abandoned = False
        self._cache = cache or user_folders().cache

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.ports['broker']}"

    async def _command(self) -> Command:
        java = await asyncio.to_thread(find_java)
        jars = await self._jars()
        runtime = [str(java.executable), *jvm_flags(self._heap_mb, self.folder / "tmp")]
        classpath = ["-cp", os.pathsep.join(str(jar) for jar in jars)]
        kept = cache_path(java, [*runtime, *classpath], self._cache)
        if kept is not None and not self._has_been_ready:  # not while somebody waits for a broker that died
            await make_once([*runtime, *classpath], kept, on_progress=self._on_progress)
        warm = cache_flags(kept)
        configuration = await asyncio.to_thread(self._prepare, [*runtime, *warm, *classpath])
        self.facts |= {
            "version": jars[0].parent.name,
            "java": f"{java.major} ({java.source})",
            "heap": f"{self._heap_mb} MB",
        }
        return Command([*runtime, *warm, *classpath, BROKER_CLASS, str(configuration)])

    def _prepare(self, java: Sequence[str]) -> Path:
        (self.folder / "tmp").mkdir(exist_ok=True)
        configuration = write_configuration(self.folder, self.ports, advertised_port=self._advertised_port)
        if not (self.folder / "log" / "meta.properties").exists():
            format_storage(java, configuration, new_cluster_id())
        return configuration

    async def _probe(self) -> bool:
        if not await accepts(self.ports["broker"]):
            return False
        from aiokafka.client import AIOKafkaClient
        from aiokafka.errors import KafkaError

        client = AIOKafkaClient(bootstrap_servers=self.address, request_timeout_ms=3_000)
        try:
            await client.bootstrap()
            return len(client.cluster.brokers()) == 1
        except KafkaError:
            return False
        finally:
            await client.close()

    async def _jars(self) -> tuple[Path, ...]:
        self._is_abandoned = False
        try:
            return await asyncio.to_thread(
                fetch, pinned_jars(), self._cache / "maven", on_bytes=self._downloaded
            )
        except asyncio.CancelledError:
            self._is_abandoned = True  # the thread that downloads hears of it with the next bytes
            raise

    def _downloaded(self, there: int, total: int) -> None:
        if self._is_abandoned:
            raise Abandoned
        self._on_progress(
            Progress(self.name, "downloading", {"what": "Apache Kafka"}, done_bytes=there, total_bytes=total)
        )
