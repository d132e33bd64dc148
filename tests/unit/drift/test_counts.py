"""What can't be is refused, and the watch is as it was."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import numpy as np
import pytest

from monitor.drift.counts import BadWindow, k_and_n, table_of
from monitor.drift.measures import RATES, k_of_n
from schemas.windows import Window
from tests.unit.drift.traffic import START, Cell, row_of, watched, window_of, windows

ROW = row_of(Cell(rate=200.0), np.random.default_rng(1))
GOOD = window_of([ROW], START)


def _with(**fields: int) -> Window:
    return msgspec.structs.replace(GOOD, rows=(msgspec.structs.replace(ROW, **fields),))


BAD = {
    "a part larger than its whole": _with(refused=ROW.responded + 1),
    "more dead letters than messages": msgspec.structs.replace(GOOD, dead_letters=GOOD.messages + 1),
    "negative": _with(harmful_responses=-1),
    "negative dead letters": msgspec.structs.replace(GOOD, dead_letters=-1),
    "too large": _with(events=1 << 63),
    "a cell twice": msgspec.structs.replace(GOOD, rows=(ROW, ROW)),
    "ends before it begins": msgspec.structs.replace(GOOD, ends_at=START - timedelta(seconds=1)),
    "ends when it begins": msgspec.structs.replace(GOOD, ends_at=START),
    "more harmful refused than harmful": _with(harmful_refused=ROW.harmful + 1),
    "more answered than scored": _with(to_be_scored=ROW.answered - 1),
}


@pytest.mark.parametrize("window", BAD.values(), ids=BAD)
def test_a_window_that_cannot_be_is_refused_and_changes_nothing(window: Window) -> None:
    told = watched()
    before = told.watch.to_bytes()
    with pytest.raises(BadWindow):
        told.watch.take(window)
    assert told.watch.to_bytes() == before
    told.see([GOOD])


@pytest.mark.parametrize("at_s", [-60.0, 0.0, 59.0], ids=["before", "again", "overlapping"])
def test_a_window_before_the_end_of_the_last_one_is_refused_and_changes_nothing(at_s: float) -> None:
    told = watched()
    told.see([GOOD])
    before = told.watch.to_bytes()
    with pytest.raises(BadWindow, match="until"):
        told.watch.take(window_of([ROW], START + timedelta(seconds=at_s)))
    assert told.watch.to_bytes() == before
    assert told.watch.position == GOOD.ends_at


def test_all_rows_at_once_count_as_each_row_does() -> None:
    rng = np.random.default_rng(7)
    rows = [row_of(Cell(category=f"c{n}", rate=50.0), rng) for n in range(20)]
    counts = table_of(window_of(rows, START)).counts
    for measure in RATES:
        k, n = k_and_n(measure, counts)
        assert list(zip(k.tolist(), n.tolist(), strict=True)) == [k_of_n(measure, row) for row in rows]


def test_an_empty_window_is_fine_and_says_nothing() -> None:
    told = watched()
    empty = Window(begins_at=START, ends_at=START + timedelta(hours=1), rows=(), messages=0, dead_letters=0)
    assert told.see([empty]) == []
    assert told.watch.position == empty.ends_at


def test_the_order_of_rows_makes_no_difference() -> None:
    cells = [Cell(tenant=t, category=c, rate=30.0) for t in ("a", "b") for c in ("x", "y", "z")]
    one, two = watched(), watched()
    for window in windows(lambda _: cells, 40, seed=3):
        one.see([window])
        two.see([msgspec.structs.replace(window, rows=window.rows[::-1])])
    assert one.watch.to_bytes() == two.watch.to_bytes()


def test_names_from_outside_are_only_names() -> None:
    hostile = [
        "'; DROP TABLE verdicts; --",
        "a\x00b",
        "\n\r\t",
        "💥" * 200,
        "",
        "None",
        "../..",
        "{tenant:String}",
    ]
    cells = [Cell(tenant=name, model=name, category=name, rate=60.0) for name in hostile]
    told = watched()
    told.see(windows(lambda _: cells, 10, seed=5))
    state = told.watch.to_bytes()
    assert type(told.watch).from_bytes(state, told.watch.policy, "fleet").to_bytes() == state
    assert {view.key.tenant for view in told.watch.streams()} >= set(hostile)
