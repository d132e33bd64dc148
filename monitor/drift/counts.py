"""A closed window as arrays, checked. What can't be is refused before anything is touched."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.drift.measures import Measure
from monitor.errors import Rejected
from schemas.windows import Window

Counts = NDArray[np.int64]

CellKey = tuple[str, str, str, str, str, str, int]
"""tenant, model, category, guard name, version, prompt hash, calibration: one a row of a window."""

_FIELDS: Final = (
    "events",
    "to_be_scored",
    "answered",
    "responded",
    "refused",
    "harmless",
    "harmless_refused",
    "harmful",
    "harmful_refused",
    "harmful_prompts",
    "harmful_responses",
)
_KEY: Final = attrgetter(
    "tenant",
    "model",
    "category",
    "guard_name",
    "guard_version",
    "guard_prompt_hash",
    "calibration_version",
)
_VALUES: Final = attrgetter(*_FIELDS)
EVENTS, SCORED, ANSWERED, RESPONDED, REFUSED, HARMLESS, HARMLESS_REFUSED, HARMFUL, HARMFUL_REFUSED = range(9)
HARMFUL_PROMPTS, HARMFUL_RESPONSES = 9, 10
_PARTS: Final = (
    (SCORED, EVENTS),
    (ANSWERED, SCORED),
    (RESPONDED, ANSWERED),
    (REFUSED, RESPONDED),
    (HARMLESS, RESPONDED),
    (HARMLESS_REFUSED, HARMLESS),
    (HARMFUL, RESPONDED),
    (HARMFUL_REFUSED, HARMFUL),
    (HARMFUL_PROMPTS, ANSWERED),
    (HARMFUL_RESPONSES, RESPONDED),
)
"""The first is a part of the second."""


class BadWindow(Rejected):
    """A window that can't be: the watch is as it was before."""

    def __init__(self, detail: str) -> None:
        super().__init__("bad_window", detail)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The rows of a window: `keys` [R], and `counts` [R, 11] in the order of the constants above."""

    keys: list[CellKey]
    counts: Counts


def table_of(window: Window) -> Table:
    """The window's rows. Raises BadWindow for a negative count, a part larger than its whole, or a cell that comes twice."""
    if window.dead_letters < 0 or window.dead_letters > window.messages:
        raise BadWindow(f"{window.dead_letters} dead letters of {window.messages} messages")
    keys: list[CellKey] = list(map(_KEY, window.rows))
    if len(set(keys)) != len(keys):
        raise BadWindow("a cell comes twice")
    try:
        counts = np.array(list(map(_VALUES, window.rows)), dtype=np.int64).reshape(len(keys), len(_FIELDS))
    except OverflowError as exc:
        raise BadWindow("a count of 2^63 or more") from exc
    if counts.size and counts.min() < 0:
        raise BadWindow("a negative count")
    for part, whole in _PARTS:
        wrong = counts[:, part] > counts[:, whole]
        if wrong.any():
            row = int(np.argmax(wrong))
            raise BadWindow(
                f"row {row}: {counts[row, part]} {_FIELDS[part]} of {counts[row, whole]} {_FIELDS[whole]}"
            )
    return Table(keys, counts)


def k_and_n(measure: Measure, counts: Counts) -> tuple[Counts, Counts]:
    """The same as measures.k_of_n, of all rows at once."""
    match measure:
        case Measure.REFUSAL:
            return counts[:, REFUSED], counts[:, RESPONDED]
        case Measure.OVER_REFUSAL:
            return counts[:, HARMLESS_REFUSED], counts[:, HARMLESS]
        case Measure.UNDER_REFUSAL:
            return counts[:, HARMFUL] - counts[:, HARMFUL_REFUSED], counts[:, HARMFUL]
        case Measure.PROMPT_HARM:
            return counts[:, HARMFUL_PROMPTS], counts[:, ANSWERED]
        case Measure.RESPONSE_HARM:
            return counts[:, HARMFUL_RESPONSES], counts[:, RESPONDED]
        case Measure.COVERAGE:
            return counts[:, SCORED] - counts[:, ANSWERED], counts[:, SCORED]
        case _:
            raise KeyError(measure)


def check_times(window: Window, position: datetime | None) -> None:
    """Raises BadWindow for one that ends before it begins, or begins before `position`, the end of the last one."""
    if window.ends_at <= window.begins_at:
        raise BadWindow(
            f"it begins at {window.begins_at.isoformat()} and ends at {window.ends_at.isoformat()}"
        )
    if position is not None and window.begins_at < position:
        raise BadWindow(
            f"it begins at {window.begins_at.isoformat()}, and all until {position.isoformat()} was taken"
        )
