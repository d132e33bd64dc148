"""The figures of a measure as people read them, in its unit: a share of 100, or of volume so many an hour."""

from __future__ import annotations

from monitor.drift.measures import Measure
from monitor.wording.figures import pace_text, points_text, share_text, sign_of
from schemas.evidence import Interval


def rate_text(measure: str, value: float, *, is_short: bool = False) -> str:
    """`4.1 %`, `0.082 %`; of volume `1,230 an hour`, shortly `1,230`."""
    if measure == Measure.VOLUME:
        return pace_text(value) if is_short else f"{pace_text(value)} an hour"
    return share_text(value)


def change_text(measure: str, value: float, *, has_unit: bool = True) -> str:
    """`+13.8 points` (per cent points), or of volume `+120 an hour`."""
    if measure == Measure.VOLUME:
        return f"{sign_of(value)}{pace_text(abs(value))}{' an hour' if has_unit else ''}"
    return points_text(value, has_unit=has_unit)


def rate_interval_text(measure: str, rate: Interval) -> str:
    """`4.1 % (3.2 % to 5.0 %)`."""
    low, high = (rate_text(measure, bound, is_short=True) for bound in (rate.low, rate.high))
    return f"{rate_text(measure, rate.value)} ({low} to {high})"


def change_interval_text(measure: str, change: Interval) -> str:
    """`+13.8 points (+11.0 to +16.7)`."""
    low, high = (change_text(measure, bound, has_unit=False) for bound in (change.low, change.high))
    return f"{change_text(measure, change.value)} ({low} to {high})"
