"""What waits to be counted: nothing is forgotten, the mark claims no more than is counted, and how often a quarter is counted is bounded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from monitor.rollups.waiting import EVER, QUARTER, REST, SETTLED_AFTER, Waiting, Written, rest

BEGIN = datetime(2026, 5, 4, 12, tzinfo=UTC)
EVERY = timedelta(seconds=30)
OLD = BEGIN - timedelta(days=7)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def test_the_quarter_that_goes_on_is_never_left_alone_and_older_ones_as_long_as_they_have_been_over() -> None:
    ages = [timedelta(minutes=minutes) for minutes in (-20, 0, 15, 16, 25, 24 * 60)]

    assert [rest(BEGIN, BEGIN + age) / timedelta(minutes=1) for age in ages] == [0, 0, 0, 1, 10, 10]


def test_who_takes_over_looks_back_for_what_was_unsettled() -> None:
    waiting = Waiting()

    assert waiting.since(None) == EVER
    assert waiting.since(BEGIN) == BEGIN - REST - SETTLED_AFTER
    waiting.touch([], BEGIN, at(30), seen=[])
    assert waiting.since(BEGIN) == at(30) - SETTLED_AFTER
    assert waiting.until() == at(30)


def test_a_second_is_looked_at_again_only_where_something_became_visible_in_it() -> None:
    waiting = Waiting()
    seen = [Written(at(1), 5, 111), Written(at(2), 5, 222)]
    waiting.touch([], BEGIN, at(30), seen=seen)

    more = [Written(at(1), 5, 111), Written(at(2), 5, 223), Written(at(31), 1, 9)]
    assert waiting.fresh(seen) == []
    assert waiting.fresh(more) == more[1:]


def test_a_store_that_was_never_counted_has_no_mark_until_all_of_it_is() -> None:
    waiting = Waiting()
    waiting.touch([OLD, OLD + QUARTER], None, at(30), seen=[])
    waiting.counted(OLD, at(31))

    assert (waiting.until(), waiting.split(at(40))) == (None, ([OLD + QUARTER], []))
    waiting.counted(OLD + QUARTER, at(32))
    assert waiting.until() == at(30)


def test_the_one_that_goes_on_comes_first_then_those_that_wait_longest_of_these_the_newest() -> None:
    waiting = Waiting()
    waiting.touch([OLD, OLD + QUARTER], at(0), at(30), seen=[])
    waiting.touch([OLD + 2 * QUARTER, BEGIN], at(0), at(60), seen=[])

    assert waiting.split(at(60)) == ([BEGIN, OLD + QUARTER, OLD, OLD + 2 * QUARTER], [])


def test_a_quarter_is_counted_once_more_when_it_is_settled_and_then_left_alone() -> None:
    waiting = Waiting()
    waiting.touch([OLD], at(0), at(30), seen=[])
    waiting.counted(OLD, at(31))

    assert (waiting.until(), waiting.split(at(31) + REST - EVERY)) == (at(30), ([], []))
    assert waiting.split(at(31) + REST) == ([OLD], [])
    waiting.counted(OLD, at(31) + REST)
    assert waiting.split(at(31) + 3 * REST) == ([], [])


def test_what_comes_again_is_left_alone_for_a_while_and_holds_the_mark_back() -> None:
    waiting = Waiting()
    waiting.touch([OLD], at(0), at(30), seen=[])
    waiting.counted(OLD, at(31))
    waiting.touch([OLD], at(0), at(60), seen=[])
    waiting.touch([], at(0), at(90), seen=[])

    assert (waiting.split(at(90)), waiting.until(), len(waiting)) == (([], [OLD]), at(30), 1)
    assert waiting.split(at(31) + REST) == ([OLD], [])


writes = st.lists(
    st.tuples(
        st.integers(0, 3600),  # begins
        st.integers(0, 170),  # is visible so much later
        st.integers(0, 5),  # into which quarter
    ),
    max_size=60,
)


@given(writes, st.integers(0, 4), st.sets(st.integers(0, 120), max_size=5), st.integers(0, 1))
def test_nothing_that_was_written_stays_uncounted_and_the_mark_holds(
    written: list[tuple[int, int, int]], room: int, deaths: set[int], eager: int
) -> None:
    """Refreshes that have time for `room` old quarters each; others take over at times. Rows are seen up to 170 s after the time they bear."""
    quarters = [OLD + n * QUARTER for n in range(5)] + [BEGIN]
    counted_at: dict[datetime, int] = {}
    counts: dict[datetime, list[int]] = {one: [] for one in quarters}
    waiting, mark = Waiting(), BEGIN
    ends = 3600 + 4 * int(REST.total_seconds())
    for refresh, now in enumerate(range(30, ends, 30)):
        if refresh in deaths:
            waiting = Waiting()
        since = waiting.since(mark)
        seen: dict[int, set[tuple[int, int, int]]] = {}
        for one in written:
            if since <= at(one[0]) < at(now) and sum(one[:2]) <= now:
                seen.setdefault(one[0], set()).add(one)
        prints = [Written(at(second), len(rows), hash(frozenset(rows))) for second, rows in seen.items()]
        fresh = {one.second for one in waiting.fresh(prints)}
        touched = {quarters[one[2]] for second, rows in seen.items() if at(second) in fresh for one in rows}
        waiting.touch(touched, mark, at(now), seen=prints)
        due, resting = waiting.split(at(now))
        for quarter in [*due[: room + 1], *resting[:eager]]:
            waiting.counted(quarter, at(now))
            counted_at[quarter] = now
            counts[quarter].append(now)
        mark = waiting.until() or mark
        for begins, after, which in written:
            if at(begins) < mark and at(begins + after) <= mark:
                assert begins + after <= counted_at[quarters[which]]

    assert mark == at(ends - 30)
    assert len(waiting) == 0
    if not deaths and not eager:
        pauses = [b - a for one in quarters[:5] for a, b in zip(counts[one], counts[one][1:], strict=False)]
        assert all(pause >= REST.total_seconds() for pause in pauses)
