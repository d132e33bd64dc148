"""The desk and its windows as the settings say, for the worker and the commands alike."""

from __future__ import annotations

from datetime import datetime, timedelta

from monitor.recalibration.desk import Desk
from monitor.recalibration.keys import expectations_of, limits_of, step_limit_of
from monitor.recalibration_settings import RecalibrationSettings
from monitor.settings import Settings

Span = tuple[datetime, datetime]
"""From (inclusive) until (exclusive)."""


def desk_of(settings: Settings, by: str) -> Desk:
    """The rules of the settings. `by`: who takes the steps."""
    own = settings.recalibration
    return Desk(
        settings.kafka.group_prefix,
        by,
        limits_of(own),
        step_limit_of(own),
        expectations_of(own),
        own.least_change_share,
        timedelta(seconds=own.observe_at_least_s),
        timedelta(seconds=own.observe_at_most_s),
    )


def windows_at(settings: RecalibrationSettings, at: datetime) -> tuple[Span, Span]:
    """The window to calibrate on and the present one, which begins where that ends, for a proposal at `at`."""
    until = at - timedelta(seconds=settings.settle_s)
    between = until - timedelta(seconds=settings.present_s)
    return (between - timedelta(seconds=settings.calibrate_on_s), between), (between, until)
