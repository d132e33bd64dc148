"""Sizes and times at the borders, and how often all streams together alarm."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import numpy as np
import pytest

from monitor.drift.measures import Measure
from monitor.drift.policy import DriftPolicy
from monitor.drift.watch import Watch
from schemas.alerts import Alert
from schemas.windows import Window, WindowCounts
from tests.unit.drift.traffic import GUARD, START, Cell, Memory, Told, row_of, watched, window_of

ROW = row_of(Cell(rate=60.0), np.random.default_rng(1))


def test_a_hundred_thousand_cells_are_watched_and_carried() -> None:
    rows = tuple(
        msgspec.structs.replace(
            ROW, tenant=f"t{number // 100}", model=f"m{number % 10}", category=f"c{number // 10 % 10}"
        )
        for number in range(100_000)
    )
    policy = DriftPolicy(shares={Measure.REFUSAL: 1.0}, learn_events=20.0)
    watch = Watch.new(policy, "fleet")
    for number in range(2):
        step = watch.take(window_of(rows, START + timedelta(minutes=number)))
        assert watch.finish(step, {}) == ()
    streams = watch.streams()
    assert len(streams) == 100_000
    assert {view.state for view in streams} == {"armed"}
    assert len(watch.plan()) == 100_000
    state = watch.to_bytes()
    assert Watch.from_bytes(state, policy, "fleet").to_bytes() == state


def _counts(k: int, n: int, tenant: str = "a", category: str = "x") -> WindowCounts:
    return WindowCounts(
        tenant=tenant,
        model="m",
        category=category,
        guard_name=GUARD[0],
        guard_version=GUARD[1],
        guard_prompt_hash=GUARD[2],
        calibration_version=GUARD[3],
        events=n,
        to_be_scored=n,
        answered=n,
        responded=n,
        refused=k,
        harmless=0,
        harmless_refused=0,
        harmful=0,
        harmful_refused=0,
        harmful_prompts=0,
        harmful_responses=0,
    )


@pytest.mark.parametrize("k", [0, 100], ids=["never", "always"])
def test_a_rate_of_0_or_1_is_a_baseline_like_others(k: int) -> None:
    told = watched(DriftPolicy(shares={Measure.REFUSAL: 1.0}))
    told.see(window_of([_counts(k, 100)], START + timedelta(minutes=number)) for number in range(50))
    assert told.alerts == []
    (view,) = told.watch.streams()
    assert abs(view.rate - k / 100) < 0.001
    told.see(window_of([_counts(50, 100)], START + timedelta(minutes=50 + number)) for number in range(3))
    assert [alert.place["measure"] for alert in told.begun] == ["refusal"]


def test_huge_counts_are_fine() -> None:
    told = watched()
    rng = np.random.default_rng(4)
    for number in range(5):
        n = 1_000_000_000
        told.see([window_of([_counts(int(rng.binomial(n, 0.1)), n)], START + timedelta(minutes=number))])
    assert told.alerts == []
    told.see([window_of([_counts(300_000_000, 1_000_000_000)], START + timedelta(minutes=6))])
    assert told.begun


def test_nothing_but_events_without_an_answer_is_watched_for_coverage_alone() -> None:
    nothing = msgspec.structs.replace(_counts(0, 0, category=""), events=50, to_be_scored=50)
    told = watched()
    told.see([window_of([nothing], START + timedelta(minutes=number)) for number in range(5)])
    assert {view.key.measure for view in told.watch.streams()} == {
        Measure.COVERAGE,
        Measure.VOLUME,
        Measure.DEAD_LETTERS,
    }


@pytest.mark.parametrize("budget", [1e-6, 2.0, 10_000.0])
def test_steady_traffic_is_never_an_alarm_by_the_time_alone(budget: float) -> None:
    """The same window again and again is what is expected, to the event: whatever M is, no window raises it by much."""
    told = watched(DriftPolicy(budget_per_month=budget, shares={Measure.REFUSAL: 1.0}))
    for number in range(200):
        pause = timedelta(days=number // 20)
        told.see([window_of([_counts(10, 100)], START + timedelta(minutes=number) + pause)])
    assert len(told.begun) <= max(0, round(budget / 1000))


def test_a_history_that_is_gone_is_made_do_without() -> None:
    watch = Watch.new(DriftPolicy(shares={Measure.REFUSAL: 1.0}), "fleet")
    alerts: list[Alert] = []
    for number in range(30):
        step = watch.take(
            window_of([_counts(5 if number < 20 else 60, 100)], START + timedelta(minutes=number))
        )
        alerts += watch.finish(step, {})
    assert {alert.place["measure"] for alert in alerts} == {"refusal"}


def test_all_streams_together_alarm_at_most_as_often_as_the_budget_says() -> None:
    """500 streams of mixed rates for two months, with their groups."""
    rng = np.random.default_rng(20260302)
    cells, per_month, promised = 500, 150, 8.0
    rates = np.exp(rng.uniform(np.log(0.005), np.log(0.4), cells))
    sizes = np.exp(rng.uniform(np.log(4.0), np.log(80.0), cells))
    month_s = 30.4375 * 86400.0
    told = Told(
        Watch.new(DriftPolicy(budget_per_month=promised, shares={Measure.REFUSAL: 1.0}), "fleet"), Memory()
    )
    for number in range(2 * per_month):
        n = rng.poisson(sizes)
        k = rng.binomial(n, rates)
        rows = [
            _counts(int(k[at]), int(n[at]), f"t{at // 20}", f"c{at % 20}") for at in range(cells) if n[at]
        ]
        width = month_s / per_month
        at = START + timedelta(seconds=width * number)
        told.see([window_of(rows, at, width)])
    # Streams that have just been armed alarm later than their share says, so fewer are to be expected.
    assert len(told.begun) <= 2 * promised * 1.25
    assert len(told.begun) >= 2


VOLUME = DriftPolicy(shares={Measure.VOLUME: 1.0})


def _traffic(number: int, rate: float, tenant: str = "a") -> Window:
    """An hour of one tenant's traffic."""
    n = int(np.random.default_rng([6, number]).poisson(rate))
    return window_of([_counts(0, n, tenant)] if n else [], START + timedelta(hours=number), 3600.0)


def test_traffic_that_stops_is_told_at_once_after_a_week_of_it_and_not_before() -> None:
    told = watched(VOLUME)
    told.see(_traffic(number, 200.0) for number in range(100))
    told.see(_traffic(number, 0.0) for number in range(100, 103))
    assert told.alerts == []
    told.see(_traffic(number, 200.0) for number in range(103, 240))
    assert told.alerts == []
    told.see(_traffic(number, 0.0) for number in range(240, 245))
    (alert,) = told.begun
    assert (alert.kind, alert.severity) == ("volume_shift", "info")
    assert alert.place == {"measure": "volume", "tenant": "a", "model": "m"}
    evidence = alert.drift
    assert evidence is not None
    assert evidence.direction == "down"
    assert 190.0 < evidence.rate_before.value < 205.0


def test_a_volume_of_which_nothing_comes_any_more_is_forgotten() -> None:
    told = watched(VOLUME)
    told.see(_traffic(number, 200.0, "gone") for number in range(20))
    told.see(_traffic(number, 200.0, "here") for number in range(20, 40))
    assert {view.key.tenant for view in told.watch.streams()} == {"gone", "here"}
    told.see(_traffic(24 * day, 200.0, "here") for day in range(2, 150, 2))
    assert {view.key.tenant for view in told.watch.streams()} == {"here"}
