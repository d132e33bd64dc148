"""How wide the windows of history are, and how stretches of time are cut into tiles. Pure.

History is finest where it is newest: the hour before its end as it was watched, the day before that by minutes, all else by
hours. A year of it is 9,000 windows and not six million.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from schemas.windows import Window

AS_WATCHED: Final = timedelta(0)
"""The width of windows that are given as they closed."""
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
FINE_FOR: Final = timedelta(hours=1)
BY_MINUTES_FOR: Final = timedelta(days=1)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stretch:
    """[since, until), in windows `width` wide that begin at its multiples since 1970; AS_WATCHED: as they closed."""

    since: datetime
    until: datetime
    width: timedelta


def stretches(since: datetime, until: datetime) -> tuple[Stretch, ...]:
    """[since, until) from hours to minutes to windows as they closed, in order; empty ones are left out.

    Minutes begin on the hour and windows on the minute, so that no window is cut: each belongs where it begins.
    """
    by_minutes = floor(until - BY_MINUTES_FOR, HOUR)
    fine = floor(until - FINE_FOR, MINUTE)
    cuts = (since, max(since, by_minutes), max(since, fine), max(since, until))
    widths = (HOUR, MINUTE, AS_WATCHED)
    return tuple(
        Stretch(begin, end, width)
        for begin, end, width in zip(cuts[:-1], cuts[1:], widths, strict=True)
        if begin < end
    )


def by_hours(since: datetime, until: datetime) -> tuple[Stretch, ...]:
    """All of [since, until) by hours."""
    return (Stretch(since, until, HOUR),) if since < until else ()


def floor(at: datetime, width: timedelta) -> datetime:
    """The last multiple of `width` since 1970 that isn't after `at`."""
    return at - (at - EPOCH) % width


def tiles(since: datetime, until: datetime, width: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """[since, until) cut at the multiples of `width` since 1970, in order. Only the first and the last can be narrower."""
    begin = since
    while begin < until:
        end = min(floor(begin, width) + width, until)
        yield begin, end
        begin = end


def microseconds(width: timedelta) -> int:
    """Exactly."""
    return width // timedelta(microseconds=1)


def chained(windows: Iterable[Window], *, after: datetime | None = None) -> Iterator[Window]:
    """Windows in order of their beginning, without those that begin before the last one, or `after`, has ended.

    Two that watched at once, of which one was frozen, can have closed windows of different widths: the chain that begins first
    counts, for everybody who reads it.
    """
    for window in windows:
        if after is None or window.begins_at >= after:
            yield window
            after = window.ends_at


FURTHEST_BACK: Final = timedelta(days=7)
"""Windows that ended longer ago are not made up for: so long are chat logs kept, and there is a gap."""
FAR_BEHIND: Final = timedelta(hours=1)
"""What is further back than that is closed in windows of a minute: nobody waits for it to the second."""
MOST_AT_ONCE: Final = 60


def next_stretch(position: datetime, closed: datetime, width: timedelta) -> Stretch | None:
    """What is counted next, by one query: from the end of the last window on, not beyond `closed`. None: nothing."""
    since = max(position, floor(closed - FURTHEST_BACK, HOUR))
    if since >= closed:
        return None
    far = floor(closed - FAR_BEHIND, HOUR)
    if since < far and width < MINUTE:
        return Stretch(since, min(far, floor(since, MINUTE) + MOST_AT_ONCE * MINUTE), MINUTE)
    return Stretch(
        since, min(closed, floor(since, width) + max(1, min(MOST_AT_ONCE, HOUR // width)) * width), width
    )
