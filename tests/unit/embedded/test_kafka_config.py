"""The embedded broker's configuration."""

from __future__ import annotations

from pathlib import Path

from monitor.embedded.kafka_config import write_configuration

PORTS = {"broker": 20_001, "controller": 20_002}


def listeners(configuration: Path) -> dict[str, str]:
    lines = (line.partition("=") for line in configuration.read_text(encoding="utf-8").splitlines())
    wanted = ("listeners", "advertised.listeners", "controller.quorum.voters")
    return {key: value for key, _, value in lines if key in wanted}


def test_clients_are_sent_to_the_brokers_own_port(tmp_path: Path) -> None:
    assert listeners(write_configuration(tmp_path, PORTS)) == {
        "listeners": "PLAINTEXT://127.0.0.1:20001,CONTROLLER://127.0.0.1:20002",
        "advertised.listeners": "PLAINTEXT://127.0.0.1:20001",
        "controller.quorum.voters": "1@127.0.0.1:20002",
    }


def test_clients_are_sent_to_an_advertised_port_and_the_controller_stays_direct(tmp_path: Path) -> None:
    assert listeners(write_configuration(tmp_path, PORTS, advertised_port=20_003)) == {
        "listeners": "PLAINTEXT://127.0.0.1:20001,CONTROLLER://127.0.0.1:20002",
        "advertised.listeners": "PLAINTEXT://127.0.0.1:20003",
        "controller.quorum.voters": "1@127.0.0.1:20002",
    }
