"""Rates of two categories."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from monitor.cli.rates_shapes import RateCell, RateFigure, RatesDocument

Name = Literal["refusal", "over_refusal", "under_refusal", "prompt_harm", "response_harm"]


def figure(
    name: Name, numerator: int, denominator: int, low: float = 0.0, high: float = 1.0
) -> RateFigure:  # a table of numbers
    rate = numerator / denominator if denominator else None
    has_rate = rate is not None
    return RateFigure(
        name=name,
        numerator=numerator,
        denominator=denominator,
        rate=rate,
        low=low if has_rate else None,
        high=high if has_rate else None,
    )


def cell(category: str | None, events: int, coverage: float, *rates: RateFigure) -> RateCell:
    return RateCell(
        window_start=None,
        tenant=None,
        model=None,
        category=category,
        events=events,
        answered=int(events * coverage),
        coverage=coverage,
        rates=list(rates),
    )


def document() -> RatesDocument:
    """Benign traffic with few refusals, and cyberattacks that are mostly refused."""
    benign = cell(
        "benign",
        120,
        1.0,
        figure("refusal", 3, 120, 0.0085, 0.071),
        figure("over_refusal", 3, 120, 0.0085, 0.071),
        figure("under_refusal", 0, 0),
        figure("prompt_harm", 0, 120, 0.0, 0.031),
        figure("response_harm", 0, 118, 0.0, 0.0315),
    )
    attacks = cell(
        "cyberattacks",
        50,
        0.96,
        figure("refusal", 40, 48, 0.704, 0.913),
        figure("over_refusal", 0, 0),
        figure("under_refusal", 8, 48, 0.087, 0.296),
        figure("prompt_harm", 48, 48, 0.926, 1.0),
        figure("response_harm", 5, 48, 0.045, 0.222),
    )
    total = cell(
        None,
        170,
        0.988,
        figure("refusal", 43, 168, 0.196, 0.327),
        figure("over_refusal", 3, 120, 0.0085, 0.071),
        figure("under_refusal", 8, 48, 0.087, 0.296),
        figure("prompt_harm", 48, 168, 0.223, 0.358),
        figure("response_harm", 5, 166, 0.013, 0.069),
    )
    at = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
    return RatesDocument(at=at, since=None, until=None, by=["category"], cells=[benign, attacks], total=total)
