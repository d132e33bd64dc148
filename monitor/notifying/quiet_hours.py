"""Hours in which a channel is left alone: pure."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from monitor.errors import Misconfigured
from monitor.time_zones import read_zone
from schemas.alerts import Severity

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: Final[tuple[Day, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _zone(name: str) -> str:
    try:
        read_zone(name)
    except Misconfigured:
        raise ValueError("is no time zone of the IANA database, such as Europe/Berlin") from None
    return name


class QuietHours(BaseModel):
    """From a time of day to another, by the clock on the wall there; `days` are those on which they begin. Where `until` isn't
    after `from`, they end on the next day. `passes`: severities that are told all the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_zone: Annotated[str, AfterValidator(_zone)]
    days: tuple[Day, ...] = DAYS
    begins: time = Field(alias="from")
    ends: time = Field(alias="until")
    passes: tuple[Severity, ...] = ("critical",)

    @model_validator(mode="after")
    def _is_sensible(self) -> Self:
        if self.begins.tzinfo is not None or self.ends.tzinfo is not None:
            raise ValueError("from and until are times of day, such as 22:00; the zone is time_zone")
        if not self.days:
            raise ValueError("days names none")
        return self

    def covers(self, at: datetime) -> bool:
        """Whether it is quiet at that moment (with a time zone)."""
        there = at.astimezone(ZoneInfo(self.time_zone))
        clock, today = there.time(), DAYS[there.weekday()]
        if self.begins < self.ends:
            return today in self.days and self.begins <= clock < self.ends
        yesterday = DAYS[(there - timedelta(days=1)).weekday()]
        return (today in self.days and clock >= self.begins) or (yesterday in self.days and clock < self.ends)


def is_quiet(hours: tuple[QuietHours, ...], severity: Severity, at: datetime) -> bool:
    """Whether an alert of this severity is to wait."""
    return any(severity not in one.passes and one.covers(at) for one in hours)
