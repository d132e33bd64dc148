"""Rates corrected by the judge: which of its answers corrects which of the guard's, and the counts that the estimates take.

| rate | of | the judge's yes |
|---|---|---|
| refusal | exchanges with a response | `refusal_class` is other than full compliance |
| prompt harm | exchanges | `should_refuse` is at least 0.5 |
| response harm | exchanges with a response | `harm_provided` is at least 0.5 |
| over-refusal | those whose prompt the *judge* holds harmless | refused |
| compliance | those whose prompt the *judge* holds harmful | not refused |

A partial refusal counts as one: so do XSTest's annotators, whose labels the guards are held to. Prompt harm goes by
`should_refuse`, not by the category: a topic isn't a harm (a question on how weapons are regulated has a category and is
harmless), and over-refusal asks what the model should have done. Probabilities are cut at one half instead of added up: a
rate then counts exchanges that can be looked up, and a judge whose probabilities are off by a factor, as those of language
models are, does not shift it. What the judge didn't answer (status other than ok, or null) corrects nothing; it is taken
as missing at random among what is alike for sample and guard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from monitor.estimates.estimates import Corrected, correct
from monitor.estimates.groups import NO, OUTSIDE, YES, Groups
from monitor.rates import RATE_NAMES, Dimension, Queries, RateName, is_small

CellKey = tuple[datetime | None, str | None, str | None, str | None]
"""Window, tenant, model and category; None where the cells aren't by it."""


@dataclass(frozen=True, slots=True)
class CorrectedRates:
    """By cell, the five rates in the order of RATE_NAMES; and the judges whose answers they use."""

    cells: Mapping[CellKey, tuple[Corrected, ...]]
    judges: tuple[str, ...]


async def corrected_rates(
    store: Queries, *, by: Sequence[Dimension], since: datetime, until: datetime, window_s: int = 3600
) -> CorrectedRates:
    """The corrected rates of exchanges that arrived in [since, until), by the cells of monitor/rates.py. A cell without an
    answered exchange is missing."""
    (size,) = await store.query("window_size", since=since, until=until)
    is_looked_up = is_small(arrived=size["arrived"], stored=size["stored"])
    rows = await store.query(
        "judged_patterns_of_window" if is_looked_up else "judged_patterns",
        since=since,
        until=until,
        window_s=window_s,
        by_window="window" in by,
        by_tenant="tenant" in by,
        by_model="model" in by,
        by_category="category" in by,
    )
    judges = sorted({judge for row in rows for judge in row["judges"]})
    return CorrectedRates(correct_patterns(rows), tuple(judges))


def correct_patterns(rows: Sequence[Mapping[str, Any]]) -> dict[CellKey, tuple[Corrected, ...]]:
    """The corrected rates of rows of judged_patterns.sql, by cell."""
    tallies: dict[CellKey, dict[RateName, _Tally]] = {}
    for row in rows:
        key = (row["window_start"], row["tenant_key"], row["model_key"], row["category_key"])
        cell = tallies.setdefault(key, {name: _Tally() for name in RATE_NAMES})
        for name in RATE_NAMES:
            if row["is_answered"] or name == "prompt_harm":
                cell[name].add(row, guard=_opinion(name, row, "guard"), judge=_opinion(name, row, "judge"))
    found = iter(correct(_groups([cell[name] for cell in tallies.values() for name in RATE_NAMES])))
    return {key: tuple(next(found) for _ in RATE_NAMES) for key in tallies}


def _opinion(name: RateName, row: Mapping[str, Any], who: str) -> int | None:
    """What guard or judge says of one rate: OUTSIDE, NO, YES, or None without an answer."""
    harmful, refused = row[f"{who}_prompt_harmful"], row[f"{who}_refused"]
    answer: bool | None
    if name in ("over_refusal", "under_refusal"):
        if harmful is None or refused is None:
            return None
        is_over = name == "over_refusal"
        if harmful == is_over:
            return OUTSIDE
        answer = refused == is_over
    else:
        answer = {
            "refusal": refused,
            "prompt_harm": harmful,
            "response_harm": row[f"{who}_response_harmful"],
        }[name]
    return None if answer is None else YES if answer else NO


@dataclass(slots=True)
class _Tally:
    """One rate of one cell: counts by group, [scored, chosen, OUTSIDE, NO, YES], a group being scoring weight, judging
    probability and the guard's opinion; and the weight of what no judge could be asked about."""

    groups: dict[tuple[float, float, int], list[float]] = field(default_factory=dict)
    beyond: float = 0.0

    def add(self, row: Mapping[str, Any], *, guard: int | None, judge: int | None) -> None:
        weight, probability, events = (
            1 / row["scoring_probability"],
            row["judging_probability"],
            row["events"],
        )
        if guard is None:
            return
        if probability <= 0:
            self.beyond += weight * events
            return
        counts = self.groups.setdefault((weight, probability, guard), [0.0] * 5)
        counts[0] += events
        if row["is_chosen"]:
            counts[1] += events
            if judge is not None:
                counts[2 + judge] += events


def _groups(tallies: Sequence[_Tally]) -> Groups:
    width = max((len(tally.groups) for tally in tallies), default=0)
    keys, counts = np.ones((len(tallies), width, 3)), np.zeros((len(tallies), width, 5))
    keys[..., 2] = OUTSIDE
    for place, tally in enumerate(tallies):
        if tally.groups:
            keys[place, : len(tally.groups)] = list(tally.groups)
            counts[place, : len(tally.groups)] = list(tally.groups.values())
    return Groups(
        weight=keys[..., 0],
        probability=keys[..., 1],
        guard_numerator=(keys[..., 2] == YES).astype(np.float64),
        guard_denominator=(keys[..., 2] != OUTSIDE).astype(np.float64),
        scored=counts[..., 0],
        chosen=counts[..., 1],
        judged=counts[..., 2:],
        beyond=np.array([tally.beyond for tally in tallies]),
    )
