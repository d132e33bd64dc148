"""The plan: which shift would be noticed how soon in each cell, and what a learning cell still needs."""

from __future__ import annotations

import json
import math
from datetime import timedelta

import pytest

from monitor.cli.drift_shapes import PlanDocument, PlanLine
from monitor.cli.plan import Choice, events_a_day, in_order, plan_line, plan_lines
from monitor.cli.plan_view import plan_view
from monitor.drift.measures import Measure
from monitor.drift.policy import DriftPolicy
from monitor.drift.streams import StreamKey
from monitor.drift.views import PlanRow, StreamView
from monitor.drift.watch import Watch
from tests.unit.cli.rendering import rendered
from tests.unit.drift.windows import BEGIN, MINUTE, cell, shifting, window

KEY = StreamKey(Measure.REFUSAL, "cell", "acme", "atlas", "benign", ("guard_lite", "1", "", 0))
POLICY = DriftPolicy()


def stream(key: StreamKey = KEY, **fields: object) -> StreamView:
    given: dict[str, object] = {
        "key": key,
        "state": "armed",
        "a": 50.0,
        "b": 950.0,
        "rate": 0.05,
        "ratio": 0.0,
        "events": 1_000.0,
        "began_at": BEGIN - timedelta(days=30),
        "seen_at": BEGIN,
    }
    return StreamView(**{**given, **fields})  # type: ignore[arg-type]  # the fields are named by the tests


ROW = PlanRow(KEY, 0.05, 4_000.0, {"x1.5": math.inf, "x2": 9.4, "x3": 2.6, "x0.5": 21.0})


def test_an_armed_cell_has_its_level_with_interval_and_its_times() -> None:
    line = plan_line(stream(), ROW, POLICY, {})

    assert (line.state, line.rate, line.events_per_day) == ("armed", 0.05, 4_000.0)
    assert line.low is not None
    assert line.high is not None
    assert 0.03 < line.low < 0.05 < line.high < 0.07
    assert line.noticed_after_h == {"x1.5": None, "x2": 9.4, "x3": 2.6, "x0.5": 21.0}
    assert (line.events_needed, line.armed_in_h) == (None, None)
    json.dumps(line.model_dump(mode="json"), allow_nan=False)


def test_a_learning_cell_says_how_much_it_needs_and_when_it_has_it() -> None:
    learning = stream(state="learning", events=50.0)
    cells: dict[tuple[Measure, str | None, str | None, str | None], float] = {
        (Measure.REFUSAL, "acme", "atlas", "benign"): 300.0
    }

    line = plan_line(learning, None, POLICY, cells)
    assert (line.events_needed, line.armed_in_h, line.noticed_after_h) == (150.0, 12.0, {})
    without = plan_line(learning, None, POLICY, {})
    assert (without.events_needed, without.armed_in_h) == (150.0, None)


def test_a_volume_has_an_interval_of_a_count() -> None:
    line = plan_line(
        stream(StreamKey(Measure.VOLUME, "cell", "acme", "atlas"), a=100.0, rate=40.0), None, POLICY, {}
    )
    assert line.low == pytest.approx(40 * (1 - 0.196), rel=1e-3)
    assert line.high == pytest.approx(40 * (1 + 0.196), rel=1e-3)


def test_a_level_that_nobody_knows_is_null() -> None:
    line = plan_line(stream(rate=math.nan, a=0.0), None, POLICY, {})
    assert (line.rate, line.low, line.high) == (None, None, None)


def test_events_a_day_are_counted_by_measure_and_cell() -> None:
    windows = [window(BEGIN + n * MINUTE, cell(10, 1), cell(5, 1, category="fraud")) for n in range(60)]
    found = events_a_day(windows)

    assert found[Measure.REFUSAL, "acme", "atlas", "benign"] == 10 * 60 * 24
    assert found[Measure.PROMPT_HARM, "acme", "atlas", None] == 15 * 60 * 24
    assert found[Measure.VOLUME, "acme", "atlas", None] == 15 * 60 * 24
    assert found[Measure.DEAD_LETTERS, None, None, None] == 15 * 60 * 24
    assert events_a_day([]) == {}


def lines() -> list[PlanLine]:
    other = StreamKey(Measure.MIX, "cell", "globex", "heron", "fraud")
    return [
        plan_line(stream(state="learning", events=1.0), None, POLICY, {}),
        plan_line(stream(other), PlanRow(other, 0.05, 9.0, {"x2": 99.0}), POLICY, {}),
        plan_line(stream(), ROW, POLICY, {}),
    ]


def test_cells_are_sorted_as_asked_for() -> None:
    def order(sort: str) -> list[tuple[str, str]]:
        return [(one.measure, one.state) for one in in_order(lines(), sort)]

    assert order("noticed") == [("refusal", "armed"), ("mix", "armed"), ("refusal", "learning")]
    assert order("traffic")[0] == ("refusal", "armed")
    assert order("name")[-1] == ("mix", "armed")
    assert len(order("rate")) == 3


def test_cells_are_chosen_by_name() -> None:
    nothing: frozenset[str] = frozenset()
    assert [
        one.measure for one in lines() if Choice(frozenset({"globex"}), nothing, nothing, nothing).takes(one)
    ] == ["mix"]
    assert (
        len([one for one in lines() if Choice(nothing, nothing, nothing, frozenset({"refusal"})).takes(one)])
        == 2
    )
    assert not [
        one
        for one in lines()
        if Choice(nothing, frozenset({"atlas"}), frozenset({"fraud"}), nothing).takes(one)
    ]


def document(cells: list[PlanLine]) -> PlanDocument:
    return PlanDocument(position=BEGIN, budget_per_month=2.0, cells=cells)


def test_the_plan_at_100_columns() -> None:
    shown = rendered(plan_view(document(in_order(lines(), "noticed")), 100, 40), 100)
    assert shown.splitlines()[0] == "Until a shift of the odds is noticed, by 2026-03-02 00:00:00 UTC"
    assert "refusal  acme · atlas · benign" in shown
    assert "never" in shown
    assert "Still learning" in shown
    assert "199" in shown


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_of_the_plan_is_wider_than_the_terminal(width: int) -> None:
    hostile = StreamKey(Measure.REFUSAL, "cell", "\x1b[31m" * 9, "\u202ex", "b" * 60)
    cells = [*lines(), plan_line(stream(hostile, state="firing"), None, POLICY, {})]
    shown = rendered(plan_view(document(cells), width, 40), width)
    assert max(map(len, shown.splitlines())) <= width
    assert not set(shown) & set("\x1b\u202e")


def test_of_many_cells_some_are_shown_and_the_rest_counted() -> None:
    cells = lines()[2:] * 50 + lines()[:1] * 50
    assert "… and 90 more, 50 of them still learning; --limit or --json has them." in rendered(
        plan_view(document(cells), 100, 10), 100
    )


def test_no_cell_is_said() -> None:
    assert "No cell is watched yet" in rendered(plan_view(document([]), 60, 40), 60)
    wanted = Choice(frozenset(["b", "a"]), frozenset(), frozenset(["benign"]), frozenset())
    none = rendered(plan_view(document([]), 120, 40, wanted=str(wanted)), 120)
    assert "No cell of tenant a or b, category benign is watched" in none


def test_the_plan_of_a_real_watch_has_a_line_a_stream() -> None:
    watch = Watch.new(POLICY, "watchkeeper")
    windows = list(shifting(120, 10_000))
    for one in windows:
        step = watch.take(one)
        watch.finish(step, {need: tuple(windows) for need in step.needs})
    found = plan_lines(watch, POLICY, events_a_day(windows))

    assert len(found) == len(watch.streams())
    refusal = next(one for one in found if (one.measure, one.model) == ("refusal", "atlas"))
    assert refusal.state == "armed"
    assert refusal.events_per_day == pytest.approx(40 * 60 * 24, rel=0.05)
    assert refusal.noticed_after_h["x3"] is not None
    assert timedelta(hours=refusal.noticed_after_h["x3"]) < timedelta(hours=12)
