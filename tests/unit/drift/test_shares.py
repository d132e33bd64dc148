"""Shares of the budget: at most all of it, at all times, and none for what isn't there."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.drift.counts import table_of
from monitor.drift.detection import Detection
from monitor.drift.measures import Measure
from monitor.drift.moments import DAY_US, MONTH_US, us
from monitor.drift.policy import DriftPolicy
from monitor.drift.streams import LEVELS, MEASURES
from schemas.windows import Window
from tests.unit.drift.traffic import START, Cell, row_of, window_of

NAMES = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("mn"), st.sampled_from("xyz")),
    min_size=0,
    max_size=12,
    unique=True,
)


def _take(detection: Detection, window: Window, elapsed_us: int) -> None:
    detection.take(table_of(window), window, elapsed_us)
    detection.retire(us(window.ends_at))
    detection.forget(us(window.ends_at))


def _total(detection: Detection) -> float:
    """All shares, of all rows that drip."""
    shares = detection.shares_now()
    streams, groups = detection.streams, detection.groups.rows
    rows = np.flatnonzero((streams.is_armed & streams.is_active)[: streams.size])
    those = np.flatnonzero(groups.is_active[: groups.size])
    return float(
        shares[streams.measure[rows], 0].sum() + shares[groups.measure[those], groups.level[those]].sum()
    )


@settings(max_examples=15, deadline=None)
@given(
    present=st.lists(NAMES, min_size=1, max_size=8),
    gaps_h=st.lists(st.sampled_from([0.0, 1.0, 200.0, 5000.0]), min_size=8, max_size=8),
    parts=st.dictionaries(st.sampled_from(list(Measure)), st.floats(0.01, 10.0), min_size=1),
)
def test_the_shares_are_at_most_the_budget_whoever_comes_and_goes(
    present: list[list[tuple[str, str, str]]], gaps_h: list[float], parts: dict[Measure, float]
) -> None:
    detection = Detection(DriftPolicy(shares=parts, learn_events=20.0))
    at, rng = START, np.random.default_rng(1)
    dripped = 0.0
    for names, gap_h in zip(present, gaps_h, strict=False):
        cells = [Cell(tenant=t, model=m, category=c, rate=50.0) for t, m, c in names]
        begins = at + timedelta(hours=gap_h)
        window = window_of([row_of(cell, rng) for cell in cells], begins, 3600.0)
        before = detection.integral.copy()
        counts = _rows_at_each_level(detection)
        _take(detection, window, us(window.ends_at) - us(at))
        dripped += float(((detection.integral - before) * counts).sum())
        at = window.ends_at
        assert _total(detection) <= 1.0 + 1e-9
        assert dripped <= (us(at) - us(START)) / MONTH_US + 1e-9


def _rows_at_each_level(detection: Detection) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    detection.shares_now()
    streams, groups = detection.streams, detection.groups.rows
    counts = np.zeros((len(MEASURES), len(LEVELS)))
    for row in np.flatnonzero((streams.is_armed & streams.is_active)[: streams.size]):
        counts[streams.measure[row], 0] += 1.0
    for row in np.flatnonzero(groups.is_active[: groups.size]):
        counts[groups.measure[row], groups.level[row]] += 1.0
    return counts


def _armed(names: list[tuple[str, str, str]], policy: DriftPolicy | None = None) -> Detection:
    detection = Detection(policy or DriftPolicy(shares={Measure.REFUSAL: 1.0}))
    rng = np.random.default_rng(2)
    rows = [row_of(Cell(tenant=t, model=m, category=c, rate=1000.0), rng) for t, m, c in names]
    _take(detection, window_of(rows, START, 60.0), 60_000_000)
    return detection


def _levels(detection: Detection) -> set[str]:
    detection.shares_now()
    groups = detection.groups.rows
    return {key.level for row, key in enumerate(groups.keys) if groups.is_active[row]}


@pytest.mark.parametrize(
    ("names", "levels"),
    [
        ([("a", "m", "x")], set()),
        ([("a", "m", "x"), ("a", "m", "y")], {"tenant_model"}),
        ([("a", "m", "x"), ("a", "n", "x")], {"tenant", "category"}),
        ([("a", "m", "x"), ("b", "m", "x")], {"model", "category"}),
        ([("a", "m", "x"), ("b", "n", "x")], {"category", "all"}),
        ([("a", "m", "x"), ("b", "n", "y")], {"all"}),
        (
            [(t, m, c) for t in "ab" for m in "mn" for c in "xy"],
            {"tenant_model", "tenant", "model", "category", "all"},
        ),
    ],
)
def test_only_groups_that_say_something_else_have_a_share(
    names: list[tuple[str, str, str]], levels: set[str]
) -> None:
    detection = _armed(names)
    assert _levels(detection) == levels
    assert _total(detection) == pytest.approx(1.0)


def test_a_category_has_no_group_within_its_model_as_a_part_of_the_traffic() -> None:
    names = [(t, m, c) for t in "ab" for m in "mn" for c in "xy"]
    assert _levels(_armed(names, DriftPolicy(shares={Measure.MIX: 1.0}))) == {"category"}


def test_who_vanishes_gives_its_share_to_the_others_after_a_week() -> None:
    detection = _armed([("a", "m", "x"), ("a", "m", "y")])
    half = float(detection.shares_now()[0, 0])
    rng, at = np.random.default_rng(3), START + timedelta(seconds=60)
    for _ in range(9):
        window = window_of([row_of(Cell(tenant="a", model="m", category="x", rate=1000.0), rng)], at, 86400.0)
        _take(detection, window, DAY_US)
        at = window.ends_at
    assert half < 0.5
    assert detection.shares_now()[0, 0] == pytest.approx(1.0)
    back = window_of([row_of(Cell(tenant="a", model="m", category="y", rate=1000.0), rng)], at, 60.0)
    _take(detection, back, 60_000_000)
    assert detection.shares_now()[0, 0] == pytest.approx(half)


def test_who_has_been_gone_for_long_is_forgotten_and_the_others_stay_as_they_are() -> None:
    names = [("a", "m", "x"), ("a", "m", "y"), ("b", "n", "z")]
    detection = _armed(names)
    rng, at = np.random.default_rng(3), START + timedelta(seconds=60)
    for _ in range(20):
        window = window_of(
            [row_of(Cell(tenant="b", model="n", category="z", rate=1000.0), rng)], at, 7 * 86400.0
        )
        _take(detection, window, 7 * DAY_US)
        at = window.ends_at
    (key,) = detection.streams.keys
    assert (key.tenant, key.model, key.category) == ("b", "n", "z")
    assert {group.tenant for group in detection.groups.rows.keys} == {"b", None}
    assert detection.streams.events[0] > 15_000
    assert detection.groups.members(detection.groups.of[0, 0], detection.streams.size).tolist() == [0]


def test_a_pause_drips_at_most_a_day_and_an_eighth_of_the_threshold() -> None:
    for budget in (0.1, 2.0, 10_000.0):
        detection = _armed(
            [("a", "m", "x")], DriftPolicy(budget_per_month=budget, shares={Measure.REFUSAL: 1.0})
        )
        window = window_of((), START + timedelta(days=6), 60.0)
        _take(detection, window, 6 * DAY_US)
        due = detection.drip_at_most(Measure.REFUSAL, float(detection.integral[0, 0]))
        assert due <= min(DAY_US / MONTH_US, 0.125 / budget)


def test_groups_that_are_calmed_have_at_most_what_dripped_into_them() -> None:
    detection = _armed([("a", "m", "x"), ("a", "m", "y")])
    detection.shares_now()
    rng, at = np.random.default_rng(5), START + timedelta(seconds=60)
    for _ in range(3):
        cells = [Cell(tenant="a", model="m", category=c, rate=500.0, refuses_harmless=0.15) for c in "xy"]
        _take(detection, window_of([row_of(cell, rng) for cell in cells], at, 60.0), 60_000_000)
        at += timedelta(seconds=60)
    groups = detection.groups.rows
    (row,) = np.flatnonzero(groups.is_active[: groups.size])
    dripped = detection.integral[groups.measure[row], groups.level[row]]
    before = groups.log_r[row].copy()
    assert before.max() > np.log(dripped)
    detection.calm(np.array([0]))
    assert groups.log_r[row] == pytest.approx(np.minimum(before, np.log(dripped)))
    detection.empty(np.array([row]))
    assert np.isneginf(groups.log_r[row]).all()
