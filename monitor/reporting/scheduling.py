"""When the workers' report is due, and of which week. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from croniter import croniter

from monitor.reporting.weeks import Week, read_week, read_zone


@dataclass(frozen=True, slots=True)
class Due:
    """A report that was due at that moment, of the last week that was complete then."""

    at: datetime
    week: Week


def newest_due(schedule: str, time_zone: str, now: datetime) -> Due:
    """What was due last, up to and including `now`. `schedule`: cron's five fields, by the clocks of `time_zone`."""
    zone = read_zone(time_zone)
    local = now.astimezone(zone).replace(second=0, microsecond=0)
    # A match is due in its own minute too.
    at = local if croniter.match(schedule, local) else croniter(schedule, local).get_prev(datetime)
    at = at.astimezone(UTC)
    return Due(at, read_week("last", zone, at))
