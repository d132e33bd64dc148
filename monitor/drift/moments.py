"""Moments as whole microseconds since 1970, which arrays can hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from monitor.drift.policy import MONTH_S

HOUR_US: Final = 3600 * 1_000_000
DAY_US: Final = 24 * HOUR_US
MONTH_US: Final = MONTH_S * 1e6
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def us(at: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def at_us(value: int) -> datetime:
    """The moment so many microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=int(value))
