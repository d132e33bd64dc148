"""The past as a backtest reads it: closed windows where there are any, else counted from the rows, by arrival or occurrence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from monitor.adapters.clickhouse import ClickHouse
from monitor.adapters.past_windows import By, PastWindows
from monitor.adapters.windows import WatchTables
from monitor.embedded.clickhouse import ClickHousePart
from schemas.windows import Window
from tests.stores import NOW, new_store, unanswered, verdict

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
EVENTS = 90
"""One every 20 s for half an hour; of every third nothing is known."""


@pytest.fixture(scope="module")
async def store(clickhouse_part: ClickHousePart) -> AsyncIterator[ClickHouse]:
    async with new_store(clickhouse_part.address) as made:
        for number in range(EVENTS):
            one = (verdict if number % 3 else unanswered)(f"e{number}", number / 3, source_offset=number)
            await made.insert([one.to_bytes()])
        yield made


def past(store: ClickHouse, by: By, width: timedelta | None = None) -> PastWindows:
    return PastWindows(WatchTables(store, "watchkeeper", "chat.logs"), by, width, MINUTE)


async def read(windows: PastWindows) -> list[Window]:
    return [window async for window in windows.windows(NOW, NOW + HOUR)]


def events(windows: list[Window]) -> int:
    return sum(row.events for window in windows for row in window.rows)


async def test_without_closed_windows_the_rows_are_counted_by_minutes(store: ClickHouse) -> None:
    read_ = past(store, "arrival")
    windows = await read(read_)

    assert len(windows) == 60
    assert (read_.closed, read_.counted) == (0, 60)
    assert events(windows) == EVENTS
    assert [sum(row.events for row in window.rows) for window in windows[:31]] == [3] * 30 + [0]
    assert sum(window.messages for window in windows) == EVENTS


async def test_closed_windows_come_as_they_are_and_rows_before_them_are_counted(
    clickhouse_part: ClickHousePart,
) -> None:
    async with new_store(clickhouse_part.address) as made:
        for number in range(30):
            await made.insert([verdict(f"e{number}", number, source_offset=number).to_bytes()])
        read_ = past(made, "arrival")
        (whole,) = await read_.tables.count(NOW + 20 * MINUTE, NOW + 30 * MINUTE, 10 * MINUTE)
        await read_.tables.close(whole)
        windows = await read(read_)

        assert [window.ends_at - window.begins_at for window in windows] == [MINUTE] * 20 + [10 * MINUTE]
        assert (read_.closed, read_.counted, events(windows)) == (1, 20, 30)
        assert await read_.range(NOW, NOW + HOUR) == (NOW, NOW + 30 * MINUTE)
        wide = await read(past(made, "arrival", 5 * MINUTE))
        assert [window.ends_at - window.begins_at for window in wide] == [5 * MINUTE] * 4 + [10 * MINUTE]
        assert events(wide) == 30


async def test_by_occurrence_it_is_the_same_two_seconds_earlier(store: ClickHouse) -> None:
    """The tests' verdicts occurred two seconds before they arrived."""
    shift = timedelta(seconds=2)
    arrived = await past(store, "arrival").tables.count(NOW, NOW + HOUR, HOUR)
    occurred = [
        window
        async for window in past(store, "occurred", HOUR).windows(NOW - HOUR, NOW + HOUR)
        if window.rows
    ]

    assert sum(row.events for window in occurred for row in window.rows) == events(arrived) == EVENTS
    assert await past(store, "occurred").range(NOW - HOUR, NOW + HOUR) == (
        NOW - shift,
        NOW + (EVENTS - 1) * timedelta(seconds=20) - shift,
    )
    (row,) = [row for row in occurred[-1].rows if row.category]
    (same,) = [row for row in arrived[0].rows if row.category]
    assert (row.guard_name, row.model, row.answered, row.responded) == (
        same.guard_name,
        same.model,
        same.answered,
        same.responded,
    )


async def test_of_a_time_without_anything_there_is_no_range(store: ClickHouse) -> None:
    for by in ("arrival", "occurred"):
        assert await past(store, by).range(NOW - 9 * HOUR, NOW - 8 * HOUR) is None
