"""Who is told of alerts: where the file of channels is, and when a channel counts as dead (docs/channels.md)."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from monitor.setting_group import Group


class ChannelSettings(Group):
    """The channels that alerts go to besides the alerts topic."""

    file: Path | None = Field(
        None, description="File of the channels (TOML); empty: alerts go to the topic and the log alone."
    )
    dead_after_s: float = Field(
        300.0,
        gt=0,
        description="A channel that has taken nothing for this long, though tried, is told as dead.",
    )
    retry_max_s: float = Field(
        60.0, gt=0, description="Longest wait before a channel that fails is tried again."
    )
    retry_dead_s: float = Field(
        300.0,
        gt=0,
        description="How often a channel is tried that waits for a person, as one with a wrong key.",
    )
    late_after_s: float = Field(
        86_400.0,
        gt=0,
        description="News older than this isn't told one by one any more: only how the alert stands now.",
    )
