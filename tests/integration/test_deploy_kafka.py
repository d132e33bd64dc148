"""The broker's configuration of docker-compose.yml, run by a real broker. Only names, ports and folders are exchanged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Final

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from monitor.adapters.kafka import KafkaOutbox, ensure_topics
from monitor.embedded.free_ports import LOOPBACK
from monitor.embedded.kafka import KafkaPart
from monitor.embedded.kafka_config import format_storage, new_cluster_id
from monitor.kafka_settings import KafkaSettings
from monitor.ports import OutRecord
from schemas.topics import CHAT_LOGS, CHAT_LOGS_DLQ, TOPICS

DEPLOYED: Final = Path(__file__).resolve().parents[2] / "deploy/kafka/server.properties"


class DeployedKafka(KafkaPart):
    """A broker that is configured by the file which compose mounts."""

    port_names: ClassVar[tuple[str, ...]] = ("broker", "controller", "internal")

    def _prepare(self, java: Sequence[str]) -> Path:
        (self.folder / "tmp").mkdir(exist_ok=True)
        text = DEPLOYED.read_text(encoding="utf-8")
        for there, here in {
            "INTERNAL://:19092": f"INTERNAL://{LOOPBACK}:{self.ports['internal']}",
            "HOST://:9092": f"HOST://{LOOPBACK}:{self.ports['broker']}",
            "CONTROLLER://:9093": f"CONTROLLER://{LOOPBACK}:{self.ports['controller']}",
            "INTERNAL://kafka:19092": f"INTERNAL://{LOOPBACK}:{self.ports['internal']}",
            "HOST://127.0.0.1:9092": f"HOST://{LOOPBACK}:{self.ports['broker']}",
            "1@kafka:9093": f"1@{LOOPBACK}:{self.ports['controller']}",
            "/var/lib/kafka/data": str(self.folder / "log"),
        }.items():
            assert there in text, f"{DEPLOYED.name} no longer says {there}"
            text = text.replace(there, here)
        configuration = self.folder / "server.properties"
        configuration.write_text(text, encoding="utf-8")
        if not (self.folder / "log" / "meta.properties").exists():
            format_storage(java, configuration, new_cluster_id())
        return configuration


@pytest.fixture
def deployed(tmp_path: Path, keep: Callable[[KafkaPart], KafkaPart]) -> KafkaPart:
    return keep(DeployedKafka(tmp_path / "kafka"))


async def test_the_deployed_configuration_serves_the_workers_on_both_listeners(deployed: KafkaPart) -> None:
    await deployed.start()
    inside = KafkaSettings(bootstrap=f"{LOOPBACK}:{deployed.ports['internal']}")
    outside = KafkaSettings(bootstrap=deployed.address)

    assert set(await ensure_topics(inside)) == {topic.name for topic in TOPICS}
    assert list(await ensure_topics(outside)) == []

    # The largest chat log that the workers take, whole into the dead letters with its headers.
    value = b"x" * (inside.max_message_bytes - 1_000)
    outbox = await KafkaOutbox.connect(inside)
    headers = (("watchkeeper-detail", b"d" * 300),)
    await outbox.publish(CHAT_LOGS_DLQ.name, 0, [OutRecord(b"k", value, headers)])
    await outbox.aclose()
    consumer = AIOKafkaConsumer(
        CHAT_LOGS_DLQ.name,
        bootstrap_servers=outside.bootstrap,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=outside.max_message_bytes * 2,
        fetch_max_bytes=outside.max_message_bytes * 2,
    )
    await consumer.start()
    record = await consumer.getone()
    await consumer.stop()
    assert (record.key, record.value, record.headers) == (b"k", value, headers)


async def test_the_deployed_broker_makes_no_topic_of_a_misspelt_name(deployed: KafkaPart) -> None:
    await deployed.start()
    admin = AIOKafkaAdminClient(bootstrap_servers=deployed.address)
    await admin.start()
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.BROKER, "1")])
    described = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    topics = await admin.list_topics()
    await admin.close()
    assert (described["auto.create.topics.enable"], described["compression.type"]) == ("false", "producer")
    assert CHAT_LOGS.name not in topics
