"""What a check found: well, worth knowing, or in the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

PartName = Literal["kafka", "triton", "clickhouse", "workers", "audits", "alerts", "channels"]
State = Literal["ok", "warning", "failed"]

TITLES: Final[Mapping[PartName, str]] = {
    "kafka": "Kafka",
    "triton": "Triton",
    "clickhouse": "ClickHouse",
    "workers": "Workers",
    "audits": "Audits",
    "alerts": "Alerts",
    "channels": "Channels",
}
"""As people read them, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class PartCheck:
    """One thing that was checked. `remedy`: the next step for a person; empty where all is well."""

    part: PartName
    check: str
    state: State
    facts: str
    remedy: str


def passed(part: PartName, check: str, facts: str) -> PartCheck:
    """A check that found nothing wrong."""
    return PartCheck(part=part, check=check, state="ok", facts=facts, remedy="")


def warned(part: PartName, check: str, facts: str, remedy: str) -> PartCheck:
    """A check that found something a person should know; it fails nothing."""
    return PartCheck(part=part, check=check, state="warning", facts=facts, remedy=remedy)


def failed(part: PartName, check: str, facts: str, remedy: str) -> PartCheck:
    """A check that found what keeps the stream from working."""
    return PartCheck(part=part, check=check, state="failed", facts=facts, remedy=remedy)
