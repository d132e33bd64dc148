"""What the notifier needs others to be: who leads, and the logs that it goes by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from monitor.adapters.alert_feed import Entry
from monitor.settings import KafkaSettings


class Leads(Protocol):
    """Whether this worker oversees (workers/leadership.py)."""

    @property
    def term(self) -> int:
        """Another number whenever somebody else may have acted in between."""
        ...

    @property
    def is_owner(self) -> bool:
        """Whether it does, for sure."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether `now_s` can be told."""
        ...

    @property
    def now_s(self) -> float:
        """The broker's time, seconds since 1970."""
        ...


class Feed(Protocol):
    """The logs that the notifier goes by (monitor/adapters/alert_feed.py)."""

    @property
    def past(self) -> Sequence[Entry]:
        """What stood in them when it was opened."""
        ...

    @property
    def alerts_end(self) -> int:
        """The offset after the last alert of the past."""
        ...

    async def next(self, within_s: float) -> list[Entry]:
        """What came since, as soon as something did; nothing after that time. Raises Retryable or Misconfigured."""
        ...


OpenFeed = Callable[[KafkaSettings, datetime], AbstractAsyncContextManager[Feed]]
"""Opens the feed from that time on."""
