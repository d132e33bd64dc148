"""When a stretch of arrival time is closed: all that arrived in it is moderated, and all that was made of it is rows. Pure.

What is known of a topic is a `Log`: for each partition its first and its end offset, and what a group has committed. A window
that ends at t is moderated once the group of moderation has committed, in every partition, up to the first message that
arrived at t or later. Verdicts and dead letters were written before that commit, so the ends of their topics that are read
after it hold all that was made of the window: once the groups that make rows have committed those ends, it is closed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

Ends = Mapping[int, int]
"""An offset for each partition."""

MOST_WAITING: Final = 1_000
"""More times that wait to be stored than that, and every other one is dropped: the later one stands for both."""


@dataclass(frozen=True, slots=True)
class Log:
    """A topic, and how far a group is in it. `commits` lacks partitions in which it never committed."""

    starts: Ends
    ends: Ends
    commits: Ends

    def reached(self, offsets: Ends) -> bool:
        """Whether all before these offsets is done in every partition."""
        return not self.behind(offsets)

    def behind(self, offsets: Ends) -> dict[int, tuple[int, int]]:
        """The partitions in which it isn't, each with the offsets [from, to) that are left. What retention has deleted is
        left to nobody, a partition that nothing was ever in is done without a commit, and what a topic that was made again
        no longer has isn't waited for."""
        found = {}
        for partition, offset in offsets.items():
            at = max(self.commits.get(partition, 0), self.starts.get(partition, 0))
            to = min(offset, self.ends.get(partition, offset))
            if at < to:
                found[partition] = (at, to)
        return found


@dataclass(frozen=True, slots=True)
class _Waiting:
    until: datetime
    offsets: tuple[Ends, ...]


@dataclass(slots=True)
class Waits:
    """Times, in order, that each wait until the groups of some topics have come to certain offsets."""

    _waiting: deque[_Waiting] = field(default_factory=deque)
    reached: datetime | None = None
    """The latest time that has waited long enough."""

    def add(self, until: datetime, *offsets: Ends) -> None:
        """All up to `until` waits for these offsets, one a topic. A time that isn't later than the last is known already."""
        if until <= self.newest:
            return
        self._waiting.append(_Waiting(until, offsets))
        if len(self._waiting) > MOST_WAITING:
            last = self._waiting[-1]
            self._waiting = deque([*list(self._waiting)[1:-1:2], last])

    @property
    def newest(self) -> datetime:
        """The latest time that waits, or has."""
        if self._waiting:
            return self._waiting[-1].until
        return self.reached or datetime.min.replace(tzinfo=UTC)

    def look(self, *logs: Log) -> datetime | None:
        """The latest time that has waited long enough, now that the topics are so, in the order of `add`."""
        while self._waiting and all(
            log.reached(offsets) for log, offsets in zip(logs, self._waiting[0].offsets, strict=True)
        ):
            self.reached = self._waiting.popleft().until
        return self.reached
