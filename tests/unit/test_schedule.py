"""When an audit is due: each moment once, however many were missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor.errors import Misconfigured
from monitor.schedule import due, overdue_since, schedule_of

NIGHTLY = schedule_of("17 3 * * *")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MOMENT = datetime(2026, 3, 2, 3, 17, tzinfo=UTC)
DAY = timedelta(days=1)
A_MOMENT = timedelta(microseconds=1)


def test_what_was_never_audited_is_due_at_once() -> None:
    assert due(NIGHTLY, None, NOON) == overdue_since(NIGHTLY, None, NOON) == MOMENT


def test_a_moment_is_due_from_then_on_until_it_is_made() -> None:
    assert due(NIGHTLY, MOMENT, MOMENT + DAY - A_MOMENT) is None
    assert overdue_since(NIGHTLY, MOMENT, MOMENT + DAY - A_MOMENT) is None
    assert due(NIGHTLY, MOMENT, MOMENT + DAY) == MOMENT + DAY
    assert due(NIGHTLY, MOMENT + DAY, MOMENT + DAY) is None


def test_of_many_that_were_missed_the_newest_is_made_up_for_and_the_first_says_since_when() -> None:
    assert due(NIGHTLY, MOMENT, NOON + 5 * DAY) == MOMENT + 5 * DAY
    assert overdue_since(NIGHTLY, MOMENT, NOON + 5 * DAY) == MOMENT + DAY


def test_every_so_many_hours_is_the_same_for_whoever_computes_it() -> None:
    schedule = schedule_of(" every  6h ")
    assert schedule.before(NOON) == NOON
    assert schedule.before(NOON - A_MOMENT) == NOON - timedelta(hours=6)
    assert schedule.after(NOON) == NOON + timedelta(hours=6)


def test_off_is_never() -> None:
    never = schedule_of("off")
    assert (due(never, None, NOON), overdue_since(never, MOMENT, NOON), never.after(NOON)) == (
        None,
        None,
        None,
    )


def test_a_clock_that_goes_back_makes_nothing_due() -> None:
    assert due(NIGHTLY, MOMENT, MOMENT - 3 * DAY) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "1 2 3",
        "* * * * * *",
        "@daily",
        "every 0h",
        "every -1h",
        "every 6",
        "0 0 30 2 *",
        "61 * * * *",
    ],
)
def test_what_is_no_schedule_says_what_one_is(text: str) -> None:
    with pytest.raises(Misconfigured, match="every 6h"):
        schedule_of(text)
