"""The weekly report (docs/report.md)."""

from __future__ import annotations

from pydantic import Field

from monitor.setting_group import Group


class ReportSettings(Group):
    """The weekly report."""

    enabled: bool = Field(False, description="Whether it is on.")
