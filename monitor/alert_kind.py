"""Kinds of alerts: words whose values stand in records, metric labels and documents, each with its severity and meaning."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from schemas.alerts import Severity


class AlertKind(StrEnum):
    """A kind of alert, with its severity when it begins and its meaning for a person. A member is written
    `NAME = "slug", "severity", "What it means."`."""

    severity: Severity
    meaning: str

    def __new__(cls, slug: str, severity: Severity, meaning: str) -> Self:
        """A slug that carries them."""
        member = str.__new__(cls, slug)
        member._value_ = slug
        member.severity = severity
        member.meaning = meaning
        return member
