"""The time, as a role that can be played by another."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """The machine's clock; implements ports.Clock."""

    def now(self) -> datetime:
        """The current time, UTC."""
        return datetime.now(UTC)
