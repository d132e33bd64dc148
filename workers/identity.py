"""Which worker this is, for as long as it lives."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from monitor.version import watchkeeper_version
from schemas.alerts import Source


@dataclass(frozen=True, slots=True)
class Identity:
    """`worker`: host, process id and a random part; another process never has the same."""

    worker: str
    version: str
    started_at: datetime

    @classmethod
    def new(cls) -> Self:
        """Of this process, from now on."""
        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        return cls(name, watchkeeper_version(), datetime.now(UTC))

    @property
    def source(self) -> Source:
        """As alerts name it."""
        return Source(self.worker, self.version)

    @property
    def client_id(self) -> str:
        """A name that sorts by age: Kafka's range assignor gives the one partition to the oldest worker, so that one that
        comes takes nothing away, and one that restarts again and again never leads."""
        return f"{int(self.started_at.timestamp() * 1000):013d}-{self.worker}"
