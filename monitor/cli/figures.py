"""Figures of a watch as people read them: rates, changes, multiples, counts and moments."""

from __future__ import annotations

import math
from datetime import datetime

from monitor.drift.measures import Measure


def rate_text(measure: str, value: float, *, is_short: bool = False) -> str:
    """`4.1 %`, `0.082 %`; of volume `1,234 an hour`, shortly `1,234`."""
    if measure == Measure.VOLUME:
        return number(value) if is_short else f"{number(value)} an hour"
    return f"{_share(value)} %"


def change_text(measure: str, value: float, *, has_unit: bool = True) -> str:
    """`+13.8 points` (per cent points), or of volume `+120 an hour`."""
    sign = "+" if value >= 0 else "−"
    if measure == Measure.VOLUME:
        return f"{sign}{number(abs(value))}{' an hour' if has_unit else ''}"
    return f"{sign}{_share(abs(value))}{' points' if has_unit else ''}"


def _share(value: float) -> str:
    per_cent = value * 100
    if not math.isfinite(per_cent):
        return "—"
    if per_cent >= 10 or per_cent == 0:
        return f"{per_cent:,.1f}"
    # Two digits that count, whatever the size.
    return f"{per_cent:.{min(1 - math.floor(math.log10(per_cent)), 8)}f}" if per_cent > 1e-8 else "0.0"


def times_text(value: float) -> str:
    """A multiple with two or three digits: `0.43`, `5.1`, `12`."""
    if not math.isfinite(value):
        return "—"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 10 else f"{value:.2g}"


def number(value: float) -> str:
    """A count or another figure: whole where it is, else with as many digits as matter."""
    if not math.isfinite(value):
        return "—"
    if abs(value) >= 1e15:
        return f"{value:.3g}"
    if value == round(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def moment(at: datetime) -> str:
    """`2026-03-03 12:00:04 UTC`."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
