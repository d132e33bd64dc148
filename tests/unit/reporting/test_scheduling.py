"""When the workers' report is due, and settings that can't be used."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.errors import Misconfigured
from monitor.notifying.references import Secrets
from monitor.reporting.scheduling import newest_due
from monitor.settings import load
from workers.reports import FOLDER, report_channels

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "now", "at", "week"),
    [
        ("UTC", MONDAY.replace(hour=7), MONDAY.replace(hour=7), "2026-W47"),
        ("UTC", MONDAY.replace(hour=7, minute=0, second=59), MONDAY.replace(hour=7), "2026-W47"),
        ("UTC", MONDAY.replace(hour=6, minute=59), datetime(2026, 11, 16, 7, tzinfo=UTC), "2026-W46"),
        ("Europe/Berlin", MONDAY.replace(hour=6), MONDAY.replace(hour=6), "2026-W47"),
        ("Asia/Kolkata", MONDAY.replace(hour=1, minute=30), MONDAY.replace(hour=1, minute=30), "2026-W47"),
    ],
)
def test_it_is_due_by_the_clocks_of_its_zone_and_of_the_last_complete_week(
    zone: str, now: datetime, at: datetime, week: str
) -> None:
    due = newest_due("0 7 * * 1", zone, now)
    assert (due.at, due.week.name) == (at, week)


def test_an_hour_that_the_clocks_skip_or_have_twice_is_due_once() -> None:
    spring = {
        newest_due("30 2 * * 0", "Europe/Berlin", datetime(2026, 3, 29, hour, tzinfo=UTC)).at.date()
        for hour in range(4, 24)
    }
    autumn = {
        newest_due("30 2 * * 0", "Europe/Berlin", datetime(2026, 10, 25, hour, tzinfo=UTC)).at
        for hour in range(3, 24)
    }
    assert len(spring) == len(autumn) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SCHEDULE", "every monday"),
        ("SCHEDULE", "0 7 * *"),
        ("SCHEDULE", "0 7 * * 1 30"),
        ("SCHEDULE", "61 7 * * 1"),
        ("TIME_ZONE", "Mars/Base"),
        ("FORM", "doc"),
        ("LATE_AFTER_S", "60"),
    ],
)
def test_a_setting_that_can_not_be_used_is_refused(name: str, value: str) -> None:
    with pytest.raises(Misconfigured, match="WATCHKEEPER_REPORT_"):
        load({f"WATCHKEEPER_REPORT__{name}": value})


def test_a_report_that_nobody_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="nobody takes the report"):
        report_channels(load({"WATCHKEEPER_REPORT__ENABLED": "1"}), [], Secrets({}))
    settings = load({"WATCHKEEPER_REPORT__ENABLED": "1", "WATCHKEEPER_REPORT__FOLDER": str(tmp_path)})
    assert list(report_channels(settings, [], Secrets({}))) == [FOLDER]
