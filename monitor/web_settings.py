"""The dashboard (docs/dashboard.md)."""

from __future__ import annotations

from pydantic import Field

from monitor.setting_group import Group


class WebSettings(Group):
    """The dashboard."""

    enabled: bool = Field(True, description="Whether it is on.")
