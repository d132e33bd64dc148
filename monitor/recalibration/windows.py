"""Logged prompts of a stretch of time as columns: what curves, policies and checks are computed from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Self

import numpy as np
from numpy.typing import NDArray

from monitor.estimates.horvitz_thompson import Floats
from monitor.recalibration.pieces import NotIdentified, Piece
from monitor.recalibration.records import Record, Serving, decode
from monitor.recalibration.rules import checked, contradicts, follows, is_refusal_natural, score
from schemas.calibrations import Thresholds
from schemas.events import Verdict
from schemas.refusal_tokens import RefusalToken

Names = NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Logged:
    """One logged prompt. `inclusion`: probability, in (0, 1], with which a prompt like it came into the sample. `is_harmful`:
    the prompt's label; `is_refused`: whether the answer's text refuses; None where nobody said. `severity`: 0..1, how much
    a harmful prompt counts when it is answered."""

    token: RefusalToken | None
    at: datetime
    context_turns: int
    inclusion: float
    is_harmful: bool | None
    is_refused: bool | None
    severity: float = 1.0


@dataclass(frozen=True)
class Sample:
    """Columns of n identified prompts. Truths are 1, 0, or NaN where not known.

    group: what its threshold goes by. score: refused iff >= the threshold; plus or minus infinity where no threshold decides.
    inclusion: (0, 1]. harmful, severity, text (a refusal in words). emitted: a refusal token was written. natural: the model
    by itself would have. propensity: probability of the token written; 1 where the log names none. follows: decided by the
    thresholds that `read` was given.
    """

    group: Names
    score: Floats
    inclusion: Floats
    harmful: Floats
    severity: Floats
    text: Floats
    emitted: Floats
    natural: Floats
    propensity: Floats
    follows: Floats

    def __len__(self) -> int:
        return len(self.score)

    @property
    def weights(self) -> Floats:
        """Prompts that each stands for: 1 / inclusion."""
        weights: Floats = 1 / self.inclusion
        return weights

    def where(self, chosen: NDArray[np.bool_]) -> Self:
        """These rows alone."""
        return type(self)(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})

    def refused_at(self, values: Mapping[str, float]) -> NDArray[np.bool_]:
        """Whether each is refused at these thresholds by group. Infinite scores need none."""
        found = self.score > 0
        decided = np.isinf(self.score)
        for name in np.unique(self.group[~decided]):
            inside = ~decided & (self.group == name)
            found[inside] = self.score[inside] >= values[str(name)]
        return found & ~np.isneginf(self.score)


@dataclass(frozen=True)
class Window:
    """What was read: the identified prompts of [begins_at, ends_at], and how many of `rows` were not, by piece."""

    sample: Sample
    begins_at: datetime
    ends_at: datetime
    rows: int
    unidentified: Mapping[Piece, int]

    @property
    def identified(self) -> float:
        """Share of the first turns from which something can be said, 0..1."""
        asked = self.rows - self.unidentified.get(Piece.LATER_TURN, 0)
        return len(self.sample) / asked if asked else 0.0

    def report(self) -> list[str]:
        """What is not identified, for want of which piece, the most frequent first."""
        return [
            f"not identified: {count} of {self.rows} ({piece}: {piece.meaning})"
            for piece, count in sorted(self.unidentified.items(), key=lambda item: (-item[1], item[0]))
        ]


def read(
    logged: Iterable[Logged], serving: Serving, shape: Thresholds, *, live: Thresholds | None = None
) -> Window:
    """Columns under the rule, selection and temperature of `shape`; `live` is what `Sample.follows` is told by.

    Raises ValueError for a window without rows, an inclusion or severity outside of its range, or a shape that makes no sense
    or selects tokens that the model hasn't.
    """
    if not set(checked(shape).selected) <= set(serving.refusals):
        raise ValueError("a selected token is none of the model's refusal tokens")
    rows: list[tuple[str, float, float, float, float, float, float, float, float, float]] = []
    missing: Counter[Piece] = Counter()
    times: list[datetime] = []
    for row in logged:
        if not 0 < row.inclusion <= 1 or not 0 <= row.severity <= 1:
            raise ValueError("an inclusion probability is not in (0, 1], or a severity not in 0..1")
        times.append(row.at)
        found = _row(row, serving, shape, live)
        if isinstance(found, NotIdentified):
            missing[found.piece] += 1
        else:
            rows.append(found)
    if not times:
        raise ValueError("there are no logs in the window")
    columns = list(zip(*rows, strict=True)) or [()] * 10
    names, *numbers = columns
    return Window(
        Sample(np.array(names, dtype=np.str_), *(np.array(column, np.float64) for column in numbers)),
        min(times),
        max(times),
        len(times),
        dict(missing),
    )


def of_verdict(verdict: Verdict) -> Logged | None:
    """A verdict's prompt, with the guard's labels: harm of the prompt, and refusal in the text. None where it was sampled out:
    the scored stand for it."""
    if verdict.sampling_decision != "scored":
        return None
    return Logged(
        token=verdict.refusal_token,
        at=verdict.arrived_at,
        context_turns=verdict.context_turns,
        inclusion=verdict.sampling_probability,
        is_harmful=verdict.prompt_harmful,
        is_refused=verdict.refused,
    )


def _row(
    row: Logged, serving: Serving, shape: Thresholds, live: Thresholds | None
) -> tuple[str, float, float, float, float, float, float, float, float, float] | NotIdentified:
    if row.context_turns > serving.context_turns:
        return NotIdentified(Piece.LATER_TURN)
    record = decode(row.token, serving)
    if isinstance(record, NotIdentified):
        return record
    fault = contradicts(record, serving)
    if fault:
        return fault
    found = score(record, shape)
    if isinstance(found, NotIdentified):
        return found
    return (
        found.group,
        found.value,
        row.inclusion,
        _truth(row.is_harmful),
        row.severity,
        _truth(row.is_refused),
        _truth(record.is_refusal_emitted),
        _truth(is_refusal_natural(record)),
        1.0 if record.propensity is None else record.propensity,
        _truth(_follows(record, live)),
    )


def _follows(record: Record, live: Thresholds | None) -> bool | None:
    found = None if live is None else follows(record, live)
    return None if isinstance(found, NotIdentified) else found


def _truth(value: bool | None) -> float:  # noqa: FBT001 - a label, not a switch
    return float("nan") if value is None else float(value)
