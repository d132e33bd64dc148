"""Quarters of an hour that reports are made of (docs/rollups.md)."""

from __future__ import annotations

from pydantic import Field

from monitor.setting_group import Group


class RollupSettings(Group):
    """Quarters of an hour, counted by when exchanges happened."""

    enabled: bool = Field(True, description="Whether the worker that oversees keeps them counted.")
    every_s: float = Field(30.0, gt=0, description="How often it looks for what is new.")
    timeout_s: float = Field(300.0, gt=0, description="Longest wait for ClickHouse to count one batch.")
