"""The policy that a budget allows under the traffic there is: pure. Rates are exchanges a second.

What must be judged comes first, but a part of the budget is the random sample's whatever comes: without one there is
nothing to correct the rates by. Where the musts are more than the rest, their probability falls below 1, and the policy says so.

The sample's part is shared out by the square root of each stratum's traffic (the power allocation of Bankier, 1988, with
exponent 1/2): by traffic alone a rare category would get no judgement, by equal parts the common ones, on which the totals
hang, too few.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import sqrt
from typing import Final

from monitor.judging.policy import MUSTS, version_of
from monitor.judging_settings import JudgingSettings
from schemas.judgements import JudgePolicy

HOUR_S: Final = 3600.0
AHEAD_S: Final = 600.0
"""For how long a policy is made to last: what was asked in the hour before, less this, is taken off the budget."""
CATCHES_UP: Final = 2.0
"""After a quiet time so many times the budget's rate may be asked, and no more: a burst of questions has to be answered too."""
LEAST_SHARE: Final = 0.01
"""Part of the budget's rate that is asked even where the hour is used up: no stratum's probability may be 0."""
FIRST_PER_S: Final = 100.0
"""Exchanges a second that the first policy is made for, before any traffic has been seen."""
KEPT_FROM: Final = 0.8
KEPT_TO: Final = 1.05
"""A policy is kept while it asks between these parts of what a new one would: equal policies make replays decide the same."""


def first_policy(fleet: str, settings: JudgingSettings, at: datetime) -> JudgePolicy:
    """Before anything is known of the traffic: the musts whole, of the rest a part. A function of the settings."""
    otherwise = _rounded(settings.budget_per_hour / HOUR_S / FIRST_PER_S)
    return _policy(fleet, settings, dict.fromkeys(MUSTS, 1.0), otherwise, asked_per_s=0.0, at=at)


def allowed_per_s(settings: JudgingSettings, asked: float) -> float:
    """What may be asked in the next AHEAD_S, after `asked` in the hour less AHEAD_S before: so that the hour holds."""
    steady = settings.budget_per_hour / HOUR_S
    left = (settings.budget_per_hour - asked) / AHEAD_S
    return min(max(left, LEAST_SHARE * steady), CATCHES_UP * steady)


def next_policy(
    current: JudgePolicy,
    settings: JudgingSettings,
    rates: Mapping[str, float],
    allowed: float,
    at: datetime,
) -> JudgePolicy:
    """The current one where it still does, else a new one for this traffic."""
    fresh = policy_for(current.fleet, settings, rates, allowed, at)
    asks, would_ask = expected_per_s(current, rates), expected_per_s(fresh, rates)
    is_near = KEPT_FROM * would_ask <= asks <= KEPT_TO * would_ask
    asks_musts = all(current.strata.get(must, 0.0) >= fresh.strata[must] for must in MUSTS)
    return current if is_near and asks_musts and current.band == fresh.band else fresh


def policy_for(
    fleet: str, settings: JudgingSettings, rates: Mapping[str, float], allowed: float, at: datetime
) -> JudgePolicy:
    """The policy that asks `allowed` a second of this traffic, or all of it."""
    musts = sum(rates.get(must, 0.0) for must in MUSTS)
    for_musts = allowed * (1.0 - settings.sample_share)
    share = 1.0 if musts <= for_musts else _rounded(for_musts / musts)
    rest = {stratum: rate for stratum, rate in rates.items() if stratum not in MUSTS and rate > 0}
    sample = _shared_out(rest, allowed - share * musts)
    # One that wasn't seen is rare: it is judged like the rarest that was.
    otherwise = max(sample.values(), default=_rounded(settings.budget_per_hour / HOUR_S / FIRST_PER_S))
    strata = dict.fromkeys(MUSTS, share) | sample
    made = _policy(fleet, settings, strata, otherwise, asked_per_s=0.0, at=at)
    asked_per_s = expected_per_s(made, rates)
    return _policy(fleet, settings, strata, otherwise, asked_per_s=asked_per_s, at=at)


def expected_per_s(policy: JudgePolicy, rates: Mapping[str, float]) -> float:
    """How many exchanges a second of this traffic the policy has judged."""
    return sum(rate * policy.strata.get(stratum, policy.otherwise) for stratum, rate in rates.items())


def _shared_out(rates: Mapping[str, float], budget: float) -> dict[str, float]:
    """Probabilities c / sqrt(rate), at most 1, that use the budget up."""
    left, roots = budget, sum(sqrt(rate) for rate in rates.values())
    shared: dict[str, float] = {}
    for stratum, rate in sorted(rates.items(), key=lambda one: (one[1], one[0])):
        root = sqrt(rate)
        # The rarest first: those that it takes whole leave more, or less, for each of the others.
        probability = min(1.0, left / roots / root) if left > 0 else 0.0
        shared[stratum] = _rounded(probability)
        left -= probability * rate
        roots -= root
    return shared


def _rounded(probability: float) -> float:
    """To three digits: less is no policy of its own. Never 0, which no weight could make good."""
    return min(1.0, max(1e-9, float(f"{probability:.3g}")))


def _policy(
    fleet: str,
    settings: JudgingSettings,
    strata: Mapping[str, float],
    otherwise: float,
    *,
    asked_per_s: float,
    at: datetime,
) -> JudgePolicy:
    ordered = dict(sorted(strata.items()))
    return JudgePolicy(
        fleet=fleet,
        version=version_of(settings.uncertain_band, ordered, otherwise),
        band=settings.uncertain_band,
        strata=ordered,
        otherwise=otherwise,
        made_at=at,
        budget_per_hour=settings.budget_per_hour,
        asked_per_hour=round(asked_per_s * HOUR_S, 1),
        is_crowded_out=strata[MUSTS[0]] < 1.0,
    )
