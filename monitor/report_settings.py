"""The weekly report that the workers make and send by themselves (docs/report.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from monitor.errors import Misconfigured
from monitor.setting_group import Group
from monitor.time_zones import read_zone


class ReportSettings(Group):
    """The weekly report that the workers make and send by themselves."""

    enabled: bool = Field(
        False, description="Whether the workers make and send it; `watchkeeper report` works without."
    )
    schedule: str = Field(
        "0 7 * * 1",
        description="When, as cron: minute, hour, day of month, month, day of week. Each time it is the last complete week's.",
    )
    time_zone: str = Field(
        "UTC",
        description="By whose clocks weeks begin and the schedule goes: an IANA name, like Europe/Berlin.",
    )
    folder: Path | None = Field(
        None,
        description="Folder that each report is written to; empty: none. It must be there for whichever worker oversees.",
    )
    form: Literal["html", "md", "json", "pdf"] = Field(
        "html",
        description="What it is in the folder, and what is attached to an e-mail; pdf needs the extra `pdf`.",
    )
    counted_within_s: float = Field(
        3_600.0,
        ge=0,
        description="So long it waits for the week to be counted whole; then it is sent as it is, and says what is missing.",
    )
    late_after_s: float = Field(
        172_800.0,
        gt=0,
        description="A report that is due for longer than this isn't sent any more: the next one is.",
    )
    undelivered_after_s: float = Field(
        3_600.0,
        gt=0,
        description="Where a channel hasn't taken it for this long, though tried, that is told as an alert.",
    )

    @field_validator("schedule")
    @classmethod
    def _is_cron(cls, value: str) -> str:
        from croniter import croniter

        if len(value.split()) != 5 or not croniter.is_valid(value):
            raise ValueError("is no schedule of cron's five fields, as 0 7 * * 1")
        return value

    @field_validator("time_zone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        try:
            read_zone(value)
        except Misconfigured:
            raise ValueError("is no time zone that IANA knows, as Europe/Berlin") from None
        return value

    @model_validator(mode="after")
    def _is_sent_in_time(self) -> Self:
        if self.late_after_s < self.undelivered_after_s:
            raise ValueError("late_after_s must not be below undelivered_after_s")
        return self
