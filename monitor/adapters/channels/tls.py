"""TLS of channels: always verified."""

from __future__ import annotations

import ssl
from pathlib import Path

from monitor.errors import Misconfigured


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """A context that verifies certificate and host name, by the system's authorities or those in `ca_file` (PEM).
    Raises Misconfigured."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as exc:
        raise Misconfigured(
            f"ca_file can't be read: {type(exc).__name__}",
            "name a file of CA certificates (PEM) in the channels file",
        ) from exc
