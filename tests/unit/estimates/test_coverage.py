"""A small part of benchmarks/estimates: the intervals hold the rate as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.estimates.coverage import cell
from benchmarks.estimates.population import CASES, GUARDS, Case, exchanges, kinds, samples
from monitor.estimates.estimates import estimates
from monitor.estimates.groups import YES
from monitor.estimates.scores import bounds, score
from monitor.intervals import Z_95

TIMES = 500


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("rate", "judged"), [(0.02, 1000), (0.3, 400)])
def test_intervals_cover_the_rate(case: Case, rate: float, judged: int) -> None:
    """Within four standard errors of what is nominal from below; above it, an interval may be wide where cases are few."""
    for number, guard in enumerate(GUARDS):
        chance = np.random.default_rng((1, number))
        found = cell(case, rate, guard, sampled=0.05, judged=judged, times=TIMES, widths=20, chance=chance)

        for held in (found.horvitz_thompson, found.prediction_powered):
            assert held is not None
            assert held.coverage > 0.95 - 4 * (0.95 * 0.05 / TIMES) ** 0.5
            assert held.coverage < 0.985 or min(found.cases, found.errors) < 20


@pytest.mark.parametrize("case", CASES)
def test_a_population_has_the_rate_that_it_is_made_for(case: Case) -> None:
    for guard in GUARDS:
        of = kinds(case, 0.1, guard, 0.05)
        inside = sum(kind.share for kind in of if kind.answer)

        assert sum(kind.share for kind in of) == pytest.approx(1)
        assert sum(kind.share for kind in of if kind.answer == YES) == pytest.approx(0.1 * inside)


def test_an_estimate_is_right_on_average_and_a_good_guard_makes_it_steadier() -> None:
    of = kinds("refusal", 0.1, GUARDS[2], 0.05)
    groups = samples(of, exchanges(of, 1000), TIMES, np.random.default_rng(3))
    alone, powered, _ = estimates(groups)

    assert alone.mean() == pytest.approx(0.1, abs=4 * alone.std() / TIMES**0.5)
    assert powered.mean() == pytest.approx(0.1, abs=4 * powered.std() / TIMES**0.5 + 1e-3)
    assert powered.std() < 0.5 * alone.std()


def test_the_score_says_whether_the_interval_holds_the_rate() -> None:
    """What the coverage is read off."""
    of = kinds("over-refusal", 0.1, GUARDS[1], 0.05)
    groups = samples(of, exchanges(of, 300), 200, np.random.default_rng(4))
    _, powered, tuning = estimates(groups)
    low, high = bounds(groups, tuning, powered)
    is_held = np.abs(score(groups, tuning, np.full(200, 0.1))) <= Z_95

    assert ((low <= 0.1) & (high >= 0.1)).tolist() == is_held.tolist()
