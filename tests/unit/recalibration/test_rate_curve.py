"""What a plot is drawn from: the rate at every threshold, old and new marked."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from benchmarks.calibration.population import SERVING, Population, single
from monitor.recalibration.rate_curve import MOST_POINTS, RateCurve, rate_curves
from monitor.recalibration.windows import read
from schemas.calibrations import ALL
from tests.unit.recalibration.logs import AT, sample, thresholds


def test_old_and_new_are_marked_on_a_curve_that_falls() -> None:
    of = Population(harmful=0.3)
    window = read(of.logs(2_000, single(0.5), np.random.default_rng(3), begins_at=AT), SERVING, single(0.5))
    (found,) = rate_curves(window.sample, single(0.8), single(0.5), {ALL: 0.2})
    rates = [point.rate for point in found.points]
    assert (len(found.points), found.points[0].threshold, found.points[-1].threshold) == (
        MOST_POINTS,
        0.0,
        1.0,
    )
    assert (rates[0], rates == sorted(rates, reverse=True)) == (1.0, True)
    assert all(point.low <= point.rate <= point.high for point in found.points)
    assert found.old is not None
    assert found.old.rate.value == pytest.approx(float((window.sample.score >= 0.5).mean()))
    assert found.new.rate.value == pytest.approx(float((window.sample.score >= 0.8).mean()))
    assert found.old.text is not None
    assert found.new.text is not None
    assert (found.old.text.switched, found.new.text.low < found.new.text.high) == (0.0, True)
    assert (found.n, found.target) == (2_000, 0.2)
    assert msgspec.json.decode(msgspec.json.encode(found), type=RateCurve) == found


def test_groups_have_curves_of_their_own_and_prompts_that_no_threshold_decides_are_in_none() -> None:
    now = thresholds("category", 0.5, selected=("[a]", "[b]"))
    mixed = sample([0.1, 0.6, 0.9, float("inf")], group=["[a]", "[a]", "[b]", "[b]"])
    found = {one.group: one for one in rate_curves(mixed, now, None, {"[a]": None})}
    assert {name: (one.n, one.new.rate.value, one.old, one.target) for name, one in found.items()} == {
        "[a]": (2, 0.5, None, None),
        "[b]": (1, 1.0, None, None),
    }


def test_an_empty_window_has_no_curve_and_another_rule_before_no_mark() -> None:
    now = thresholds("single", 0.5)
    assert rate_curves(sample([]), now, None, {}) == ()
    (found,) = rate_curves(sample([0.2, 0.7]), now, thresholds("sum", 0.4), {})
    assert (found.old, found.new.text, found.new.threshold) == (None, None, 0.5)
