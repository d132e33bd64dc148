"""What is counted at once is bounded, and nothing is left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from monitor.rollups.cutting import batches, slices

BEGIN = datetime(2026, 5, 4, tzinfo=UTC)


def second(number: int) -> datetime:
    return BEGIN + timedelta(seconds=number)


@given(st.dictionaries(st.integers(0, 50), st.integers(1, 9)), st.integers(1, 20))
def test_slices_hold_every_row_and_no_more_than_they_may(rows: dict[int, int], most: int) -> None:
    written = [(second(number), rows[number]) for number in sorted(rows)]

    found = slices(written, second(60), most_rows=most)

    held = [[rows[n] for n in rows if begin <= second(n) < end] for begin, end in found]
    assert sum(map(sum, held)) == sum(rows.values())
    assert all(sum(slice_) <= most or len(slice_) == 1 for slice_ in held)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(found))


def test_the_last_second_is_whole_also_where_it_is_not_over() -> None:
    half = second(3) + timedelta(milliseconds=500)

    assert slices([(second(3), 5)], half, most_rows=10) == [(second(3), second(4))]
    assert slices([], half, most_rows=10) == []


@given(st.dictionaries(st.integers(0, 50), st.integers(0, 9)), st.integers(1, 20))
def test_batches_hold_every_quarter_once_in_order(sizes: dict[int, int], most_rows: int) -> None:
    given_sizes = {second(number): size for number, size in sizes.items()}

    found = list(batches(given_sizes, given_sizes, most_rows=most_rows))

    assert [quarter for batch in found for quarter in batch] == list(given_sizes)
    assert all(found)
    assert all(sum(given_sizes[q] for q in batch) <= most_rows or len(batch) == 1 for batch in found)
