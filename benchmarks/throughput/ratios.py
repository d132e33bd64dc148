"""Figures of several rounds as medians and ratios. A round holds one run of each peer, in turn."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.throughput.measured import Figures
from benchmarks.throughput.peers import OURS

Round = Mapping[str, Figures]
"""One run of each peer, by the peer's name."""


@dataclass(frozen=True)
class Spread:
    """Median and range of a few numbers."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Spread:
        """Of at least one number."""
        return cls(statistics.median(numbers), min(numbers), max(numbers))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f} to {self.most:.2f})"


def ours_to(peer: str, rounds: Sequence[Round], rate: Callable[[Figures], float]) -> Spread | None:
    """Our rate over the peer's in the same round; None where a side is missing."""
    if not rounds or any(OURS not in one or peer not in one for one in rounds):
        return None
    return Spread.of([rate(one[OURS]) / rate(one[peer]) for one in rounds])


def both_jobs(moderated: Sequence[Round], stored: Sequence[Round]) -> list[Round]:
    """The rounds of two jobs as one job: an event costs the time of both, and the memory of the larger."""
    return [
        {name: _one_after_the_other(first[name], second[name]) for name in first if name in second}
        for first, second in zip(moderated, stored, strict=True)
    ]


def _one_after_the_other(first: Figures, second: Figures) -> Figures:
    if first.events != second.events:
        raise ValueError(f"{first.events} events moderated and {second.events} stored")
    return Figures(
        first.events,
        first.wall_s + second.wall_s,
        first.cpu_s + second.cpu_s,
        max(first.peak_rss_mb, second.peak_rss_mb),
    )


@dataclass(frozen=True)
class Bound:
    """What moderation and storage together must reach, ours over a peer, per CPU second."""

    peer: str
    ratio: float

    def verdict(self, rounds: Sequence[Round]) -> str | None:
        """One line for a reader; None where it wasn't measured."""
        spread = ours_to(self.peer, rounds, lambda figures: figures.per_cpu_s)
        if spread is None:
            return None
        outcome = "held" if spread.median >= self.ratio else "MISSED"
        return (
            f"moderation + storage per CPU second, ours / {self.peer}: {spread}; "
            f"bound {self.ratio:.1f}: {outcome}"
        )


BOUNDS: Final = (Bound("plain", 2.0), Bound("batches", 1.0))
