"""When something is due by a schedule: pure. Moments are in UTC, and the same for whoever computes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from croniter import croniter

from monitor.errors import Misconfigured

OFF: Final = "off"
_EVERY: Final = re.compile(r"^every (\d{1,4}) ?h$")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS: Final = 5
_A_MOMENT: Final = timedelta(microseconds=1)
_REMEDY: Final = "give a cron expression like `17 3 * * *`, `every 6h`, or `off`"


class Schedule(Protocol):
    """Moments, in order."""

    def before(self, now: datetime) -> datetime | None:
        """The last moment that is not after `now`."""
        ...

    def after(self, at: datetime) -> datetime | None:
        """The first moment after `at`."""
        ...


@dataclass(frozen=True, slots=True)
class Never:
    """On request alone."""

    def before(self, _: datetime) -> None:
        """None."""
        return

    def after(self, _: datetime) -> None:
        """None."""
        return


@dataclass(frozen=True, slots=True)
class Every:
    """The multiples of `step` since 1970."""

    step: timedelta

    def before(self, now: datetime) -> datetime:
        """See Schedule."""
        return _EPOCH + (now - _EPOCH) // self.step * self.step

    def after(self, at: datetime) -> datetime:
        """See Schedule."""
        return self.before(at) + self.step


@dataclass(frozen=True, slots=True)
class Cron:
    """Five fields: minute, hour, day of month, month, day of week."""

    expression: str

    def before(self, now: datetime) -> datetime:
        """See Schedule."""
        found: datetime = croniter(self.expression, now + _A_MOMENT, ret_type=datetime).get_prev()
        return found

    def after(self, at: datetime) -> datetime:
        """See Schedule."""
        found: datetime = croniter(self.expression, at, ret_type=datetime).get_next()
        return found


def schedule_of(text: str) -> Schedule:
    """Of a setting's text. Raises Misconfigured for what is none, and for days that never come (30 February)."""
    words = " ".join(text.split())
    if words == OFF:
        return Never()
    every = _EVERY.match(words)
    if every is not None:
        hours = int(every.group(1))
        if not hours:
            raise Misconfigured("a schedule of every 0 hours", _REMEDY)
        return Every(timedelta(hours=hours))
    if len(words.split(" ")) != _FIELDS or not croniter.is_valid(words):
        raise Misconfigured("a schedule that is no cron expression of five fields", _REMEDY)
    try:
        Cron(words).after(datetime(2026, 1, 1, tzinfo=UTC))
    except ValueError as exc:
        raise Misconfigured("a schedule whose moment never comes", _REMEDY) from exc
    return Cron(words)


def due(schedule: Schedule, last: datetime | None, now: datetime) -> datetime | None:
    """The moment that it is due for; None where it isn't. `last`: the moment that it was done for last. However many moments
    were missed, it is the newest alone. What was never done is due at once, for the last moment before now."""
    moment = schedule.before(now)
    return moment if moment is not None and (last is None or moment > last) else None


def overdue_since(schedule: Schedule, last: datetime | None, now: datetime) -> datetime | None:
    """Since when it has been due: the first moment after `last`; None where none is due."""
    if last is None:
        return due(schedule, last, now)
    moment = schedule.after(last)
    return moment if moment is not None and moment <= now else None
