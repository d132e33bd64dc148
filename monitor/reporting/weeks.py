"""Weeks as the report counts them: ISO weeks (Monday to Sunday) in a time zone, each day from midnight to midnight there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

from monitor.errors import Misconfigured

DAYS: Final = 7
WEEKS_BEFORE: Final = 4
"""The weeks that a week is held against."""
_WRITTEN: Final = re.compile(r"(\d{4})-?W(\d{2})", re.IGNORECASE | re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 1971, 2148
_HOW: Final = "write it as 2026-W47, or as this or last"


@dataclass(frozen=True)
class Week:
    """A week, from midnight on Monday to the next, by the clocks of `zone`."""

    monday: date
    zone: ZoneInfo

    @property
    def name(self) -> str:
        """2026-W47."""
        year, number, _ = self.monday.isocalendar()
        return f"{year}-W{number:02}"

    @property
    def zone_name(self) -> str:
        """As IANA writes it."""
        return self.zone.key

    @cached_property
    def since(self) -> datetime:
        """Its first moment, in UTC."""
        return self.midnight(self.monday)

    @cached_property
    def until(self) -> datetime:
        """The first moment after it, in UTC."""
        return self.midnight(self.monday + timedelta(days=DAYS))

    @property
    def days(self) -> tuple[date, ...]:
        """Its seven days."""
        return tuple(self.monday + timedelta(days=number) for number in range(DAYS))

    @property
    def hours(self) -> float:
        """168, or an hour more or less where the clocks are changed: half an hour on Lord Howe, and a day where one was left out."""
        return (self.until - self.since).total_seconds() / 3600

    def midnight(self, day: date) -> datetime:
        """When that day begins there, in UTC; the first moment of it where its midnight is skipped."""
        return datetime.combine(day, time(), self.zone).astimezone(UTC)

    def before(self, weeks: int = 1) -> Week:
        """So many weeks earlier."""
        return Week(self.monday - timedelta(weeks=weeks), self.zone)

    def elapsed_days(self, now: datetime) -> int:
        """How many of its days have begun by then: 0 before it, 7 at its end."""
        return sum(self.midnight(day) <= now for day in self.days)

    def span(self) -> str:
        """16 to 22 November 2026."""
        first, last = self.monday, self.monday + timedelta(days=DAYS - 1)
        if first.year != last.year:
            return f"{first.day} {first:%B} {first.year} to {last.day} {last:%B} {last.year}"
        if first.month != last.month:
            return f"{first.day} {first:%B} to {last.day} {last:%B} {last.year}"
        return f"{first.day} to {last.day} {last:%B} {last.year}"


def read_week(text: str, zone: ZoneInfo, now: datetime) -> Week:
    """The week that `2026-W47`, `this` or `last` names. Raises Misconfigured, also for a week that its year doesn't have."""
    wanted = text.strip()
    if wanted.lower() in ("this", "last"):
        today = now.astimezone(zone).date()
        this = Week(today - timedelta(days=today.weekday()), zone)
        return this if wanted.lower() == "this" else this.before()
    found = _WRITTEN.fullmatch(wanted)
    if found is None:
        shown = wanted if wanted.isascii() and wanted.isprintable() and len(wanted) <= 40 else "that"
        raise Misconfigured(f"--week {shown!r} is no week", _HOW)
    year, number = int(found[1]), int(found[2])
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise Misconfigured(f"--week {wanted} is beyond what is stored: {_FIRST_YEAR} to {_LAST_YEAR}", _HOW)
    try:
        return Week(date.fromisocalendar(year, number, 1), zone)
    except ValueError:
        last = date(year, 12, 28).isocalendar().week
        raise Misconfigured(
            f"there is no week {number} in {year}: it has {last}, {year}-W01 to {year}-W{last}", _HOW
        ) from None
