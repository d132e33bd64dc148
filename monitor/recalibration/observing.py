"""A published calibration, looked at: did the rate arrive, and does the token still decide the text?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from monitor.meaning import Word
from monitor.recalibration.obedience import Obeyed, obedience
from monitor.recalibration.pieces import Piece
from monitor.recalibration.weighted import difference, share
from monitor.recalibration.windows import Sample, Window
from schemas.calibrations import Calibration, GroupEvidence
from schemas.evidence import Interval

Z_99: Final = 2.5758293035489004
"""The standard normal's 99.5 % quantile: each answer is of 99 %, as one calibration asks several and a worker looks again."""


class Finding(Word):
    """What an observation says."""

    TOO_FEW = "too_few", "Too few prompts have been decided by it to tell."
    ARRIVED = "arrived", "The rate of the token is what was expected."
    TOO_MANY_REFUSED = "too_many_refused", "The token is written more often than was expected."
    TOO_FEW_REFUSED = "too_few_refused", "The token is written less often than was expected."
    RESPOND_DISOBEYED = "respond_disobeyed", "After the respond token the text refuses all the same."
    REFUSE_DISOBEYED = "refuse_disobeyed", "After a refusal token the text answers all the same."
    NOT_FOLLOWED = "not_followed", "What serves the model decides by other thresholds."


@dataclass(frozen=True, slots=True)
class Expectations:
    """least_prompts: of a group, and least_answers: after a token, before anything is said. disobedience: share of texts that
    may do the opposite of their token. tolerance: of the rate, beside its interval. not_followed: share of the records
    that may name other thresholds (what was under way when it was published)."""

    least_prompts: int = 200
    least_answers: int = 50
    disobedience: float = 0.2
    tolerance: float = 0.0
    not_followed: float = 0.1

    def __post_init__(self) -> None:
        """Raise ValueError for what can't be."""
        if min(self.least_prompts, self.least_answers) < 1 or not 0 < self.disobedience < 1:
            raise ValueError("least counts are positive, disobedience is between 0 and 1")
        if not 0 <= self.tolerance <= 1 or not 0 <= self.not_followed <= 1:
            raise ValueError("tolerance and not_followed are shares")


@dataclass(frozen=True, slots=True)
class Observed:
    """One finding about a group's rate, or about what follows a token. `figure`: as observed, or the rate's distance from what
    was expected; 99 % intervals. `detail`: in words."""

    finding: Finding
    figure: Interval | None
    detail: str


@dataclass(frozen=True, slots=True)
class Decision:
    """wait: not enough seen. keep, roll_back: with what it rests on."""

    verdict: Literal["wait", "keep", "roll_back"]
    observed: tuple[Observed, ...]

    @property
    def reason(self) -> str:
        """Of the decision: the findings that made it, in words."""
        good = (Finding.ARRIVED,)
        chosen = [
            one
            for one in self.observed
            if self.verdict == "keep"
            or ((one.finding is Finding.TOO_FEW) == (self.verdict == "wait") and one.finding not in good)
        ]
        return "; ".join(f"{one.finding}: {one.detail}" for one in chosen)


def observe(calibration: Calibration, window: Window, expected: Expectations) -> Decision:
    """Of the prompts since it was published, read under `calibration.now` with it as `live`.

    A rate arrived where the 99 % interval of observed minus expected, from both samples, holds 0, or a value within the
    tolerance. A token is disobeyed where the 99 % interval of the texts that do the opposite lies above `disobedience`,
    natural and forced each. What contradicts decides at once; keep needs every group of the evidence to have arrived.
    """
    sample = window.sample
    told = sample.where(~np.isnan(sample.follows))
    decided = told.where(told.follows == 1)
    found: list[Observed] = []
    stray = share((told.follows == 0).astype(np.float64), told.inclusion, z=Z_99)
    if len(told) >= expected.least_prompts and stray is not None and stray.low > expected.not_followed:
        found.append(
            Observed(
                Finding.NOT_FOLLOWED, stray, f"{stray.value:.1%} of {len(told)} prompts by other thresholds"
            )
        )
    against = window.unidentified.get(Piece.EMITTED_AGAINST_RULE, 0)
    if window.rows >= expected.least_prompts and against > expected.not_followed * window.rows:
        found.append(
            Observed(
                Finding.NOT_FOLLOWED, None, f"{against} of {window.rows} tokens are not what the rule says"
            )
        )
    found.extend(_rate(part, _as_ruled(decided, calibration), expected) for part in calibration.evidence)
    found.extend(tokens(decided, expected))
    findings = {one.finding for one in found}
    if findings - {Finding.ARRIVED, Finding.TOO_FEW}:
        return Decision("roll_back", tuple(found))
    return Decision("wait" if Finding.TOO_FEW in findings else "keep", tuple(found))


def tokens(decided: Sample, expected: Expectations) -> tuple[Observed, ...]:
    """The tokens that the texts disobey beyond doubt, each at 99 %; empty where none is, or too few answers tell."""
    cells = (_token(cell, expected) for cell in obedience(decided, z=Z_99))
    return tuple(one for one in cells if one is not None)


def _as_ruled(decided: Sample, calibration: Calibration) -> Sample:
    """The prompts that got the token that the rule says, each standing for those that randomisation gave the other one."""
    as_ruled = decided.where(decided.emitted == decided.refused_at(calibration.now.values))
    return replace(as_ruled, inclusion=as_ruled.inclusion * as_ruled.propensity)


def _rate(part: GroupEvidence, decided: Sample, expected: Expectations) -> Observed:
    name = part.group or "all"
    inside = decided.where((decided.group == part.group) & ~np.isnan(decided.emitted))
    seen = share(inside.emitted, inside.inclusion, z=Z_99)
    if seen is None or len(inside) < expected.least_prompts:
        return Observed(
            Finding.TOO_FEW, None, f"{name}: {len(inside)} prompts, {expected.least_prompts} needed"
        )
    off = difference(seen, _widened(part.rate))
    detail = (
        f"{name}: {seen.value:.1%} of {len(inside)}, {part.rate.value:.1%} expected "
        f"(difference {off.low:+.1%} to {off.high:+.1%})"
    )
    if off.low > expected.tolerance:
        return Observed(Finding.TOO_MANY_REFUSED, off, detail)
    if off.high < -expected.tolerance:
        return Observed(Finding.TOO_FEW_REFUSED, off, detail)
    return Observed(Finding.ARRIVED, off, detail)


def _widened(rate: Interval) -> Interval:
    """The evidence's 95 % interval as one of 99 %."""
    factor = Z_99 / 1.959963984540054
    return Interval(
        rate.value,
        max(0.0, rate.value - factor * (rate.value - rate.low)),
        min(1.0, rate.value + factor * (rate.high - rate.value)),
    )


def _token(cell: Obeyed, expected: Expectations) -> Observed | None:
    """A disobedience that is beyond doubt; None else, so that a token that nobody gets is no reason to wait for ever."""
    if cell.refused is None or cell.n < expected.least_answers:
        return None
    detail = f"{cell.refused.value:.1%} of {cell.n} texts after a {cell.manner} {cell.after} token refuse"
    if cell.after == "respond" and cell.refused.low > expected.disobedience:
        return Observed(Finding.RESPOND_DISOBEYED, cell.refused, detail)
    if cell.after == "refuse" and cell.refused.high < 1 - expected.disobedience:
        return Observed(Finding.REFUSE_DISOBEYED, cell.refused, detail)
    return None
