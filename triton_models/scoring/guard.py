"""A guard's answers as its tensors: the labels and the taxonomy of its prompt file applied."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from triton_models.scoring.prompt_file import Label, PromptFile, PromptFileError
from triton_models.scoring.scorer import Scored

NOT_ASKED: Final = -1.0
"""Where the guard has no such question; NaN is where the question doesn't apply or wasn't answered."""

Singles = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class GuardScores:
    """As schemas/tensors.py has them: shape (n,), and (n, categories) for `category`, whose first is benign."""

    prompt_harm: Singles
    refusal: Singles
    response_harm: Singles
    category: Singles
    truncated: npt.NDArray[np.bool_]


def check_categories(file: PromptFile, categories: Sequence[str]) -> None:
    """Raises PromptFileError where the file maps onto a slug that isn't one of the harms."""
    if "prompt_harm" not in file.labels:
        raise PromptFileError("a guard's file has the label prompt_harm")
    named = set() if file.taxonomy is None else set(file.taxonomy.slugs.values())
    if unknown := named - set(categories[1:]):
        raise PromptFileError(f"taxonomy maps onto {', '.join(sorted(unknown))}, which isn't in the taxonomy")


def guard_scores(
    file: PromptFile, scored: Sequence[Scored], has_response: Sequence[bool], categories: Sequence[str]
) -> GuardScores:
    """The tensors of these exchanges. A guard without a taxonomy has NOT_ASKED for every category."""
    values = {
        name: np.array(
            [
                _label(file, name, one, given or name == "prompt_harm")
                for one, given in zip(scored, has_response, strict=True)
            ],
            np.float32,
        )
        for name in ("prompt_harm", "refusal", "response_harm")
    }
    rows = [_categories(file, one.questions, categories) for one in scored]
    return GuardScores(
        **values,
        category=np.array(rows, np.float32).reshape(len(rows), len(categories)),
        truncated=np.array([one.is_truncated for one in scored], np.bool_),
    )


def _label(file: PromptFile, name: str, one: Scored, is_applicable: bool) -> float:  # noqa: FBT001  # read at one place
    label = file.labels.get(name)
    if not is_applicable or one.error:
        return math.nan
    if label is None:
        return NOT_ASKED
    found = [
        _share(label, one.questions[question]) for question in label.questions if question in one.questions
    ]
    said = [value for value in found if not math.isnan(value)]
    return max(said) if said else math.nan


def _share(label: Label, options: Mapping[str, float]) -> float:
    """P(yes) among yes and no; NaN where the rest (not applicable) is likelier than both."""
    yes, no = (sum(options[option] for option in some) for some in (label.yes, label.no))
    return yes / (yes + no) if yes + no >= 0.5 else math.nan


def _categories(
    file: PromptFile, questions: Mapping[str, dict[str, float]], categories: Sequence[str]
) -> list[float]:
    """The harm's probability shared out over the slugs, and what is left for benign."""
    if file.taxonomy is None:
        return [NOT_ASKED] * len(categories)
    harm_label, taxonomy = file.labels["prompt_harm"], file.taxonomy
    shares = {
        question: _share(harm_label, questions[question])
        for question in harm_label.questions
        if question in questions
    }
    weights = dict.fromkeys(categories, 0.0)
    chances = shares if taxonomy.question is None else questions.get(taxonomy.question, {})
    for name, chance in chances.items():
        weights[taxonomy.slugs[name]] += chance
    total, harm = sum(weights.values()), max(shares.values(), default=math.nan)
    if not total > 0 or math.isnan(harm):
        return [math.nan] * len(categories)
    return [1 - harm, *(harm * weights[slug] / total for slug in categories[1:])]
