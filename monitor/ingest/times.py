"""Timestamps of every spelling to aware UTC datetimes.

Numbers are epoch seconds, milliseconds, microseconds or nanoseconds, told apart by magnitude: seconds reach the
year 2299 at 1.04e10, and each unit has a band a thousand wide. (A millisecond stamp of the year 1970 therefore
reads as seconds; nobody logs those.) Strings are RFC 3339, or such a number. A time without a zone is UTC.
Plausibility is judged later, by moderation; here anything from 1900 to 2299 passes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_BELOW: Final = 2e10
_END_S: Final = 10_413_792_000
"""The year 2300."""

_FIRST_YEAR: Final = 1900
_LAST_YEAR: Final = 2299
_LONGEST: Final = 64


def to_utc(value: object) -> datetime | None:
    """The time, or None where the value names none. Never raises."""
    if type(value) is int and 0 <= value < _END_S:
        return datetime.fromtimestamp(value, UTC)  # nearly all there are; half the cost of the general way
    if value is None or type(value) is bool:
        return None
    try:
        if isinstance(value, (int, float)):
            return _from_number(value)
        if isinstance(value, str) and len(value) <= _LONGEST:
            return _from_text(value.strip())
    except (ValueError, OverflowError):
        return None
    return None


def _from_number(value: float) -> datetime | None:
    size = abs(value)
    if size < _SECONDS_BELOW:
        return _bounded(_EPOCH + timedelta(seconds=value))
    if size < _SECONDS_BELOW * 1e3:
        return _bounded(_EPOCH + timedelta(milliseconds=value))
    if size < _SECONDS_BELOW * 1e6:
        return _bounded(_EPOCH + timedelta(microseconds=value))
    if size < _SECONDS_BELOW * 1e9:
        # Whole microseconds by integer division: a float has no room for today's nanoseconds.
        return _bounded(_EPOCH + timedelta(microseconds=int(value) // 1000))
    return None


def _from_text(text: str) -> datetime | None:
    if not text.isascii():
        return None
    if text.lstrip("-").isdecimal():
        return _from_number(int(text))
    try:
        parsed = datetime.fromisoformat(text.upper())
    except ValueError:
        return _from_number(float(text))
    return _bounded(parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC))


def _bounded(moment: datetime) -> datetime | None:
    return moment if _FIRST_YEAR <= moment.year <= _LAST_YEAR else None
