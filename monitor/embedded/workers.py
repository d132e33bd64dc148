"""The workers of the embedded stack: `python -m workers` against the stack's addresses."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from pydantic import SecretStr

from monitor.embedded.part import Command, Part
from monitor.embedded.progress import OnProgress, unheard
from monitor.settings import Settings, known_variables

READY: Final = "workers ready"


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
    """One process with all the roles. It listens nowhere; `address` is its log."""

    name: ClassVar[str] = "workers"
    port_names: ClassVar[tuple[str, ...]] = ()
    ready_within_s: float = 120.0

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        roles: Sequence[str] = ("moderation", "backfill", "storage"),
        drain_s: float = 20.0,
        on_progress: OnProgress = unheard,
    ) -> None:
        """`environment` holds the WATCHKEEPER_* variables; see `worker_environment`."""
        super().__init__(folder, on_progress=on_progress)
        self.grace_s = drain_s + 10.0
        self._environment = dict(environment)
        self._roles = tuple(roles)

    @property
    def address(self) -> str:
        return str(self.log)

    async def _command(self) -> Command:
        self.facts |= {"roles": ", ".join(self._roles)}
        arguments = [sys.executable, "-m", "workers", "--roles", ",".join(self._roles)]
        return Command(arguments, {**self._environment, "PYTHONUNBUFFERED": "1"})

    async def _probe(self) -> bool:
        return self.has_logged(READY)
