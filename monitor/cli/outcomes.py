"""The outcomes of a check: well, worth knowing, or in the way."""

from __future__ import annotations

from typing import Literal

from monitor.cli.shapes import PartCheck

PartName = Literal["kafka", "triton", "clickhouse", "workers", "audits", "alerts", "channels"]


def passed(part: PartName, check: str, facts: str) -> PartCheck:
    """A check that found nothing wrong."""
    return PartCheck(part=part, check=check, state="ok", facts=facts, remedy="")


def warned(part: PartName, check: str, facts: str, remedy: str) -> PartCheck:
    """A check that found something a person should know; it fails nothing."""
    return PartCheck(part=part, check=check, state="warning", facts=facts, remedy=remedy)


def failed(part: PartName, check: str, facts: str, remedy: str) -> PartCheck:
    """A check that found what keeps the stream from working."""
    return PartCheck(part=part, check=check, state="failed", facts=facts, remedy=remedy)
