"""Which fault comes when: a pure function of the seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.chaos.kinds import Kind

OVERLAPPING_SHARE: Final = 0.3
"""Of the faults that could, so many begin before the one before is recovered from."""
LONGEST_GAP_S: Final = 1.5
LASTS_S: Final[dict[Kind, tuple[float, float]]] = {
    Kind.WORKER_FREEZE: (
        7.0,
        11.0,
    ),  # past the session time-out, and sometimes past the rebalance that follows
    Kind.BROKER_KILL: (0.0, 7.0),  # with its start: on both sides of the clients' request time-out
    Kind.KAFKA_SLOW: (2.0, 5.0),
    Kind.KAFKA_SILENT: (2.0, 11.0),
    Kind.KAFKA_REFUSE: (1.0, 11.0),
    Kind.TRITON_KILL: (0.0, 2.0),
    Kind.TRITON_STUB: (0.5, 3.0),
    Kind.GUARD_SLOW: (2.0, 5.0),
    Kind.TRITON_SLOW: (2.0, 5.0),
    Kind.TRITON_SILENT: (2.0, 6.0),
    Kind.STORE_KILL: (0.0, 3.0),
    Kind.STORE_AWAY: (1.0, 5.0),
    Kind.STORE_SLOW: (2.0, 5.0),
    Kind.STORE_SILENT: (2.0, 6.0),
}
"""From and to. Other kinds are over once they are done."""
SLOWER_BY_S: Final[dict[Kind, tuple[float, float]]] = {
    Kind.KAFKA_SLOW: (0.05, 0.4),
    Kind.GUARD_SLOW: (0.3, 3.0),  # on both sides of the deadline
    Kind.TRITON_SLOW: (0.05, 0.6),
    Kind.STORE_SLOW: (0.05, 1.0),
}
MOST_TIMES: Final[dict[Kind, int]] = {
    # Four failures of one request in a row would make the adapter call an exchange unscorable (status "error"), and
    # rightly so: the guard itself refused it. With three at most, no exchange may be marked.
    Kind.GUARD_REQUESTS: 3,
    Kind.GUARD_BATCHES: 3,
    Kind.STORE_REFUSE: 4,
    Kind.STORE_RESET: 4,
    Kind.STORE_APPLIED_SILENT: 2,
    Kind.STORE_APPLIED_RESET: 3,
    Kind.STORE_HALF_ANSWER: 3,
    Kind.STORE_HALF_BODY: 3,
    Kind.STORE_FULL: 4,
    Kind.STORE_PARTS: 4,
    Kind.STORE_MEMORY: 4,
}


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault. `gap_s` of quiet come before it, after the fault before it is recovered from, or with `overlaps`
    after that one was begun. `lasts_s` from its beginning to its lifting, `slower_by_s` what it delays, `times` how
    many requests it hits; `choice` (0..1) picks among the workers that are there."""

    number: int
    kind: Kind
    gap_s: float
    overlaps: bool
    lasts_s: float
    slower_by_s: float
    times: int
    choice: float


def schedule(
    seed: int, faults: int, *, workers: int, most_workers: int, kinds: Sequence[Kind] = tuple(Kind)
) -> tuple[Injection, ...]:
    """`faults` injections. Every kind that can be made comes once before any comes twice, and so on.

    `workers` are there at the beginning; never fewer than one nor more than `most_workers`.
    """
    dice = random.Random(f"{seed} faults")
    made: list[Injection] = []
    deck: list[Kind] = []
    while len(made) < faults:
        if not deck:
            deck = _shuffled(kinds, dice)
        kind = _playable(deck, workers, most_workers)
        if kind is None:
            deck = []
            continue
        workers += (kind is Kind.WORKER_ADD) - (kind is Kind.WORKER_REMOVE)
        made.append(_injection(len(made) + 1, kind, made[-1] if made else None, dice))
    return tuple(made)


def _shuffled(kinds: Sequence[Kind], dice: random.Random) -> list[Kind]:
    deck = list(kinds)
    dice.shuffle(deck)
    return deck


def _playable(deck: list[Kind], workers: int, most_workers: int) -> Kind | None:
    """Takes the first kind of the deck that can be made with so many workers; None where none can."""
    for place, kind in enumerate(deck):
        if kind is Kind.WORKER_ADD and workers >= most_workers:
            continue
        if kind is Kind.WORKER_REMOVE and workers <= 1:
            continue
        return deck.pop(place)
    return None


def _injection(number: int, kind: Kind, before: Injection | None, dice: random.Random) -> Injection:
    overlaps = (
        dice.random() < OVERLAPPING_SHARE and before is not None and before.kind.target is not kind.target
    )
    return Injection(
        number,
        kind,
        gap_s=round(dice.uniform(0, LONGEST_GAP_S), 2),
        overlaps=overlaps,
        lasts_s=round(dice.uniform(*LASTS_S.get(kind, (0.0, 0.0))), 2),
        slower_by_s=round(dice.uniform(*SLOWER_BY_S.get(kind, (0.0, 0.0))), 2),
        times=dice.randint(1, MOST_TIMES.get(kind, 1)),
        choice=round(dice.random(), 4),
    )
