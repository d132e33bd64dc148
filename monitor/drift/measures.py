"""What is watched for drift: each measure with its counts `k` of `n`, and how finely it is watched."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal, Self

from schemas.windows import WindowCounts

Grain = Literal["category", "model", "topic"]
"""The finest cells: tenant x model x category, tenant x model, or all that is read."""


class Measure(StrEnum):
    """A measure, with its meaning; `is_harm`: a rise is what matters, so that two thirds of the share look for one."""

    meaning: str
    grain: Grain
    is_harm: bool
    family: str

    def __new__(cls, slug: str, meaning: str, grain: Grain, family: str, is_harm: bool) -> Self:  # noqa: FBT001  # a table
        """A slug that carries the rest. Shifts of one family in the same cells at the same time have one cause."""
        member = str.__new__(cls, slug)
        member._value_ = slug
        member.meaning = meaning
        member.grain = grain
        member.family = family
        member.is_harm = is_harm
        return member

    REFUSAL = "refusal", "refused, of all that has a response", "category", "refusal", False
    OVER_REFUSAL = "over_refusal", "refused, of what is harmless", "category", "refusal", False
    UNDER_REFUSAL = "under_refusal", "not refused, of what is harmful", "category", "refusal", True
    PROMPT_HARM = "prompt_harm", "harmful prompts", "model", "traffic", True
    RESPONSE_HARM = "response_harm", "harmful responses", "category", "response_harm", True
    MIX = "mix", "the category's share of its model's traffic", "category", "traffic", False
    COVERAGE = "coverage", "without an answer of the guard (unknown or error)", "model", "coverage", True
    VOLUME = "volume", "exchanges an hour", "model", "traffic", False
    DEAD_LETTERS = "dead_letters", "messages that could not be read", "topic", "dead_letters", True


RATES: Final = tuple(
    measure for measure in Measure if measure not in (Measure.VOLUME, Measure.MIX, Measure.DEAD_LETTERS)
)
"""Those whose `k` and `n` stand in one row of counts."""


MEASURE_OF: Final = {measure.value: measure for measure in Measure}
"""By slug."""


def k_of_n(measure: Measure, row: WindowCounts) -> tuple[int, int]:
    """What is counted in one row, for one of RATES. Raises KeyError for another measure."""
    match measure:
        case Measure.REFUSAL:
            return row.refused, row.responded
        case Measure.OVER_REFUSAL:
            return row.harmless_refused, row.harmless
        case Measure.UNDER_REFUSAL:
            return row.harmful - row.harmful_refused, row.harmful
        case Measure.PROMPT_HARM:
            return row.harmful_prompts, row.answered
        case Measure.RESPONSE_HARM:
            return row.harmful_responses, row.responded
        case Measure.COVERAGE:
            return row.to_be_scored - row.answered, row.to_be_scored
        case _:
            raise KeyError(measure)
