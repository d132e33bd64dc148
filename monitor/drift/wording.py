"""Stand-in until the real one is merged."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.evidence import DriftEvidence


def title(kind: str, measure: str, place: Mapping[str, str], evidence: DriftEvidence) -> str:
    """Nothing yet."""
    return kind


def remedy(kind: str, measure: str) -> str:
    """Nothing yet."""
    return kind
