"""The files of production: docker-compose.yml, the Dockerfile, deploy/."""

from __future__ import annotations

import fnmatch
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from monitor.notifying.channels_file import parse_channels
from monitor.recalibration.model_policies import parse_policies
from monitor.settings import Settings, known_variables, load
from schemas.topics import TOPICS

ROOT: Final = Path(__file__).resolve().parents[2]
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
LASTING: Final = sorted(set(SERVICES) - {"workers-cli"})


def properties(path: Path) -> dict[str, str]:
    """A Java properties file, as far as ours go. A key given twice is a fault."""
    pairs = [
        line.split("=", 1)
        for line in path.read_text(encoding="utf-8").splitlines()
        if line and line[0] != "#"
    ]
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), path
    return dict(zip(keys, (value for _, value in pairs), strict=True))


def mounts(service: dict[str, Any]) -> list[str]:
    return [volume.split(":")[0] for volume in service.get("volumes", ()) if volume.startswith("./")]


@pytest.mark.parametrize("source", sorted({m for s in SERVICES.values() for m in mounts(s)}))
def test_every_file_that_compose_mounts_exists_and_parses(source: str) -> None:
    path = ROOT / source
    match path.suffix:
        case ".xml":
            assert ET.parse(path).getroot().tag == "clickhouse"
        case ".properties":
            assert properties(path)
        case ".yml":
            assert yaml.safe_load(path.read_text(encoding="utf-8"))
        case "" if path.name == "channels":
            assert parse_channels((path / "channels.toml").read_text(encoding="utf-8")) == ((), [])
        case "" if path.name == "calibrations":
            models, faults = parse_policies((path / "policies.toml").read_text(encoding="utf-8"))
            assert ([one.model for one in models], faults) == (["my-model"], [])
        case "" if path.parent.name == "grafana":
            assert list(path.rglob("*.yml")) or list(
                path.rglob("*.json")
            )  # tests/unit/test_grafana.py reads them
        case _:
            assert (path / "config.pbtxt").exists(), f"{source} is no Triton model"


def test_every_mount_is_read_only() -> None:
    assert [
        v
        for s in SERVICES.values()
        for v in s.get("volumes", ())
        if v.startswith("./") and not v.endswith(":ro")
    ] == []


def test_every_volume_is_declared_and_used() -> None:
    used = {
        v.split(":")[0] for s in SERVICES.values() for v in s.get("volumes", ()) if not v.startswith("./")
    }
    assert used == set(COMPOSE["volumes"])


def test_every_port_is_published_on_loopback_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_every_lasting_service_is_watched_restarted_and_bounded() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for name in LASTING:
        service = SERVICES[name]
        assert "healthcheck" in service or ("build" in service and "HEALTHCHECK" in dockerfile), name
        assert service["restart"] == "unless-stopped", name
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, name
        assert service["logging"]["options"]["max-size"], name
        assert "no-new-privileges:true" in service["security_opt"], name


def test_every_image_has_a_version() -> None:
    images = {service["image"] for service in SERVICES.values() if "build" not in service}
    assert [image for image in images if not re.search(r":v?\d", image)] == []


def test_triton_runs_on_a_gpu_or_by_choice_without_one() -> None:
    gpu, cpu = SERVICES["triton"], SERVICES["triton-cpu"]
    assert gpu["deploy"]["resources"]["reservations"]["devices"] == [
        {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    ]
    assert "reservations" not in cpu["deploy"]["resources"]
    assert cpu["networks"] == {"default": {"aliases": ["triton"]}}
    differing = {key for key in gpu.keys() | cpu.keys() if gpu.get(key) != cpu.get(key)}
    assert differing == {"profiles", "deploy", "networks"}


def test_no_secret_stands_in_the_open() -> None:
    secret = re.compile(r"PASSWORD|HASH_KEY|SECRET|TOKEN", re.IGNORECASE)
    given = [
        value
        for service in SERVICES.values()
        for name, value in service.get("environment", {}).items()
        if secret.search(name)
    ]
    assert given
    assert [value for value in given if not re.fullmatch(r"\$\{[A-Z_]+:(\?[^}]+|-)\}", value)] == []


def test_what_compose_requires_is_named_in_the_example_and_has_no_value_there() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    required = set(re.findall(r"\$\{([A-Z_]+):\?", text))
    optional = set(re.findall(r"\$\{([A-Z_]+):-", text))
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = dict(re.findall(r"^([A-Z_]+)=(.*)$", example, re.MULTILINE))
    assert named == dict.fromkeys(required | {"COMPOSE_PROFILES"}, "")
    assert set(re.findall(r"^# ([A-Z_]+)=", example, re.MULTILINE)) <= optional


def test_the_env_file_is_never_committed_nor_sent_to_a_build() -> None:
    assert "/.env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()[1] == "*"


@pytest.mark.parametrize("name", ["workers", "workers-cli"])
def test_the_workers_environment_is_made_of_settings_that_load(name: str) -> None:
    given = {
        key: re.sub(r"^\$\{\w+:[-?]([^}]*)\}$", r"\1", value)
        for key, value in SERVICES[name]["environment"].items()
    }
    assert set(given) <= set(known_variables())
    settings = load(given)
    hosts = {settings.kafka.bootstrap.split(":")[0], settings.triton.url.split(":")[0], "clickhouse"}
    assert hosts <= set(SERVICES)
    assert settings.clickhouse.url == "http://clickhouse:8123"


def test_prometheus_finds_every_replica_of_the_workers_where_they_serve() -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    (found,) = jobs["watchkeeper"]["dns_sd_configs"]
    environment = SERVICES["workers"]["environment"]
    assert (found["names"], found["type"]) == (["workers"], "A")
    assert {str(found["port"]), environment["WATCHKEEPER_WORKER__HTTP_PORT"]} == {
        str(Settings().worker.http_port)
    }
    assert environment["WATCHKEEPER_WORKER__HTTP_HOST"] == "0.0.0.0"
    assert "ports" not in SERVICES["workers"]
    (triton,) = jobs["triton"]["static_configs"]
    assert [port for port in SERVICES["triton"]["ports"] if port.endswith(triton["targets"][0].split(":")[1])]


def test_a_worker_is_asked_for_its_health_where_it_serves_it() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    address = f"http://127.0.0.1:{Settings().worker.http_port}"
    assert f"urlopen('{address}/livez'" in dockerfile
    assert f"urlopen('{address}/readyz'" in SERVICES["workers"]["healthcheck"]["test"][-1]


def test_a_stop_waits_longer_than_a_drain() -> None:
    grace = SERVICES["workers"]["stop_grace_period"]
    assert float(grace.removesuffix("s")) > 2 * Settings().worker.drain_s


def test_the_broker_takes_the_largest_message_that_the_workers_read() -> None:
    broker = properties(ROOT / "deploy/kafka/server.properties")
    assert int(broker["message.max.bytes"]) == Settings().kafka.max_message_bytes
    assert int(broker["replica.fetch.max.bytes"]) >= Settings().kafka.max_message_bytes + 65_536


def test_the_broker_keeps_offsets_longer_than_any_topic_keeps_messages() -> None:
    broker = properties(ROOT / "deploy/kafka/server.properties")
    longest_h = max(topic.retention_h or 0 for topic in TOPICS)
    assert int(broker["offsets.retention.minutes"]) > longest_h * 60


def test_the_dockerfile_copies_only_what_exists_and_is_not_ignored() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    allowed = [
        line[1:]
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line[:1] == "!"
    ]
    assert copied
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert [
        source for source in copied if not any(fnmatch.fnmatch(source, pattern) for pattern in allowed)
    ] == []


def test_the_image_runs_as_nobody_in_particular_and_installs_from_the_lock() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^USER (.+)$", dockerfile, re.MULTILINE) == ["10001:10001"]
    assert "--require-hashes" in dockerfile
    assert re.findall(r"uv pip install .*-r pyproject.toml (.*)$", dockerfile, re.MULTILINE) == [
        "-c locks/all.txt"
    ]
    assert "--extra" not in dockerfile
