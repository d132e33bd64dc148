"""What the notifier needs others to be: the logs that it goes by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from monitor.adapters.alert_feed import Entry
from monitor.kafka_settings import KafkaSettings


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
        """What came since, as soon as something did; nothing after that time. Raises Retryable, also
        where the broker answers nothing any more, or Misconfigured."""
        ...


OpenFeed = Callable[[KafkaSettings, datetime], AbstractAsyncContextManager[Feed]]
"""Opens the feed from that time on."""
