"""The time, as a role that can be played by another."""

from __future__ import annotations

from datetime import UTC, datetime


def at_millisecond(seconds: float) -> datetime:
    """The moment so many seconds after 1970, UTC, to the millisecond, so that it is the same after a round trip."""
    return datetime.fromtimestamp(round(seconds, 3), UTC)


class SystemClock:
    """The machine's clock; implements ports.Clock."""

    def now(self) -> datetime:
        """The current time, UTC."""
        return datetime.now(UTC)
