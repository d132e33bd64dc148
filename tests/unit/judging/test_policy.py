"""What the guard says of an exchange and its id decide whether a judge is asked: the same always and everywhere."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.intervals import wilson
from monitor.judging.policy import Chooser, version_of
from monitor.ports import Score
from monitor.sampling import is_sampled
from monitor.settings import ModerationSettings
from schemas.judgements import JudgePolicy
from tests.fakes.judging import a_policy

THRESHOLDS = ModerationSettings()
CHOOSER = Chooser(a_policy(), THRESHOLDS)


def score(prompt_harm: float, refusal: float | None, response_harm: float | None) -> Score:
    return Score("ok", prompt_harm, refusal, response_harm, "benign", 0.9, False)


PLAIN = score(0.05, 0.02, 0.01)


@pytest.mark.parametrize(
    ("said", "stratum"),
    [
        (score(0.9, 0.1, 0.1), "harmful_not_refused"),
        (score(0.1, 0.1, 0.9), "harmful_not_refused"),
        (score(0.55, 0.1, 0.1), "harmful_not_refused"),
        (score(0.45, 0.1, 0.1), "uncertain"),
        (score(0.1, 0.55, 0.1), "uncertain"),
        (score(0.1, 0.95, 0.41), "uncertain"),
        (score(0.55, None, None), "uncertain"),
        (score(0.9, 0.9, 0.1), "sample/benign/refused"),
        (score(0.1, 0.9, 0.1), "sample/benign/refused"),
        (score(0.1, 0.1, 0.1), "sample/benign/answered"),
        (score(0.9, None, None), "sample/benign/no_response"),
    ],
)
def test_an_exchange_falls_into_one_stratum_by_what_the_guard_said(said: Score, stratum: str) -> None:
    choice = CHOOSER.choose("e1", said)

    assert (choice.stratum, choice.policy) == (stratum, "abcdef012345")
    assert choice.reason == stratum.partition("/")[0]


@pytest.mark.parametrize("status", ["unknown", "error", "skipped"])
def test_what_the_guard_had_no_answer_to_is_in_no_stratum_and_not_judged(status: str) -> None:
    choice = CHOOSER.choose("e1", Score(status, None, None, None, "", None, False))  # type: ignore[arg-type]  # any of them

    assert (choice.decision, choice.probability, choice.stratum) == ("unscored", 0.0, "")


def test_a_stratum_at_1_is_asked_whole_and_one_that_is_not_listed_at_the_rest_s_probability() -> None:
    assert {CHOOSER.choose(f"e{n}", score(0.9, 0.1, 0.1)).decision for n in range(1_000)} == {"asked"}
    assert {CHOOSER.choose(f"e{n}", PLAIN).probability for n in range(1_000)} == {0.25}


@pytest.mark.parametrize(("said", "probability"), [(score(0.1, 0.9, 0.1), 0.5), (PLAIN, 0.25)])
def test_a_stratum_s_share_of_all_ids_is_its_probability(said: Score, probability: float) -> None:
    asked = sum(CHOOSER.choose(f"event-{n}", said).is_asked for n in range(20_000))

    assert asked == pytest.approx(20_000 * probability, abs=4 * (20_000 * probability) ** 0.5)


@given(st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=30, unique=True), st.randoms())
def test_order_company_repeats_and_who_decides_change_nothing(ids: list[str], random: object) -> None:
    alone = {event_id: Chooser(a_policy(), THRESHOLDS).choose(event_id, PLAIN).decision for event_id in ids}
    shuffled = [*ids, *reversed(ids)]

    assert [CHOOSER.choose(event_id, PLAIN).decision for event_id in shuffled] == [
        alone[event_id] for event_id in shuffled
    ]


@given(st.text(max_size=40), st.floats(0, 1), st.floats(0, 1))
def test_whoever_is_asked_about_at_a_low_probability_is_at_a_high_one(
    event_id: str, one: float, other: float
) -> None:
    low, high = sorted((one, other))

    def is_asked(probability: float) -> bool:
        policy = msgspec.structs.replace(a_policy(), strata={}, otherwise=probability)
        return Chooser(policy, THRESHOLDS).choose(event_id, PLAIN).is_asked

    assert is_asked(low) <= is_asked(high)


def test_it_is_independent_of_what_the_guard_s_own_sample_takes() -> None:
    """Else one sample would be drawn from the other's, and no product of probabilities would be a weight."""
    seen = Counter(
        (is_sampled(f"e{n}", 0.25), CHOOSER.choose(f"e{n}", PLAIN).is_asked) for n in range(20_000)
    )
    taken = seen[True, True] + seen[True, False]
    low, high = wilson(seen[True, True], taken, z=3)

    assert low <= 0.25 <= high


def test_policies_that_choose_alike_have_one_version_and_others_another() -> None:
    def version(**changed: object) -> str:
        policy: JudgePolicy = msgspec.structs.replace(a_policy(), **changed)
        return version_of(policy.band, policy.strata, policy.otherwise)

    backwards = dict(reversed(a_policy().strata.items()))
    assert version() == version(strata=backwards) == version(asked_per_hour=1.0)
    assert len({version(), version(band=0.2), version(otherwise=0.5), version(strata={})}) == 4
