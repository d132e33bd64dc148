"""The bounds by one threshold, and the tail probabilities under them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom  # type: ignore[import-untyped]  # ships no types

from monitor.recalibration.betting import betting_bound
from monitor.recalibration.binomial import (
    cdf,
    hoeffding_bentkus,
    least_calls,
    least_exchangeable,
    most_allowed,
)
from monitor.recalibration.exceedance import (
    dkw,
    exceedance,
    hoeffding_bound,
    lost_above,
    p_values,
    pac,
    quantile,
    risk_control,
    split_conformal,
)

SCORES = st.lists(st.integers(0, 12), min_size=1, max_size=80)
ALPHAS = st.sampled_from([0.05, 0.1, 0.2, 0.37])


@pytest.mark.parametrize(("n", "p"), [(1, 0.5), (59, 0.05), (400, 0.2), (20_000, 0.01)])
def test_tail_probabilities_are_scipys(n: int, p: float) -> None:
    np.testing.assert_allclose(cdf(n, p), binom.cdf(np.arange(n + 1), n, p), rtol=1e-8, atol=1e-300)


def test_the_fewest_prompts_are_known_beforehand() -> None:
    assert least_calls(0.05, 0.05) == 59
    assert (most_allowed(58, 0.05, 0.05), most_allowed(59, 0.05, 0.05)) == (-1, 0)
    assert (least_exchangeable(0.05), least_exchangeable(0.1)) == (19, 9)
    assert most_allowed(0, 0.05, 0.05) == -1


@given(st.integers(1, 300), ALPHAS, st.integers(0, 300))
def test_a_hoeffding_bentkus_p_value_is_never_below_the_exact_one(n: int, alpha: float, k: int) -> None:
    k = min(k, n)
    found = hoeffding_bentkus(np.array([k / n]), n, alpha)[0]
    assert found >= min(1.0, binom.cdf(k, n, alpha)) - 1e-12
    assert found <= min(1.0, np.e * binom.cdf(k, n, alpha)) + 1e-12


def test_of_no_prompts_nothing_is_rejected() -> None:
    assert hoeffding_bentkus(np.array([0.0]), 0, 0.1).tolist() == [1.0]
    nothing = exceedance(np.array([]), np.array([]))
    assert quantile(nothing, 0.5) is None
    assert split_conformal(nothing, 0.1) is None
    assert hoeffding_bound(nothing, 0.1, 0.1) is None
    assert pac(nothing, 0.1, 0.1) is None
    assert dkw(0.0, 0.05) == 1.0


@given(SCORES, ALPHAS)
def test_split_conformal_is_the_kth_smallest(scores: list[int], alpha: float) -> None:
    n = len(scores)
    k = int(np.ceil((n + 1) * (1 - alpha) - 1e-9))
    found = split_conformal(exceedance(np.array(scores, float), np.ones(n)), alpha)
    if k > n:
        assert found is None
    else:
        wanted = sorted(scores)[k - 1]
        # Between two scores that are the same nothing lies: the least t with as little above it.
        assert found is not None
        assert sum(s > found for s in scores) == sum(s > wanted for s in scores)


@given(SCORES, ALPHAS, st.floats(0.1, 30))
def test_equal_weights_of_any_size_change_nothing(scores: list[int], alpha: float, weight: float) -> None:
    x = np.array(scores, float)
    plain, heavy = exceedance(x, np.ones(len(x))), exceedance(x, np.full(len(x), weight))
    assert heavy.is_plain
    assert split_conformal(plain, alpha) == split_conformal(heavy, alpha)
    assert pac(plain, alpha, 0.1) == pac(heavy, alpha, 0.1)
    assert hoeffding_bound(plain, alpha, 0.1) == hoeffding_bound(heavy, alpha, 0.1)


@given(SCORES, ALPHAS, st.sampled_from([0.05, 0.1, 0.3]))
def test_pac_is_the_least_score_with_few_enough_above(scores: list[int], alpha: float, delta: float) -> None:
    n = len(scores)
    found = pac(exceedance(np.array(scores, float), np.ones(n)), alpha, delta)
    k = next((k for k in range(1, n + 1) if binom.sf(k - 1, n, 1 - alpha) <= delta), None)
    assert found == (None if k is None else sorted(scores)[k - 1])


@given(SCORES, ALPHAS)
def test_hoeffding_bentkus_never_certifies_more_than_the_exact_bound(scores: list[int], alpha: float) -> None:
    of = exceedance(np.array(scores, float), np.ones(len(scores)))
    exact, safe = pac(of, alpha, 0.1), hoeffding_bound(of, alpha, 0.1)
    assert safe is None or (exact is not None and safe >= exact)


def test_a_graver_loss_counts_for_more() -> None:
    x = np.linspace(0, 1, 200)
    light = risk_control(exceedance(x, np.ones(200), np.full(200, 0.5)), 0.1)
    full = risk_control(exceedance(x, np.ones(200)), 0.1)
    assert light is not None
    assert full is not None
    assert light < full
    # Twice the bound, with the losses as they are: (sum + 2) / (n + 1).
    assert risk_control(exceedance(x, np.ones(200)), 0.1, bound=2.0) == pytest.approx(x[200 - 1 - 18])


def test_the_binomial_bound_refuses_prompts_that_count_differently() -> None:
    for of in (
        exceedance(np.array([1.0, 2.0]), np.array([1.0, 3.0])),
        exceedance(np.array([1.0, 2.0]), np.ones(2), np.array([1.0, 0.5])),
    ):
        with pytest.raises(ValueError, match="drawn alike"):
            pac(of, 0.1, 0.1)


def test_a_weight_beyond_the_greatest_is_refused() -> None:
    with pytest.raises(ValueError, match="greatest"):
        exceedance(np.array([1.0]), np.array([5.0]), heaviest=4.0)


def test_a_greater_weight_that_might_come_makes_the_bound_more_careful() -> None:
    x = np.linspace(0, 1, 300)
    near = split_conformal(exceedance(x, np.ones(300)), 0.1)
    far = split_conformal(exceedance(x, np.ones(300), heaviest=5.0), 0.1)
    assert near is not None
    assert far is not None
    assert far > near


def test_p_values_rise_with_what_is_lost() -> None:
    of = exceedance(np.linspace(0, 1, 100), np.linspace(1, 4, 100))
    values = p_values(lost_above(of, np.array([1.0, 0.9, 0.5, -1.0])), of, 0.3)
    assert values.tolist() == sorted(values.tolist())
    assert lost_above(of, np.array([1.0, -1.0])).tolist() == pytest.approx([0.0, of.total])


def test_the_quantile_has_the_share_above_it() -> None:
    of = exceedance(np.arange(1, 101, dtype=float), np.ones(100))
    assert quantile(of, 0.2) == 80.0
    weighted = exceedance(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 2.0]))
    assert quantile(weighted, 0.5) == 2.0


def test_dkw_holds_the_whole_distribution() -> None:
    chance = np.random.default_rng(1)
    off = [np.abs(np.sort(chance.random(200)) - np.arange(1, 201) / 200).max() for _ in range(400)]
    assert np.mean(np.array(off) > dkw(200, 0.1)) < 0.1 + 3 * (0.09 / 400) ** 0.5


def bet(x: list[float], weights: list[float] | None = None, **options: Any) -> float | None:
    whole: dict[str, Any] = {
        "alpha": 0.1,
        "delta": 0.05,
        "heaviest": 1.0,
        "grid": np.array([0.9, 0.7, 0.5, 0.3]),
    }
    ones = np.ones(len(x))
    scale = ones if weights is None else np.array(weights)
    return betting_bound(np.array(x), scale, ones, **(whole | options))


def test_a_bet_is_won_down_to_where_the_risk_begins() -> None:
    """A tenth of the scores above 0.6 in a mixed order: nothing above 0.7 is lost, too much above 0.5."""
    scores = [0.6 if number % 10 == 3 else 0.2 for number in range(300)]
    assert bet(scores) == 0.7
    assert bet(scores[:5]) is None
    assert bet([]) is None
    assert bet([0.2] * 300) == 0.3
    assert bet([0.95] * 300) is None


def test_a_bet_knows_the_scale_of_weights_by_the_greatest_alone() -> None:
    scores = [0.6 if number % 20 == 3 else 0.2 for number in range(300)]
    weights = [5.0 if number % 2 else 1.0 for number in range(300)]
    assert bet(scores, weights, heaviest=5.0) == bet(scores, [w / 5 for w in weights])


def test_thresholds_are_taken_in_turn_however_many_there_are() -> None:
    scores = [number / 300 for number in range(300)]
    chance = np.random.default_rng(2)
    chance.shuffle(scores)
    fine = np.linspace(1, 0, 101)
    found = bet(scores, grid=fine)
    assert found == bet(scores, grid=fine[fine >= (found or 0.0)])
    assert 0.9 < (found or 0.0) < 1.0
