"""From what a team wants of a group to its threshold, or to "none certified", which changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from monitor.errors import Misconfigured
from monitor.estimates.horvitz_thompson import Floats
from monitor.recalibration import learn_then_test
from monitor.recalibration.betting import betting_bound
from monitor.recalibration.binomial import least_calls, least_exchangeable
from monitor.recalibration.exceedance import (
    Exceedance,
    dkw,
    exceedance,
    hoeffding_bound,
    pac,
    quantile,
    risk_control,
    split_conformal,
)
from monitor.recalibration.learn_then_test import COARSE, GRID, Family
from monitor.recalibration.weighted import effective_size
from monitor.recalibration.windows import Sample
from schemas.calibrations import Policy, Procedure

Chosen = Procedure | Literal["auto"]


@dataclass(frozen=True, slots=True)
class Certified:
    """The threshold that was chosen, within the certified ones, which reach from `low` to `high`."""

    threshold: float
    procedure: Procedure
    guarantee: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class NoneCertified:
    """No threshold is certified: nothing is to be changed. `reason` is for a person."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Bound:
    """One of the policy's bounds: `most` of the loss where x > t. Columns in the order of the prompts, and sorted in `of`."""

    name: Literal["over-refusal", "miss"]
    most: float
    x: Floats
    weights: Floats
    losses: Floats
    of: Exceedance


def checked(policy: Policy) -> Policy:
    """The same. Raises Misconfigured, with every fault, where it asks for nothing or for what can't be."""
    faults = []
    if policy.target_rate is None and policy.over_refusal is None and policy.miss is None:
        faults.append("it asks for nothing")
    if policy.target_rate is not None and not 0 <= policy.target_rate <= 1:
        faults.append(f"target_rate {policy.target_rate} is not in 0..1")
    for name in ("over_refusal", "miss", "delta"):
        value = getattr(policy, name)
        if value is not None and not 0 < value < 1:
            faults.append(f"{name} {value} is not between 0 and 1")
    if faults:
        raise Misconfigured(
            f"calibration policy: {'; '.join(faults)}",
            "state a target_rate, or bounds on over_refusal or miss, as shares",
        )
    return policy


def solve(
    group: Sample,
    policy: Policy,
    *,
    live: float | None = None,
    procedure: Chosen = "auto",
    family: Family = "fixed_sequence",
    heaviest: float | None = None,
) -> Certified | NoneCertified:
    """The threshold for the prompts of one group (all scores finite) under a policy.

    Any threshold between the certified ends keeps the bounds, so the target rate, or `live` (the threshold in force), is come
    as near to as they allow; with one bound alone it is that bound's end. `heaviest`: the greatest weight by design.
    Raises Misconfigured for a policy or procedure that makes no sense.

    auto: quantile for a target alone; with delta None, split conformal (conformal risk control where severities differ); else the
    binomial bound, each of r bounds at delta / r, and bets where prompts count differently.
    """
    checked(policy)
    if not len(group):
        return NoneCertified("no prompts")
    bounds = _bounds(group, policy, heaviest)
    chosen = _procedure(policy, bounds, procedure)
    if not bounds:
        return _by_target(group, policy)
    empty = [bound for bound in bounds if not len(bound.of)]
    if empty:
        return NoneCertified(f"{empty[0].name}: no prompt is labelled for it")
    if chosen == "learn_then_test":
        return _by_testing(group, policy, bounds, live=live, family=family)
    low, high = 0.0, 1.0
    for bound in bounds:
        t = _end(bound, chosen, None if policy.delta is None else policy.delta / len(bounds))
        if t is None:
            return NoneCertified(_shortage(bound, policy, len(bounds)))
        if bound.name == "miss":
            high = -t
        else:
            low = float(np.nextafter(t, np.inf))
    if low > 1:
        return NoneCertified(
            "over-refusal: too many harmless prompts have a score of 1, which no threshold spares"
        )
    if low > high:
        return NoneCertified(
            f"over-refusal needs a threshold of at least {low:.4g}, misses one of at most {high:.4g}: "
            "the token can't do both"
        )
    threshold = min(max(_wanted(group, policy, live=live, low=low, high=high), low), high)
    return Certified(threshold, chosen, _guarantee(policy, bounds), low, high)


def threshold_of_rate(group: Sample, rate: float) -> float:
    """The T at which the weighted share of score >= T is nearest to `rate`; at most 1."""
    t = quantile(exceedance(group.score, group.weights), rate)
    return 1.0 if t is None else min(float(np.nextafter(t, np.inf)), 1.0)


def _bounds(group: Sample, policy: Policy, heaviest: float | None) -> tuple[_Bound, ...]:
    found = []
    if policy.over_refusal is not None:
        harmless = group.where(group.harmful == 0)
        ones = np.ones(len(harmless))
        of = exceedance(harmless.score, harmless.weights, heaviest=heaviest)
        found.append(_Bound("over-refusal", policy.over_refusal, harmless.score, harmless.weights, ones, of))
    if policy.miss is not None:
        harmful = group.where(group.harmful == 1)
        of = exceedance(-harmful.score, harmful.weights, harmful.severity, heaviest=heaviest)
        found.append(_Bound("miss", policy.miss, -harmful.score, harmful.weights, harmful.severity, of))
    return tuple(found)


def _procedure(policy: Policy, bounds: tuple[_Bound, ...], procedure: Chosen) -> Procedure:
    is_plain = all(bound.of.is_plain for bound in bounds)
    if procedure == "auto":
        if not bounds:
            return "quantile"
        if policy.delta is None:
            has_severities = any((bound.of.all_lost < bound.of.total * (1 - 1e-12)) for bound in bounds)
            return "conformal_risk_control" if has_severities else "split_conformal"
        return "pac" if is_plain else "betting"
    is_marginal = procedure in ("split_conformal", "conformal_risk_control")
    if (procedure == "quantile") != (not bounds):
        raise Misconfigured(
            f"calibration: {procedure} with {len(bounds)} bounds", "a target alone is by quantile"
        )
    if bounds and is_marginal != (policy.delta is None):
        raise Misconfigured(
            f"calibration: {procedure} with delta {policy.delta}",
            "set delta to none for a bound on average, to a number for one with a probability",
        )
    if procedure == "pac" and not is_plain:
        raise Misconfigured("calibration: pac on prompts that count differently", "use betting, or auto")
    return procedure


def _end(bound: _Bound, procedure: Procedure, delta: float | None) -> float | None:
    if delta is None:
        rule = split_conformal if procedure == "split_conformal" else risk_control
        return rule(bound.of, bound.most)
    if procedure == "pac":
        return pac(bound.of, bound.most, delta)
    if procedure == "betting":
        return betting_bound(
            bound.x,
            bound.weights,
            bound.losses,
            alpha=bound.most,
            delta=delta,
            heaviest=bound.of.heaviest,
            grid=-GRID if bound.name == "miss" else GRID[::-1],
        )
    return hoeffding_bound(bound.of, bound.most, delta)


def _by_target(group: Sample, policy: Policy) -> Certified:
    target = policy.target_rate or 0.0
    size = effective_size(group.inclusion)
    error = dkw(size, policy.delta or 0.05)
    exactness = (
        "" if np.ptp(group.weights) == 0 else ", in the limit of many prompts as they are weighted unequally"
    )
    return Certified(
        threshold_of_rate(group, target),
        "quantile",
        f"with probability {1 - (policy.delta or 0.05):.4g} the rate is within {error:.3g} of what it is on these prompts{exactness}",
        0.0,
        1.0,
    )


def _by_testing(
    group: Sample, policy: Policy, bounds: tuple[_Bound, ...], *, live: float | None, family: Family
) -> Certified | NoneCertified:
    grid = GRID if family == "fixed_sequence" else COARSE
    risks = tuple(
        (learn_then_test.miss if bound.name == "miss" else learn_then_test.over_refusal)(
            bound.of, bound.most, grid
        )
        for bound in bounds
    )
    places = np.flatnonzero(learn_then_test.certify(risks, policy.delta or 0.05, family))
    if not len(places):
        return NoneCertified(
            f"no threshold of {len(grid)} could be certified for {' and '.join(bound.name for bound in bounds)} at once"
        )
    safe: Floats = grid[places]
    low, high = float(safe[0]), float(safe[-1])
    wanted = _wanted(group, policy, live=live, low=low, high=high)
    nearest = float(safe[int(np.argmin(np.abs(_logits(safe) - _logits(np.array([wanted])))))])
    return Certified(nearest, "learn_then_test", _guarantee(policy, bounds), low, high)


def _logits(values: Floats) -> Floats:
    held = np.clip(values, 1e-9, 1 - 1e-9)
    found: Floats = np.log(held / (1 - held))
    return found


def _wanted(group: Sample, policy: Policy, *, live: float | None, low: float, high: float) -> float:
    if policy.target_rate is not None:
        return threshold_of_rate(group, policy.target_rate)
    if policy.miss is None:
        return low  # as many of the harmful as may be
    if policy.over_refusal is None:
        return high
    return low if live is None else live


def _guarantee(policy: Policy, bounds: tuple[_Bound, ...]) -> str:
    what = " and ".join(f"{bound.name} at most {bound.most:.4g}" for bound in bounds)
    if policy.delta is None:
        return (
            f"{what}, each on average over calibration data and the next prompt, if prompts stay as they are"
        )
    return f"{what}, with probability {1 - policy.delta:.4g} over the calibration data, if prompts stay as they are"


def _shortage(bound: _Bound, policy: Policy, bounds: int) -> str:
    """Why a bound can't be certified: too few prompts in any case, or scores that tell too little apart."""
    n = len(bound.of)
    needed = (
        least_exchangeable(bound.most)
        if policy.delta is None
        else least_calls(bound.most, policy.delta / bounds)
    )
    if n < needed:
        return f"{bound.name} at most {bound.most:.4g}: {n} labelled prompts, {needed} needed at least"
    return f"{bound.name} at most {bound.most:.4g}: the {n} labelled prompts, weighted, certify no threshold"
