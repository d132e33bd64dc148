"""When the workers' report is due, and of which week. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from croniter import croniter

from monitor.reporting.weeks import Week, read_week
from monitor.time_zones import read_zone


@dataclass(frozen=True, slots=True)
class Due:
    """A report that was due at that moment, of the last week that was complete then."""

    at: datetime
    week: Week


def newest_due(schedule: str, time_zone: str, now: datetime) -> Due:
    """What was due last, up to and including `now`. `schedule`: cron's five fields, by the clocks of `time_zone`."""
    zone = read_zone(time_zone)
    # By the clock on the wall alone, so that an hour that comes twice is due at its first coming, and one that is skipped shortly after.
    wall = now.astimezone(zone).replace(second=0, microsecond=0, tzinfo=None, fold=0)
    shown = wall if croniter.match(schedule, wall) else croniter(schedule, wall).get_prev(datetime)
    at = shown.replace(tzinfo=zone).astimezone(UTC)
    return Due(at, read_week("last", zone, at))
