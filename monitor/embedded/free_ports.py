"""Free loopback ports that stay ours across a restart."""

from __future__ import annotations

import random
import socket
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"
LOWEST: Final = 20_000
TRIES: Final = 200


def free_port() -> int:
    """A loopback port that nobody listens on, below the range that outgoing connections draw from.

    A port out of that range (what binding to port 0 gives) may be taken by any client while its server is down, even
    by a client of that very server that connects to itself; the server then can't come back. Another process may
    still take the port before its server binds it: whoever starts a server tries again with another port.
    """
    highest = max(LOWEST + 1_000, _first_ephemeral() - 1)
    for _ in range(TRIES):
        port = random.randint(LOWEST, highest)  # a choice of port, not a secret
        if is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def free_ports(names: Collection[str], wished: Mapping[str, int] | None = None) -> dict[str, int]:
    """A port for each of the names, all different: the one that is wished for it, where that is one, else a free one."""
    ports = {name: port for name, port in (wished or {}).items() if port}
    for name in names:
        while name not in ports:
            port = free_port()
            if port not in ports.values():
                ports[name] = port
    return {name: ports[name] for name in names}


def is_free(port: int) -> bool:
    """Whether a server could bind the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _first_ephemeral() -> int:
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
        return int(text.split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768
