"""What a replay remembers is what a store would answer."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.drift.history import by_hours, stretches
from monitor.drift.needs import HistoryNeed, Need, Scope, SeasonNeed
from monitor.drift.remembering import Memory, added_up
from schemas.windows import Window
from tests.unit.drift.windows import BEGIN, MINUTE, cell, window

HOUR = timedelta(hours=1)


def asked_all(windows: list[Window], need: Need) -> tuple[Window, ...]:
    """The answer from all windows at once, stretch by stretch."""
    cut = stretches if isinstance(need, HistoryNeed) else by_hours
    found = []
    for stretch in cut(need.since, need.until):
        within = [one for one in windows if stretch.since <= one.begins_at < stretch.until]
        if not stretch.width:
            found += within
            continue
        tiles: dict[int, list[Window]] = {}
        for one in within:
            tiles.setdefault((one.begins_at - BEGIN) // stretch.width, []).append(one)
        found += [added_up(tile) for tile in tiles.values()]
    return tuple(found)


def taken(windows: list[Window]) -> Memory:
    memory = Memory()
    for one in windows:
        memory.take(one)
    return memory


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 3_600),
    st.integers(1, 40),
    st.sampled_from([10, 20, 60]),
    st.sampled_from(["season", "shift"]),
)
def test_history_is_as_wide_as_a_store_would_give_it(gap: int, since_h: int, step_s: int, kind: str) -> None:
    step = timedelta(seconds=step_s)
    count = int(timedelta(hours=30) / step) if step_s == 60 else 900
    windows = [window(BEGIN + n * step, cell(3, n % 2), width=step) for n in range(count)]
    after = BEGIN + count * step + timedelta(seconds=gap // 60 * 60)
    windows += [window(after + n * step, cell(2, 1), width=step) for n in range(5)]
    until = windows[-1].ends_at
    since = BEGIN + HOUR * min(since_h, 20)
    need: Need = SeasonNeed(since, until) if kind == "season" else HistoryNeed(Scope(), since, until)

    assert taken(windows).history(need) == asked_all(windows, need)


def test_a_scope_leaves_the_other_cells_out_and_the_windows_in() -> None:
    windows = [
        window(BEGIN, cell(3, 1), cell(4, 2, model="heron")),
        window(BEGIN + MINUTE, cell(4, 2, model="heron")),
    ]
    need = HistoryNeed(Scope(model="atlas"), BEGIN, BEGIN + 2 * MINUTE)

    assert [one.rows for one in taken(windows).history(need)] == [(cell(3, 1),), ()]


def test_nothing_is_remembered_of_nothing() -> None:
    assert Memory().history(SeasonNeed(BEGIN, BEGIN + HOUR)) == ()


def test_old_windows_are_kept_by_hours_alone() -> None:
    memory = taken([window(BEGIN + n * MINUTE, cell(1, 0)) for n in range(60 * 50)])

    assert len(memory._recent) <= 60 * 29
    assert [one.rows[0].events for one in memory._hours] == [60] * 49


def test_windows_are_added_up_cell_by_cell() -> None:
    both = added_up(
        [window(BEGIN, cell(3, 1), cell(4, 2, model="heron")), window(BEGIN + MINUTE, cell(5, 2))]
    )

    assert both == Window(
        begins_at=BEGIN,
        ends_at=BEGIN + 2 * MINUTE,
        rows=(cell(8, 3), cell(4, 2, model="heron")),
        messages=12,
        dead_letters=0,
    )
