"""Which quarters wait to be counted again, which are due, and up to where all is counted. Pure, in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

QUARTER: Final = timedelta(minutes=15)
SETTLED_AFTER: Final = timedelta(minutes=3)
"""So long ago must a row have been written to be visible for sure: an insert is visible at its end, and its rows bear the time of its
beginning. No insert that is acknowledged takes longer (WATCHKEEPER_CLICKHOUSE__TIMEOUT_S), and servers' clocks differ by less."""
REST: Final = timedelta(minutes=10)
"""Longest time for which a quarter that was counted is left alone, whatever comes for it."""
EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


def rest(quarter: datetime, now: datetime) -> timedelta:
    """How long a quarter is left alone once it was counted: as long as it has been over, at most REST. So the one that goes on is counted
    each time, one that has just ended at most once in each doubling of its age, and older ones, whatever old logs are replayed, six times
    an hour at most."""
    return max(timedelta(), min(REST, now - quarter - QUARTER))


@dataclass(frozen=True, slots=True)
class Written:
    """What was written in one second, by the server: how many rows, and a number that is another once there are others."""

    second: datetime
    rows: int
    print: int


@dataclass(slots=True)
class Waiting:
    """Quarters that something has come for. All times are the server's.

    A quarter is *behind* while something is known to have come that its count doesn't have. Counted at once, it is *unsettled* for a while:
    what came with the row that was seen may have been missed, so it is counted once more when that can't be.
    """

    _looked: datetime | None = None
    _seen: dict[datetime, int] = field(default_factory=dict)
    """The last seconds of writing, as they were seen."""
    _behind: dict[datetime, datetime] = field(default_factory=dict)
    """Since when: what was visible then is counted."""
    _unsettled: dict[datetime, datetime] = field(default_factory=dict)
    """When something was last seen to have come."""
    _counted: dict[datetime, datetime] = field(default_factory=dict)
    """When a quarter was last counted. Only lately."""

    def __len__(self) -> int:
        return len(self._behind)

    def since(self, mark: datetime | None) -> datetime:
        """From which time of writing on to look for what is new. `mark`: up to where those before us have counted; what was unsettled then
        isn't known, and is found again by looking back for longer."""
        begin = (mark and mark - REST) if self._looked is None else self._looked
        return EVER if begin is None else max(EVER, begin - SETTLED_AFTER)

    def fresh(self, written: Iterable[Written]) -> list[Written]:
        """Those seconds that are new, or in which something has become visible since they were seen."""
        return [one for one in written if self._seen.get(one.second) != one.print]

    def touch(
        self, quarters: Iterable[datetime], mark: datetime | None, now: datetime, *, seen: Sequence[Written]
    ) -> None:
        """For these quarters something has come, by a look at all that was visible at `now`, whose last seconds were `seen`. All that was
        visible at `mark` is counted."""
        before = self._looked or mark or EVER
        for quarter in quarters:
            self._behind.setdefault(quarter, before)
            self._unsettled[quarter] = now
        self._looked = now
        self._seen = {one.second: one.print for one in seen if one.second >= now - 2 * SETTLED_AFTER}
        for quarter in [one for one, at in self._counted.items() if now - at > 2 * REST]:
            if quarter not in self._unsettled:
                del self._counted[quarter]

    def split(self, now: datetime) -> tuple[list[datetime], list[datetime]]:
        """Those that are due, and those that are behind but to be left alone. First the one that goes on, then those that wait longest, of
        these the newest first: so each is counted before any other is counted twice, but for the one that goes on."""

        def order(quarter: datetime) -> tuple[bool, datetime, timedelta]:
            since = self._behind.get(quarter) or self._counted.get(quarter, EVER)
            return not quarter <= now < quarter + QUARTER, since, now - quarter

        def is_due(quarter: datetime) -> bool:
            counted = self._counted.get(quarter)
            if quarter not in self._behind and now - self._unsettled[quarter] < SETTLED_AFTER:
                return False
            return counted is None or now - counted >= rest(quarter, now)

        waiting = sorted(self._unsettled, key=order)
        return [one for one in waiting if is_due(one)], [
            one for one in waiting if one in self._behind and not is_due(one)
        ]

    def counted(self, quarter: datetime, at: datetime) -> None:
        """It was counted, with all that was visible at `at`."""
        self._counted[quarter] = at
        self._behind.pop(quarter, None)
        if quarter in self._unsettled and at - self._unsettled[quarter] >= SETTLED_AFTER:
            del self._unsettled[quarter]

    def until(self) -> datetime | None:
        """All that was visible at that time is counted. None: nothing for sure."""
        found = min(self._behind.values(), default=self._looked)
        return None if found == EVER else found
