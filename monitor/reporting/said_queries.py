"""A query's parameters as the report prints them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from monitor.reporting.words import text


def said_parameters(parameters: Mapping[str, Any]) -> str:
    """As in since=2026-11-16 00:00:00 UTC, tenant=acme; strings from outside made visible and bounded."""
    return ", ".join(f"{name}={_said(value)}" for name, value in parameters.items())


def _said(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return text(str(value), 120) if value != "" else "''"
