"""Calibration of refusal tokens (docs/recalibration.md)."""

from __future__ import annotations

from pydantic import Field

from monitor.setting_group import Group


class RecalibrationSettings(Group):
    """Calibration of refusal tokens."""

    enabled: bool = Field(False, description="Whether it is on.")
