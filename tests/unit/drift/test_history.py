"""Stretches of time: cut at the grid, without a gap or an overlap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.drift.history import (
    AS_WATCHED,
    EPOCH,
    FURTHEST_BACK,
    HOUR,
    MINUTE,
    Stretch,
    by_hours,
    chained,
    floor,
    next_stretch,
    stretches,
    tiles,
)
from schemas.windows import Window

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MOMENTS = st.integers(0, 40 * 24 * 3600).map(lambda s: NOON + timedelta(seconds=s))
WIDTHS = st.sampled_from([1, 5, 15, 60, 600, 3600]).map(lambda s: timedelta(seconds=s))


@given(since=MOMENTS, until=MOMENTS)
def test_history_is_finest_where_it_is_newest(since: datetime, until: datetime) -> None:
    found = stretches(since, until)

    assert ([one.since for one in found][:1], [one.until for one in found][-1:]) == (
        ([since], [until]) if since < until else ([], [])
    )
    assert all(one.until == two.since and one.width > two.width for one, two in pairwise(found))
    for one in found:
        assert (
            until - one.until >= {HOUR: timedelta(days=1), MINUTE: HOUR, AS_WATCHED: timedelta(0)}[one.width]
        )
        assert one.since == since or (one.since - EPOCH) % MINUTE == timedelta(0)
        if one.width == AS_WATCHED:
            assert one.until - one.since <= HOUR + MINUTE


def test_a_season_is_seen_by_hours() -> None:
    assert by_hours(NOON, NOON + HOUR) == (Stretch(NOON, NOON + HOUR, HOUR),)
    assert by_hours(NOON, NOON) == ()


@given(since=MOMENTS, seconds=st.integers(1, 5_000), width=WIDTHS)
def test_tiles_are_all_of_the_time_cut_at_the_grid(since: datetime, seconds: int, width: timedelta) -> None:
    until = since + timedelta(seconds=seconds)
    found = list(tiles(since, until, width))

    assert (found[0][0], found[-1][1]) == (since, until)
    assert all(one[1] == two[0] and (two[0] - EPOCH) % width == timedelta(0) for one, two in pairwise(found))
    assert all(timedelta(0) < end - begin <= width for begin, end in found)


@given(position=MOMENTS, closed=MOMENTS, width=WIDTHS)
def test_what_is_counted_next_leads_to_what_is_closed_in_few_steps(
    position: datetime, closed: datetime, width: timedelta
) -> None:
    closed = floor(closed, width)
    steps = 0
    begun = False
    while (stretch := next_stretch(position, closed, width)) is not None:
        begun = begun or stretch.since == position or closed - stretch.since <= FURTHEST_BACK + HOUR
        assert begun
        assert position <= stretch.since < stretch.until <= closed
        assert stretch.width == (
            MINUTE if width < MINUTE and stretch.until <= floor(closed - HOUR, HOUR) else width
        )
        assert (stretch.until - stretch.since) / stretch.width <= 60
        position = stretch.until
        steps += 1
    assert position >= closed
    assert steps <= 7 * 24 + 2 + 2 * HOUR / (60 * min(width, MINUTE)) + 2


def window(begin: int, end: int) -> Window:
    return Window(
        begins_at=NOON + begin * MINUTE, ends_at=NOON + end * MINUTE, rows=(), messages=0, dead_letters=0
    )


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ([], []),
        ([(0, 1), (1, 2), (5, 6)], [(0, 1), (1, 2), (5, 6)]),
        ([(0, 10), (1, 2), (9, 11), (10, 11)], [(0, 10), (10, 11)]),
    ],
)
def test_of_windows_that_overlap_the_chain_that_begins_first_counts(
    given_: list[tuple[int, int]], kept: list[tuple[int, int]]
) -> None:
    assert list(chained([window(*one) for one in given_])) == [window(*one) for one in kept]
    assert list(chained([window(*one) for one in given_], after=NOON + 99 * MINUTE)) == []
