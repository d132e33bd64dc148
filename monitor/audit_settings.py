"""Audits of a model's inside (docs/audit.md)."""

from __future__ import annotations

from pydantic import Field

from monitor.setting_group import Group


class AuditSettings(Group):
    """Audits of a model's inside."""

    enabled: bool = Field(False, description="Whether it is on.")
