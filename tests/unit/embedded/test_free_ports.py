"""Ports for servers are ones that no client can be given while a server is down."""

from __future__ import annotations

import socket

from monitor.embedded.free_ports import _first_ephemeral, free_port, free_ports, is_free


def test_a_free_port_lies_below_those_given_to_clients() -> None:
    ports = {free_port() for _ in range(50)}
    assert all(20_000 <= port < max(_first_ephemeral(), 21_001) for port in ports)
    assert len(ports) > 1


def test_ports_of_one_part_are_all_different() -> None:
    names = [f"port {number}" for number in range(2_000)]
    ports = free_ports(names, {"port 7": 20_007})
    assert list(ports) == names
    assert len(set(ports.values())) == len(names)
    assert ports["port 7"] == 20_007


def test_a_port_that_is_listened_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not is_free(server.getsockname()[1])
