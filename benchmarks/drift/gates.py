"""Gates: a figure with its error, the bounds, and whether it is within them for sure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from benchmarks.drift.running import Figure

SURE: Final = 2.0
"""Standard errors by which a figure must be on one side of a bound to decide."""


@dataclass(frozen=True, slots=True)
class Gate:
    """`figure` must be in [`low`, `high`]."""

    name: str
    figure: Figure
    low: float = float("-inf")
    high: float = float("inf")

    @property
    def verdict(self) -> str:
        """`pass` or `FAIL` where the error leaves no doubt, else `open (in)` or `open (out)`: more streams would tell."""
        value, slack = self.figure.value, SURE * self.figure.error
        if self.low <= value - slack and value + slack <= self.high:
            return "pass"
        if value + slack < self.low or value - slack > self.high:
            return "FAIL"
        return "open (in)" if self.low <= value <= self.high else "open (out)"

    @property
    def bounds(self) -> str:
        if self.low == float("-inf"):
            return f"at most {self.high:g}"
        if self.high == float("inf"):
            return f"at least {self.low:,g}"
        return f"{self.low:g} to {self.high:g}"

    def __str__(self) -> str:
        value, error = self.figure.value, self.figure.error
        shown = (
            f"{value:>10,.0f} +- {error:<6,.0f}"
            if value >= 1000
            else f"{value:>10.3f} +- {error:<6.3f}"  # a rate of work
        )
        return f"{self.name:72}{shown}  {self.bounds:14} {self.verdict}"
