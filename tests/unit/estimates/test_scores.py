"""Intervals of judged groups: what they are where a closed form is known, and what must hold of any counts."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize  # type: ignore[import-untyped]  # scipy carries no types
from scipy.stats import beta  # type: ignore[import-untyped]  # as above

from monitor.estimates.estimates import correct, estimates
from monitor.estimates.groups import Groups
from monitor.estimates.scores import bounds, estimate_tuning, score
from monitor.estimates.tilt import tilted_shares
from monitor.intervals import Z_95, wilson
from tests.unit.estimates.groups import groups_of

COUNTS = st.tuples(st.integers(0, 200), st.integers(0, 200)).filter(lambda pair: sum(pair) >= 20)
GROUP = st.tuples(
    st.sampled_from((1.0, 2.0)),  # weight
    st.sampled_from((0.01, 0.1, 1.0)),  # probability
    st.sampled_from(((0, 0), (0, 1), (1, 1))),  # the guard's opinion
    st.integers(0, 40), st.integers(0, 40), st.integers(0, 40),  # judged
    st.integers(1, 5),  # scored, times the expected
)  # fmt: skip

SLOWLY = settings(max_examples=25, deadline=None)
"""An interval is some hundred tilts, which take what they take on a busy machine."""


def line(group: tuple[float, float, tuple[int, int], int, int, int, int]) -> tuple[float, ...]:
    weight, probability, (numerator, denominator), outside, no, yes, times = group
    judged = outside + no + yes
    scored = judged if probability == 1 else round(judged / probability * times / 3) + judged
    return (weight, probability, numerator, denominator, scored, judged, outside, no, yes)


ANY_CELL = st.lists(GROUP, min_size=1, max_size=5).map(lambda groups: groups_of(list(map(line, groups))))


def one_stratum(no: int, yes: int, probability: float = 1.0) -> Groups:
    total = no + yes
    return groups_of([(1, probability, 0, 1, round(total / probability), total, 0, no, yes)])


def skewness_corrected(yes: int, total: int, z: float = Z_95) -> tuple[float, float]:
    """Laud's interval of one proportion, by root finding on its formula."""

    def value(rate: float) -> float:
        variance = rate * (1 - rate) / total
        third = rate * (1 - rate) * (1 - 2 * rate) / total**2
        return float((yes / total - rate) / sqrt(variance) - (z * z - 1) * third / (6 * variance**1.5))

    # Near 0 and 1 the formula has a second root, which is no bound: expected counts below a third.
    share, edge = yes / total, 1 / 3 / total
    low = (
        brentq(lambda rate: value(rate) - z, 1e-12 if yes < total else 0.5, min(share, 1 - edge))
        if yes
        else 0.0
    )
    high = (
        brentq(lambda rate: value(rate) + z, max(share, edge), 1 - 1e-12 if yes else 0.5)
        if yes < total
        else 1.0
    )
    return low, high


@given(COUNTS, st.sampled_from((1.0, 0.1, 0.01)))
@SLOWLY
def test_one_stratum_has_lauds_interval_whatever_its_probability(
    counts: tuple[int, int], probability: float
) -> None:
    no, yes = counts
    groups = one_stratum(no, yes, probability)
    rates = np.array([yes / (no + yes)])
    low, high = bounds(groups, np.zeros(1), rates)

    assert (low[0], high[0]) == pytest.approx(skewness_corrected(yes, no + yes), abs=1e-5)


@given(COUNTS)
@SLOWLY
def test_without_the_skewness_it_would_be_wilsons(counts: tuple[int, int]) -> None:
    """At z = 1 the correction is nought, so the interval is Wilson's of that z."""
    no, yes = counts
    low, high = bounds(one_stratum(no, yes), np.zeros(1), np.array([yes / (no + yes)]), z=1.0)

    assert (low[0], high[0]) == pytest.approx(wilson(yes, no + yes, z=1.0), abs=1e-5)


def test_its_tails_are_nearly_those_of_jeffreys() -> None:
    low, high = bounds(one_stratum(90, 10), np.zeros(1), np.array([0.1]))
    golden = beta.ppf([0.025, 0.975], 10.5, 90.5)

    assert (low[0], high[0]) == pytest.approx(tuple(golden), abs=0.003)


@given(ANY_CELL)
@SLOWLY
def test_an_estimate_lies_in_its_interval_and_both_in_nought_to_one(groups: Groups) -> None:
    for one in correct(groups):
        for estimate in (one.horvitz_thompson, one.prediction_powered):
            if estimate.rate is None or estimate.low is None or estimate.high is None:
                assert estimate.reason
                continue
            assert 0 <= estimate.low <= estimate.rate <= estimate.high <= 1
            assert estimate.low < estimate.high


@given(ANY_CELL)
@SLOWLY
def test_an_interval_holds_the_rates_that_the_score_does_not_reject(groups: Groups) -> None:
    if not (groups.judged[..., 1:].sum() > 20):
        return
    alone, powered, tuning = estimates(groups)
    for rates, lam in ((alone, np.zeros(1)), (powered, tuning)):
        low, high = bounds(groups, lam, rates)
        for end, sign in ((low, 1), (high, -1)):
            if 1e-6 < end[0] < 1 - 1e-6 and abs(end[0] - rates[0]) > 1e-6:
                assert sign * score(groups, lam, end)[0] == pytest.approx(Z_95, abs=0.02)
        if low[0] > 1e-3:
            assert score(groups, lam, low / 2)[0] > Z_95
        if high[0] < 0.999:
            assert score(groups, lam, (1 + high) / 2)[0] < -Z_95


@given(ANY_CELL)
@SLOWLY
def test_the_complement_has_the_mirror_image(groups: Groups) -> None:
    mirrored = Groups(
        weight=groups.weight,
        probability=groups.probability,
        guard_numerator=groups.guard_denominator - groups.guard_numerator,
        guard_denominator=groups.guard_denominator,
        scored=groups.scored,
        chosen=groups.chosen,
        judged=groups.judged[..., [0, 2, 1]],
        beyond=groups.beyond,
    )
    for one, other in zip(correct(groups), correct(mirrored), strict=True):
        for this, that in (
            (one.horvitz_thompson, other.horvitz_thompson),
            (one.prediction_powered, other.prediction_powered),
        ):
            if this.rate is None or that.rate is None or this.low is None or that.high is None:
                assert this.reason == that.reason
                continue
            assert this.rate == pytest.approx(1 - that.rate, abs=1e-6)
            assert this.low == pytest.approx(1 - that.high, abs=1e-3)


def test_without_a_sample_left_to_chance_the_guard_adds_nothing() -> None:
    groups = groups_of([(1, 1, 1, 1, 50, 50, 0, 10, 40), (1, 1, 0, 1, 50, 50, 0, 45, 5)])
    alone, powered, _ = estimates(groups)

    assert alone == pytest.approx(0.45)
    assert powered == pytest.approx(0.45)


def test_a_good_guard_narrows_and_a_bad_one_is_left_out() -> None:
    good = [(1, 0.1, 1, 1, 3000, 300, 0, 6, 294), (1, 0.1, 0, 1, 7000, 700, 0, 693, 7)]
    bad = [(1, 0.1, 1, 1, 3000, 300, 0, 210, 90), (1, 0.1, 0, 1, 7000, 700, 0, 490, 210)]
    helped, left = correct(groups_of(good, bad))

    assert helped.tuning is not None
    assert helped.tuning > 0.95
    assert helped.narrower is not None
    assert helped.narrower > 2
    assert left.narrower == pytest.approx(1, abs=0.05)


def test_a_stratum_without_a_case_still_leaves_room_for_one() -> None:
    """Of 100 in a sample at one in a hundred, none: rule-of-three bounds, not nought."""
    groups = groups_of([(1, 1, 1, 1, 50, 50, 0, 0, 50), (1, 0.01, 0, 1, 10_000, 100, 0, 100, 0)])
    (found,) = correct(groups)

    for estimate in (found.horvitz_thompson, found.prediction_powered):
        assert estimate.low is not None
        assert estimate.high is not None
        assert 0.02 < estimate.high < 0.05
        assert estimate.low > 0.003


def test_one_agreement_by_luck_is_not_taken_for_skill() -> None:
    groups = groups_of([(1, 0.01, 1, 1, 100, 1, 0, 0, 1), (1, 0.01, 0, 1, 3000, 30, 0, 30, 0)])

    assert estimate_tuning(groups, np.array([0.03]))[0] < 0.75


def test_answers_that_are_missing_are_made_up_for_within_their_group() -> None:
    whole = [(1, 1, 1, 1, 40, 40, 0, 10, 30), (1, 0.1, 0, 1, 1000, 100, 0, 90, 10)]
    half = [(1, 1, 1, 1, 40, 40, 0, 5, 15), (1, 0.1, 0, 1, 1000, 100, 0, 90, 10)]
    one, other = correct(groups_of(whole, half))

    assert one.horvitz_thompson.rate == pytest.approx(other.horvitz_thompson.rate)
    assert one.horvitz_thompson.width is not None
    assert other.horvitz_thompson.width is not None
    assert one.horvitz_thompson.width < other.horvitz_thompson.width


@pytest.mark.parametrize(
    ("group", "beyond", "reason"),
    [
        ((1, 0.1, 0, 1, 100, 0, 0, 0, 0), 0.0, "not judged"),
        ((1, 0.1, 0, 1, 190, 19, 0, 10, 9), 0.0, "19 judged, 20 needed"),
        ((1, 0.1, 0, 1, 190, 60, 50, 5, 5), 0.0, "10 judged, 20 needed"),
        ((1, 0.5, 0, 1, 100, 50, 0, 40, 10), 100.0, "the judged speak for 50% of the exchanges only"),
    ],
)
def test_too_little_gives_no_estimate_and_says_why(
    group: tuple[float, ...], beyond: float, reason: str
) -> None:
    (found,) = correct(groups_of([group], beyond=beyond))

    assert found.horvitz_thompson.reason == found.prediction_powered.reason == reason
    assert found.horvitz_thompson.rate is None
    assert found.narrower is None


def test_a_few_that_stand_for_many_are_worth_few() -> None:
    groups = groups_of([(1, 1, 1, 1, 190, 190, 0, 0, 190), (1, 0.01, 0, 1, 1000, 10, 0, 10, 0)])
    (found,) = correct(groups)

    assert found.horvitz_thompson.reason == "200 judged are worth 14 drawn alike, 20 needed"


@pytest.mark.parametrize(
    "group",
    [
        (1, 0.0, 0, 1, 10, 1, 0, 1, 0),
        (1, 1.1, 0, 1, 10, 1, 0, 1, 0),
        (1, 0.5, 0, 1, 10, 1, 0, 1, 1),
        (1, 0.5, 0, 1, 3, 4, 0, 1, 1),
    ],
)
def test_counts_that_cannot_be_are_refused(group: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"probability|more are judged"):
        groups_of([group])


def test_a_cell_is_the_same_alone_and_among_others() -> None:
    one = [(1, 0.1, 1, 1, 300, 30, 0, 6, 24), (1, 0.1, 0, 1, 700, 70, 0, 68, 2)]
    other = [(1, 1, 1, 1, 50, 50, 5, 20, 25)]

    assert correct(groups_of(one, other)) == [*correct(groups_of(one)), *correct(groups_of(other))]


def test_tilted_shares_are_the_likeliest_under_the_constraint() -> None:
    counts = np.array([[3.0, 20.0, 4.0], [10.0, 2.0, 0.0]])
    sizes, weights, rate = counts.sum(axis=1), np.array([2.7, 40.0]), 0.3
    errors = np.array([0.0, -rate, 1 - rate])
    found = tilted_shares((counts / sizes[:, None])[None], weights[None], sizes[None], errors[None])[0]

    def minus_likelihood(shares: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        return -float((counts.ravel() * np.log(np.maximum(shares, 1e-12))).sum())

    best = minimize(
        minus_likelihood,
        np.full(6, 1 / 3),
        bounds=[(1e-9, 1)] * 6,
        constraints=[
            {"type": "eq", "fun": lambda p: p[:3].sum() - 1},
            {"type": "eq", "fun": lambda p: p[3:].sum() - 1},
            {"type": "eq", "fun": lambda p: weights @ (p.reshape(2, 3) @ errors)},
        ],
        options={"ftol": 1e-12, "maxiter": 500},
    )

    assert weights @ (found @ errors) == pytest.approx(0, abs=1e-6)
    assert found.sum(axis=1) == pytest.approx([1, 1])
    assert found.ravel() == pytest.approx(best.x, abs=1e-3)
