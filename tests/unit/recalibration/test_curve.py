from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.calibration.population import Population
from monitor.intervals import wilson
from monitor.recalibration.curve import curve
from monitor.recalibration.rules import would_refuse
from monitor.recalibration.windows import read
from tests.unit.recalibration.logs import ONE, TWO, logged, record, sample, thresholds, token

SHARE = st.integers(0, 20).map(lambda k: k / 20)


@given(st.lists(SHARE, min_size=1, max_size=40), SHARE)
def test_the_curve_counts_what_each_threshold_would_refuse(scores: list[float], t: float) -> None:
    of = sample(scores)
    found = curve(of)
    assert found.rate_at(t) == pytest.approx(of.refused_at({"": t}).mean())
    assert (np.diff(found.rate) <= 0).all()
    assert (found.low <= found.rate + 1e-12).all()
    assert (found.high >= found.rate - 1e-12).all()


@pytest.mark.parametrize("rule", ["single", "category", "sum", "bias"])
def test_from_logs_under_one_threshold_the_rate_at_any_other_is_exact(rule: str) -> None:
    """What each record would have got, one by one, against the curves of its groups."""
    serving, selected = (ONE, ONE.refusals) if rule == "single" else (TWO, TWO.refusals)
    chance = np.random.default_rng(4)
    logits = chance.normal(0, 2, (300, len(serving.refusals) + 1)).tolist()
    live = thresholds(rule, 0.9, selected=selected)
    rows = [logged(token(serving, z, rule=rule, threshold=0.9, selected=selected)) for z in logits]
    of = read(rows, serving, live).sample
    for t in (0.0, 0.2, 0.5, 0.95, 1.0):
        asked = thresholds(rule, t, selected=selected)
        one_by_one = [would_refuse(record(serving, z), asked) for z in logits]
        groups = [of.where(of.group == name) for name in np.unique(of.group)]
        refused = sum(curve(group).rate_at(t) * len(group) for group in groups)
        assert refused == pytest.approx(sum(map(bool, one_by_one)))
        assert of.refused_at(asked.values).tolist() == one_by_one


def test_with_equal_weights_intervals_are_wilsons() -> None:
    found = curve(sample([0.1, 0.2, 0.6, 0.9], inclusion=[0.5] * 4))
    assert found.threshold.tolist() == [0.0, 0.1, 0.2, 0.6, 0.9, 1.0]
    assert found.rate.tolist() == [1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    ends = [wilson(k, 4) for k in (4, 4, 3, 2, 1, 0)]
    np.testing.assert_allclose(np.stack([found.low, found.high], axis=1), ends, rtol=1e-9)
    assert found.n == 4
    assert found.effective == pytest.approx(4)


def test_a_prompt_drawn_rarely_stands_for_those_that_were_not() -> None:
    assert curve(sample([0.2, 0.8], inclusion=[0.25, 1.0])).rate_at(0.5) == pytest.approx(0.2)


def test_prompts_that_no_threshold_decides_about_always_count() -> None:
    found = curve(sample([np.inf, -np.inf, 0.5, 0.5]))
    assert found.rate.tolist() == [0.75, 0.75, 0.25]


def test_no_prompts_are_no_curve() -> None:
    with pytest.raises(ValueError, match="at least one"):
        curve(sample([]))


def test_the_curve_holds_the_truth_also_of_weighted_prompts() -> None:
    """At 20 thresholds, each by itself 95 %, all at once by the band."""
    of = Population(rare=0.2)
    chance = np.random.default_rng(3)
    places = np.linspace(0.05, 0.95, 20)
    truth = np.array([of.rate(float(t)) for t in places])
    held, all_at_once = [], []
    for _ in range(300):
        found = curve(of.draw(1000, chance))
        at = np.searchsorted(found.threshold, places, side="left")
        held.append((found.low[at] <= truth) & (truth <= found.high[at]))
        all_at_once.append((np.abs(found.rate[at] - truth) <= found.band).all())
    assert np.mean(held) > 0.93
    assert np.mean(all_at_once) > 0.93
