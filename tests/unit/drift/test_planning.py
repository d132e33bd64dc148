"""How soon a shift is noticed: against the detector, and what must hold of any figures."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.drift.planned import planned, table
from monitor.drift.detector import HARM_WEIGHTS, WEIGHTS
from monitor.drift.planning import SHIFTS, hours_to_notice, told
from schemas.evidence import Planning

Floats = NDArray[np.float64]


def _hours(
    *,
    level: float = 0.05,
    reference: float = 20_000.0,
    per_day: float = 10_000.0,
    share: float = 0.01,
    phi: float = 1.0,
    budget: float = 2.0,
    weights: Floats = WEIGHTS,
) -> Floats:
    figures = (np.array([figure]) for figure in (level, reference, per_day, share, phi))
    found: Floats = hours_to_notice(*figures, budget_per_month=budget, weights=weights)[0]
    return found


def test_the_plan_is_within_a_quarter_of_what_the_detector_takes() -> None:
    rows = planned(seed=2026, runs=60, rates=(0.05,), references=(20_000,))

    assert len(rows) == 8
    assert "largest error" in table(rows)
    # A quarter, and three standard errors of a mean of sixty runs, each of which varies by about half of it.
    ratios = np.array([row.delay / row.planned for row in rows])
    assert np.all((ratios > 1 / 1.25 - 0.2) & (ratios < 1.25 + 0.2))
    assert abs(np.log(ratios)).mean() < 0.15


def test_larger_shifts_more_traffic_and_more_budget_are_noticed_sooner() -> None:
    hours = _hours()

    assert np.all(np.isfinite(hours))
    assert hours[0] > hours[1] > hours[2]
    assert np.all(_hours(per_day=20_000.0) < hours)
    assert np.all(_hours(budget=20.0) < hours)
    assert np.all(_hours(share=0.001) > hours)
    assert np.all(_hours(phi=2.0) > hours)
    assert np.all(_hours(reference=5_000.0) > hours)


def test_where_a_rise_matters_it_is_noticed_sooner_and_a_fall_later() -> None:
    even, harm = _hours(), _hours(weights=HARM_WEIGHTS)

    assert np.all(harm[:3] < even[:3])
    assert harm[3] > even[3]


@pytest.mark.parametrize(
    "figures",
    [
        {"per_day": 0.0},
        {"share": 0.0},
        {"reference": 0.0},
        {"reference": 20.0},
        {"budget": 1e-300, "per_day": 0.0},
    ],
)
def test_what_is_never_noticed_is_infinite(figures: dict[str, float]) -> None:
    assert np.all(np.isinf(_hours(**figures)))  # type: ignore[arg-type]  # none of them is `weights`


@pytest.mark.parametrize("level", [1e-12, 1e-6, 0.5, 1.0 - 1e-6])
@pytest.mark.parametrize("budget", [1e-9, 1e4])
def test_borders_are_hours_or_infinite(level: float, budget: float) -> None:
    hours = _hours(level=level, budget=budget, reference=1e15)

    assert np.all(hours > 0.0)
    assert not np.isnan(hours).any()


def test_an_alert_leaves_out_what_is_never_noticed() -> None:
    assert told(10.0, np.array([np.inf, 3.0, 2.0, np.inf])) == Planning(
        events_per_day=10.0, noticed_after_h={"x2": 3.0, "x3": 2.0}
    )
    assert len(SHIFTS) == 4
