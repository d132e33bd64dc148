from __future__ import annotations

import numpy as np
import pytest

from benchmarks.calibration.population import Population
from benchmarks.calibration.text_bounds import held
from monitor.intervals import Z_95, wilson
from monitor.recalibration.obedience import Obeyed, obedience
from monitor.recalibration.text_rate import text_rate
from monitor.recalibration.weighted import difference, share
from schemas.evidence import Interval
from tests.unit.recalibration.logs import sample

NAN = float("nan")


def test_outside_of_the_band_the_text_is_as_it_was() -> None:
    """Threshold 0.5 to 0.7: two of ten would get the other token."""
    scores = [0.1, 0.2, 0.3, 0.4, 0.45, 0.55, 0.65, 0.8, 0.9, 0.95]
    emitted = [0.0] * 5 + [1.0] * 5
    text = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0]
    found = text_rate(sample(scores, emitted=emitted, text=text), {"": 0.7})
    assert found is not None
    assert (found.n, found.switched, found.forced, found.randomised) == (10, 0.2, None, None)
    assert (found.low, found.high) == (wilson(4, 10)[0], wilson(6, 10)[1])
    # A respond token makes no refusal more likely: the one that answered would answer again.
    assert (found.monotone_low, found.monotone_high) == (wilson(4, 10)[0], wilson(5, 10)[1])


def test_the_thresholds_in_force_leave_nothing_open() -> None:
    found = text_rate(sample([0.2, 0.8], emitted=[0.0, 1.0], text=[0.0, 1.0]), {"": 0.5})
    assert found is not None
    assert (found.switched, found.low, found.high) == (0.0, *wilson(1, 2))


def test_answers_whose_token_or_text_is_unknown_do_not_count() -> None:
    of = sample([0.2, 0.8, 0.9], emitted=[0.0, NAN, 1.0], text=[NAN, 1.0, 1.0])
    found = text_rate(of, {"": 0.5})
    assert found is not None
    assert found.n == 1
    assert text_rate(sample([0.5]), {"": 0.5}) is None


def test_forced_tokens_tell_what_the_band_might_do_if_it_is_like_them() -> None:
    forced = sample(
        [0.6] * 40 + [0.4] * 40,
        emitted=[0.0] * 40 + [0.0] * 40,
        natural=[1.0] * 40 + [0.0] * 40,
        text=[1.0] * 10 + [0.0] * 30 + [0.0] * 40,
    )
    more = text_rate(forced, {"": 0.3})  # all get a refusal token, of which none was seen forced
    assert more is not None
    assert more.forced is None
    same = text_rate(forced, {"": 0.7})
    assert same is not None
    assert same.forced == pytest.approx(10 / 80)


def test_deterministic_traffic_of_the_band_has_no_randomised_estimate() -> None:
    columns = {"emitted": [0.0, 1.0], "text": [0.0, 1.0]}
    found = text_rate(sample([0.2, 0.8], propensity=[0.9, 1.0], **columns), {"": 0.9})
    assert found is not None
    assert found.randomised is None


@pytest.mark.parametrize(("live", "new"), [(0.5, 0.3), (0.2, 0.6)])
def test_bounds_hold_the_texts_rate_and_randomised_traffic_finds_it(live: float, new: float) -> None:
    of = Population(forced_respond=0.3, forced_refuse=0.8)
    found = held(of, live, new, times=20, prompts=1500, explored=0.1, seed=4)
    assert min(found.bounds, found.monotone) >= 0.95
    assert found.randomised >= 0.95 - 3 * (0.05 * 0.95 / 20) ** 0.5
    assert found.monotone_width <= found.width
    assert abs(found.naive - found.truth) > 0.01  # the token's rate is not the text's


def test_obedience_is_split_by_token_and_by_who_chose_it() -> None:
    of = sample(
        [0.5] * 6,
        emitted=[1, 1, 1, 0, 0, NAN],
        natural=[1, 0, 0, 0, 1, 1],
        text=[1, 1, 0, 0, NAN, 1],
    )
    assert obedience(of, z=Z_95) == (
        Obeyed("refuse", "natural", 1, Interval(1.0, *wilson(1, 1))),
        Obeyed("refuse", "forced", 2, Interval(0.5, *wilson(1, 2))),
        Obeyed("respond", "natural", 1, Interval(0.0, *wilson(0, 1))),
        Obeyed("respond", "forced", 0, None),
    )


def test_a_share_of_equal_weights_has_wilsons_interval() -> None:
    found = share(np.array([1.0, 0.0, 0.0, 0.0]), np.full(4, 0.1))
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((0.25, *wilson(1, 4)))
    assert share(np.array([]), np.array([])) is None


def test_weighted_shares_are_held_as_often_as_they_say() -> None:
    of = Population(rare=0.2)
    chance = np.random.default_rng(5)
    truth = of.rate(0.4)
    held_by = []
    for _ in range(400):
        drawn = of.draw(800, chance)
        found = share((drawn.score >= 0.4).astype(np.float64), drawn.inclusion)
        assert found is not None
        held_by.append(found.low <= truth <= found.high)
    assert np.mean(held_by) > 0.95 - 3 * (0.05 * 0.95 / 400) ** 0.5


def test_a_difference_has_newcombes_interval() -> None:
    """Newcombe (1998), table II, example a: 56/70 and 48/80."""
    after, before = Interval(56 / 70, *wilson(56, 70)), Interval(48 / 80, *wilson(48, 80))
    found = difference(after, before)
    assert (round(found.value, 4), round(found.low, 4), round(found.high, 4)) == (0.2, 0.0524, 0.3339)
