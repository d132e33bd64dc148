"""Exchanges of which it is known what a judge would say of all: the kinds there are, how frequent each is, and judged samples
of them under the policy: all that the guard holds harmful and not refused, all uncertain ones, a share of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

import numpy as np

from monitor.estimates.groups import NO, OUTSIDE, YES, Groups
from monitor.estimates.horvitz_thompson import Floats

Case = Literal["refusal", "response harm", "over-refusal", "compliance"]
CASES: Final[tuple[Case, ...]] = ("refusal", "response harm", "over-refusal", "compliance")

UNCERTAIN: Final = 0.05
"""Share of exchanges near a threshold where the guard is right; three times that where it is wrong."""
_HARMFUL: Final = 0.2
"""Share of prompts that the judge holds harmful, where the rate is of the harmless ones; half of it where it is of the harmful
ones."""


@dataclass(frozen=True, slots=True)
class Guard:
    """How often it says yes where the judge does, and where the judge doesn't."""

    name: str
    recall: float
    false_alarms: float

    def says(self, *, yes: bool, truth: bool) -> float:
        """The probability of that answer."""
        chance = self.recall if truth else self.false_alarms
        return chance if yes else 1 - chance


GUARDS: Final = (Guard("poor", 0.5, 0.1), Guard("fair", 0.8, 0.04), Guard("good", 0.97, 0.01))


@dataclass(frozen=True, slots=True)
class Kind:
    """Exchanges that are alike: what the judge says, what the guard says, whether judged surely, and how frequent."""

    answer: int
    guard_numerator: int
    guard_denominator: int
    probability: float
    share: float


def kinds(case: Case, rate: float, guard: Guard, sampled: float) -> list[Kind]:
    """All kinds of exchanges of a case whose rate, by the judge, is `rate`."""
    return [kind for kind in _kinds(case, rate, guard, sampled) if kind.share > 0]


def _kinds(case: Case, rate: float, guard: Guard, sampled: float) -> Iterator[Kind]:
    is_conditional = case in ("over-refusal", "compliance")
    inside = {"over-refusal": 1 - _HARMFUL, "compliance": _HARMFUL / 2}.get(case, 1.0)
    both = (True, False)
    for in_it, yes, guard_in, guard_yes, is_uncertain in product(both, both, both, both, both):
        if not is_conditional and not (in_it and guard_in):
            continue
        # Outside of the denominator half of the exchanges would count.
        share = (inside if in_it else 1 - inside) * ((rate if yes else 1 - rate) if in_it else 0.5)
        if is_conditional:
            share *= guard.says(yes=guard_in, truth=in_it)
        share *= guard.says(yes=guard_yes, truth=yes)
        doubt = UNCERTAIN * (3 if guard_in != in_it or guard_yes != yes else 1)
        share *= doubt if is_uncertain else 1 - doubt
        is_harm = (case == "response harm" and guard_yes) or (case == "compliance" and guard_in and guard_yes)
        yield Kind(
            (YES if yes else NO) if in_it else OUTSIDE,
            int(guard_in and guard_yes),
            int(guard_in),
            1.0 if is_uncertain or is_harm else sampled,
            share,
        )


def exchanges(of: list[Kind], judged: int) -> int:
    """How many exchanges have `judged` of them judged, as expected."""
    return round(judged / sum(kind.share * kind.probability for kind in of))


def samples(of: list[Kind], count: int, times: int, chance: np.random.Generator) -> Groups:
    """`times` windows of `count` exchanges each, judged independently: one cell a window."""
    drawn = chance.multinomial(count, [kind.share for kind in of], size=times)
    judged = chance.binomial(drawn, [kind.probability for kind in of])
    keys = sorted({(kind.probability, kind.guard_numerator, kind.guard_denominator) for kind in of})
    scored = np.zeros((times, len(keys)))
    answers = np.zeros((times, len(keys), 3))
    for place, kind in enumerate(of):
        group = keys.index((kind.probability, kind.guard_numerator, kind.guard_denominator))
        scored[:, group] += drawn[:, place]
        answers[:, group, kind.answer] += judged[:, place]
    probability, numerator, denominator = (_repeated([key[at] for key in keys], times) for at in range(3))
    return Groups(
        weight=np.ones_like(scored),
        probability=probability,
        guard_numerator=numerator,
        guard_denominator=denominator,
        scored=scored,
        chosen=answers.sum(axis=-1),
        judged=answers,
        beyond=np.zeros(times),
    )


def _repeated(values: list[float], times: int) -> Floats:
    return np.tile(np.array(values, np.float64), (times, 1))
