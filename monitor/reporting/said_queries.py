"""A query's parameters as the report prints them: as clickhouse-client takes them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from monitor.reporting.words import text


def said_parameters(parameters: Mapping[str, Any]) -> str:
    """As in --param_since='2026-11-16 00:00:00' --param_tenant=acme, moments in UTC; strings from outside made visible and bounded."""
    return " ".join(f"--param_{name}={shlex.quote(_said(value))}" for name, value in parameters.items())


def _said(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return text(str(value), 120)
