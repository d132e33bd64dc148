"""How the embedded broker is configured, formatted and run."""

from __future__ import annotations

import base64
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from monitor.embedded.free_ports import LOOPBACK
from monitor.errors import Misconfigured

BROKER_CLASS: Final = "kafka.Kafka"
NODE_ID: Final = 1
FORMAT_WITHIN_S: Final = 120.0


def write_configuration(
    folder: Path, ports: Mapping[str, int], *, advertised_port: int | None = None
) -> Path:
    """Write server.properties for one node that keeps everything below `folder`. Returns its path.

    `advertised_port`: where clients are sent instead of the broker's own port.
    """
    broker, controller = ports["broker"], ports["controller"]
    values: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": NODE_ID,
        "controller.quorum.voters": f"{NODE_ID}@{LOOPBACK}:{controller}",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{broker},CONTROLLER://{LOOPBACK}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{advertised_port or broker}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": folder / "log",
        "auto.create.topics.enable": "false",
        "message.max.bytes": 33_554_432,
        "replica.fetch.max.bytes": 33_554_432,
        # One node: everything internal has one copy, and few partitions (each costs files and start-up time).
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        # A killed broker may come back only when its old session has expired (9 s by default).
        "broker.session.timeout.ms": 3_000,
        "broker.heartbeat.interval.ms": 500,
        # Small footprint: 128 MB of heap for the cleaner and eight threads of each kind are for bigger brokers.
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 2,
        "group.coordinator.threads": 1,
    }
    path = folder / "server.properties"
    path.write_text("".join(f"{key}={_escaped(value)}\n" for key, value in values.items()), encoding="utf-8")
    return path


def new_cluster_id() -> str:
    """22 characters of base64url, as Kafka's own tool makes them."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")


def format_storage(java: Sequence[str], configuration: Path, cluster: str) -> None:
    """Format the log folder that the configuration names, with that cluster id. Raises Misconfigured."""
    # With "=", because one id in 64 begins with "-" and would be read as an option.
    arguments = ["format", f"--cluster-id={cluster}", "--config", str(configuration)]
    try:
        done = subprocess.run(
            [*java, "kafka.tools.StorageTool", *arguments],
            capture_output=True,
            text=True,
            timeout=FORMAT_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise Misconfigured(
            f"the broker's storage could not be formatted: {exc}", "try again; is Java whole?"
        ) from exc
    if done.returncode != 0:
        raise Misconfigured(
            f"the broker's storage could not be formatted (code {done.returncode}):\n"
            f"{(done.stdout + done.stderr).strip()[-1_000:]}",
            f"look at {configuration.parent}: is it writable and is there space?",
        )


def jvm_flags(heap_mb: int, temporary: Path) -> list[str]:
    """Flags for a small broker that logs to standard error and leaves nothing outside `temporary`."""
    logger = {
        "defaultLogLevel": "warn",
        "log.kafka.server": "info",
        "log.org.apache.kafka.storage.internals.log.UnifiedLog": "info",
        "log.org.apache.kafka.common.config": "error",
        "showDateTime": "true",
        "dateTimeFormat": "yyyy-MM-dd HH:mm:ss.SSS",
    }
    return [
        f"-Xmx{heap_mb}m",
        "-XX:+UseSerialGC",  # one or two cores: no threads that collect beside the ones that serve
        "-XX:TieredStopAtLevel=1",  # nor threads that go on compiling for its whole short life
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-UsePerfData",
        f"-Djava.io.tmpdir={temporary}",
        "-Djava.awt.headless=true",
        *(f"-Dorg.slf4j.simpleLogger.{key}={value}" for key, value in logger.items()),
    ]


def _escaped(value: object) -> str:
    return str(value).replace("\\", "\\\\")
