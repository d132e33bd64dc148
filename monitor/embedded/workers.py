"""The workers of the embedded stack: `python -m workers` against the stack's addresses."""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from pydantic import SecretStr

from monitor.embedded.free_ports import LOOPBACK
from monitor.embedded.part import Command, Part, accepts
from monitor.embedded.progress import OnProgress, unheard
from monitor.roles import MODERATING
from monitor.settings import Settings, known_variables, variable

READY: Final = "workers ready"
"""What a worker logs once its agents run; it may not have joined its groups yet."""

# What is for other people's servers: the stack's own speak plainly, on loopback, as one node.
FOR_OTHER_SERVERS: Final = {
    "kafka": (
        *("security_protocol", "sasl_mechanism", "sasl_username", "sasl_password"),
        *("ssl_ca_file", "ssl_cert_file", "ssl_key_file", "ssl_key_password", "replication"),
    ),
    "triton": ("tls", "tls_ca_file"),
    "clickhouse": ("user", "password", "ca_file"),
}


def worker_environment(settings: Settings, addresses: Mapping[str, str]) -> dict[str, str]:
    """Every WATCHKEEPER_* variable, as the workers are to see it: these settings, these addresses, nothing inherited.

    An empty variable means the default.
    """
    environment = {}
    for name, (group, field) in known_variables().items():
        value = getattr(getattr(settings, group), field)
        if value is None or field in FOR_OTHER_SERVERS.get(group, ()):
            environment[name] = ""
        elif isinstance(value, SecretStr):
            environment[name] = value.get_secret_value()
        else:
            environment[name] = str(value)
    return {**environment, **addresses}


class WorkersPart(Part):
    """One process with the roles asked for, ready once it has joined its groups. `address` serves /metrics, /livez, /readyz."""

    name: ClassVar[str] = "workers"
    port_names: ClassVar[tuple[str, ...]] = ("http",)
    ready_within_s: float = 120.0

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        roles: Sequence[str] = MODERATING,
        drain_s: float = 20.0,
        on_progress: OnProgress = unheard,
        ports: Mapping[str, int] | None = None,
    ) -> None:
        """`environment` holds the WATCHKEEPER_* variables; see `worker_environment`."""
        super().__init__(folder, on_progress=on_progress, ports=ports)
        self.grace_s = drain_s + 10.0
        self._environment = dict(environment)
        self._roles = tuple(roles)

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.ports['http']}"

    async def _command(self) -> Command:
        self.facts |= {"roles": ", ".join(self._roles)}
        arguments = [sys.executable, "-m", "workers", "--roles", ",".join(self._roles)]
        own = {
            variable("worker", "serve_http"): "true",
            variable("worker", "http_host"): LOOPBACK,
            variable("worker", "http_port"): str(self.ports["http"]),
            "PYTHONUNBUFFERED": "1",
        }
        return Command(arguments, {**self._environment, **own})

    async def _probe(self) -> bool:
        return await accepts(self.ports["http"]) and await asyncio.to_thread(self._waits_for_nothing)

    def _waits_for_nothing(self) -> bool:
        """Whether it has found its servers and joined its groups. One that is unready for another reason (all its
        partitions wait for a person, say) has started, and starting it again would not help."""
        connection = http.client.HTTPConnection(LOOPBACK, self.ports["http"], timeout=3.0)
        try:
            connection.request("GET", "/readyz")
            told = json.loads(connection.getresponse().read())
            is_ours = told["pid"] == self.pid  # another process may have taken the port before ours did
            return is_ours and all(check["state"] != "waiting" for check in told["checks"])
        except (http.client.HTTPException, ValueError, KeyError, TypeError):
            return False
        finally:
            connection.close()
