"""The figures of a measure as people read them, in its unit: a share of 100, or of volume so many an hour."""

from __future__ import annotations

from monitor.drift.measures import Measure
from monitor.wording.figures import number, points_text, share_text, sign_of


def rate_text(measure: str, value: float, *, is_short: bool = False) -> str:
    """`4.1 %`, `0.082 %`; of volume `1,234 an hour`, shortly `1,234`."""
    if measure == Measure.VOLUME:
        return number(value) if is_short else f"{number(value)} an hour"
    return share_text(value)


def change_text(measure: str, value: float, *, has_unit: bool = True) -> str:
    """`+13.8 points` (per cent points), or of volume `+120 an hour`."""
    if measure == Measure.VOLUME:
        return f"{sign_of(value)}{number(abs(value))}{' an hour' if has_unit else ''}"
    return points_text(value, has_unit=has_unit)
