"""Weeks in time zones: their bounds, their hours, and those that there aren't."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from monitor.errors import Misconfigured
from monitor.reporting.weeks import Week, read_week
from monitor.time_zones import read_zone

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 27, 22, tzinfo=UTC)


def test_a_week_begins_on_monday_at_midnight_there() -> None:
    week = read_week("2026-W47", BERLIN, NOW)
    assert week.name == "2026-W47"
    assert week.since == datetime(2026, 11, 15, 23, tzinfo=UTC)
    assert week.until - week.since == timedelta(days=7)
    assert week.span() == "16 to 22 November 2026"


def test_this_and_last_are_by_the_clocks_of_the_zone() -> None:
    sunday_evening = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    assert read_week("this", ZoneInfo("UTC"), sunday_evening).name == "2026-W47"
    assert read_week("this", BERLIN, sunday_evening).name == "2026-W48"
    assert read_week("last", BERLIN, sunday_evening).name == "2026-W47"


@pytest.mark.parametrize(
    ("monday", "hours"), [(date(2026, 3, 23), 167), (date(2026, 10, 19), 169), (date(2026, 11, 16), 168)]
)
def test_a_week_in_which_the_clocks_change_has_an_hour_less_or_more(monday: date, hours: int) -> None:
    week = Week(monday, BERLIN)
    assert week.hours == hours
    assert (week.until - week.since) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-W60", "there is no week 60"),
        ("W47", "is no week"),
        ("2026-W54", "there is no week 54 in 2026: it has 53"),
        ("2025-W53", "it has 52"),
        ("2026-W00", "there is no week 0"),
        ("1969-W01", "beyond what is stored"),
        ("9999-W01", "beyond what is stored"),
        ("", "is no week"),
        ("2026-47", "is no week"),
        ("２０２６-W47", "is no week"),
        ("<script>", "is no week"),
        ("x" * 10_000, "'that' is no week"),
    ],
)
def test_a_week_that_there_is_not_is_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=said.replace("(", r"\(")) as caught:
        read_week(text, BERLIN, NOW)
    assert "2026-W47" in caught.value.remedy
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("zone", "since"),
    [
        ("Asia/Kathmandu", "2026-11-15T18:15"),
        ("Pacific/Apia", "2026-11-15T11:00"),
        ("Pacific/Pago_Pago", "2026-11-16T11:00"),
    ],
)
def test_a_week_begins_with_the_zones_monday_a_quarter_of_an_hour_or_a_day_off(zone: str, since: str) -> None:
    week = read_week("2026-W47", read_zone(zone), NOW)
    assert week.since == datetime.fromisoformat(since).replace(tzinfo=UTC)
    assert week.hours == 168


@pytest.mark.parametrize(
    "name",
    ["Mars/Base", "", "../../etc/passwd", "/etc/passwd", "Europe", "x" * 10_000, "Europe/\x00", "日本"],
)
def test_a_zone_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(Misconfigured, match="there is no time zone"):
        read_zone(name)


def test_days_of_a_week_have_begun_or_have_not() -> None:
    week = Week(date(2026, 11, 16), BERLIN)
    assert week.elapsed_days(week.since - timedelta(seconds=1)) == 0
    assert week.elapsed_days(week.since) == 1
    assert week.elapsed_days(week.until) == 7
