"""Nominal against achieved: how often a rule's threshold breaks its bound on the population that the prompts were drawn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np

from benchmarks.calibration.population import Population
from monitor.recalibration.exceedance import dkw
from monitor.recalibration.learn_then_test import Family
from monitor.recalibration.solving import Certified, Chosen, solve
from monitor.recalibration.windows import Sample
from schemas.calibrations import Policy

ERRORS: Final = 3.0
"""Standard errors of the simulation within which a share counts as held."""


@dataclass(frozen=True, slots=True)
class Case:
    """A rule on a population: `n` prompts, of which some are labelled harmful."""

    name: str
    population: Population
    policy: Policy
    draw: Callable[[Population, np.random.Generator], Sample]
    prompts: str
    procedure: Chosen = "auto"
    family: Family = "fixed_sequence"


@dataclass(frozen=True, slots=True)
class Achieved:
    """Over all repetitions. risks: mean of each of the policy's risks over the certified ones, on the population. broken: share
    of all repetitions with a threshold that breaks a bound (or misses the target by more than DKW's error). none: share of "none
    certified". Nominal is delta; with a bound on average it is the mean risk itself, `excess` above its bound."""

    name: str
    prompts: str
    nominal: str
    risks: tuple[float, ...]
    broken: float
    none: float
    is_held: bool


def achieved(case: Case, times: int, seed: int) -> Achieved:
    """`times` repetitions, seeded."""
    chance = np.random.default_rng(seed)
    broken, none = 0, 0
    risks: list[list[float]] = []
    for _ in range(times):
        sample = case.draw(case.population, chance)
        found = solve(sample, case.policy, procedure=case.procedure, family=case.family)
        if not isinstance(found, Certified):
            none += 1
            continue
        values, limits = _risks(case, sample, found.threshold)
        risks.append(values)
        broken += any(value > limit for value, limit in zip(values, limits, strict=True))
    means = np.array(risks).mean(axis=0) if risks else np.array([])
    delta = case.policy.delta
    if delta is None:
        bounds = [bound for bound in (case.policy.over_refusal, case.policy.miss) if bound is not None]
        deviations = np.array(risks).std(axis=0) / sqrt(len(risks))
        is_held = bool((means <= np.array(bounds) + ERRORS * deviations).all())
    else:
        is_held = broken / times <= delta + ERRORS * sqrt(delta * (1 - delta) / times)
    return Achieved(
        case.name,
        case.prompts,
        _nominal(case.policy),
        tuple(means.tolist()),
        broken / times,
        none / times,
        is_held,
    )


def _risks(case: Case, sample: Sample, threshold: float) -> tuple[list[float], list[float]]:
    policy, of = case.policy, case.population
    values, limits = [], []
    if policy.target_rate is not None and policy.over_refusal is None and policy.miss is None:
        weights = sample.weights
        rate = float((weights * (sample.score >= threshold)).sum() / weights.sum())
        effective = float(weights.sum() ** 2 / (weights**2).sum())
        # Rate, and that the truth is within the error of the rate on the prompts.
        values.append(abs(of.rate(threshold) - rate))
        limits.append(dkw(effective, policy.delta or 0.05))
    if policy.over_refusal is not None:
        values.append(of.refused(threshold, harmful=False))
        limits.append(policy.over_refusal)
    if policy.miss is not None:
        values.append(1 - of.refused(threshold, harmful=True))
        limits.append(policy.miss)
    return values, limits


def _nominal(policy: Policy) -> str:
    parts = []
    if policy.target_rate is not None:
        parts.append(f"rate {policy.target_rate:g}")
    if policy.over_refusal is not None:
        parts.append(f"over {policy.over_refusal:g}")
    if policy.miss is not None:
        parts.append(f"miss {policy.miss:g}")
    return ", ".join(parts) + (
        "; on average" if policy.delta is None else f"; broken at most {policy.delta:g}"
    )


def labelled(harmless: int, harmful: int) -> Callable[[Population, np.random.Generator], Sample]:
    """Draws that many of each."""
    return lambda population, chance: population.draw_labelled(harmless, harmful, chance)


def traffic(n: int) -> Callable[[Population, np.random.Generator], Sample]:
    """Draws traffic, sampled as the population is."""
    return lambda population, chance: population.draw(n, chance)


PLAIN: Final = Population()
WEIGHTED: Final = Population(rare=0.2)
HARD: Final = Population(harmless_mean=-1.5, harmful_mean=1.5)

CASES: Final = (
    Case("quantile (DKW)", PLAIN, Policy(target_rate=0.2), traffic(1000), "1,000"),
    Case("quantile (DKW), weighted", WEIGHTED, Policy(target_rate=0.2), traffic(2000), "2,000, 0.2 drawn"),
    Case("split conformal", PLAIN, Policy(over_refusal=0.05, delta=None), labelled(100, 0), "100"),
    Case(
        "split conformal, weighted",
        WEIGHTED,
        Policy(over_refusal=0.05, delta=None),
        traffic(1000),
        "1,000, 0.2 drawn",
    ),
    Case(
        "conformal risk control",
        PLAIN,
        Policy(over_refusal=0.05, delta=None),
        labelled(100, 0),
        "100",
        "conformal_risk_control",
    ),
    Case("PAC, least n", PLAIN, Policy(over_refusal=0.05), labelled(59, 0), "59"),
    Case("PAC", PLAIN, Policy(over_refusal=0.05), labelled(500, 0), "500"),
    Case("PAC, miss", PLAIN, Policy(miss=0.1), labelled(0, 500), "500"),
    Case("PAC, two bounds", HARD, Policy(over_refusal=0.2, miss=0.2), labelled(600, 600), "600 + 600"),
    Case("Hoeffding-Bentkus", PLAIN, Policy(over_refusal=0.05), labelled(500, 0), "500", "hoeffding_bentkus"),
    Case(
        "Hoeffding-Bentkus, weighted",
        WEIGHTED,
        Policy(over_refusal=0.05),
        traffic(2000),
        "2,000, 0.2 drawn",
        "hoeffding_bentkus",
    ),
    Case("bets, weighted", WEIGHTED, Policy(over_refusal=0.05), traffic(2000), "2,000, 0.2 drawn"),
    Case("bets", PLAIN, Policy(over_refusal=0.05), labelled(500, 0), "500", "betting"),
    Case(
        "bets, two bounds, weighted",
        WEIGHTED,
        Policy(over_refusal=0.15, miss=0.2),
        traffic(4000),
        "4,000, 0.2 drawn",
    ),
    Case(
        "Learn-then-Test, Bonferroni",
        HARD,
        Policy(over_refusal=0.2, miss=0.2),
        labelled(600, 600),
        "600 + 600",
        "learn_then_test",
        "bonferroni",
    ),
    Case(
        "Learn-then-Test, fixed sequence",
        HARD,
        Policy(over_refusal=0.2, miss=0.2),
        labelled(600, 600),
        "600 + 600",
        "learn_then_test",
    ),
    Case(
        "Learn-then-Test, fixed sequence",
        HARD,
        Policy(over_refusal=0.2, miss=0.2, target_rate=0.35),
        labelled(1200, 1200),
        "1,200 + 1,200",
        "learn_then_test",
    ),
    Case(
        "PAC, bound and target",
        PLAIN,
        Policy(over_refusal=0.05, target_rate=0.3),
        labelled(500, 200),
        "500 + 200",
    ),
)
