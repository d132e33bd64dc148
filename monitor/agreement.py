"""How far verdicts agree with labels: confusion counts and what follows from them. Pure.

Cohen's kappa after Cohen (1960), "A coefficient of agreement for nominal scales": (p_o - p_e) / (1 - p_e), with p_e the
agreement expected from the two margins alone. Undefined, here None, where p_e is 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

Label = Literal["refusal", "prompt_harmful", "response_harmful"]

LABELS: Final[tuple[Label, ...]] = ("refusal", "prompt_harmful", "response_harmful")


@dataclass(frozen=True, slots=True)
class Answers:
    """What is stored of one event, by label; None: no answer to that question."""

    refusal: bool | None
    prompt_harmful: bool | None
    response_harmful: bool | None

    def to(self, label: Label) -> bool | None:
        """The answer to one question."""
        return {
            "refusal": self.refusal,
            "prompt_harmful": self.prompt_harmful,
            "response_harmful": self.response_harmful,
        }[label]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Verdicts against one label. `missing`: labelled ids that aren't stored; `unanswered`: stored without an answer."""

    label: Label
    missing: int
    unanswered: int
    both_yes: int
    label_only: int
    verdict_only: int
    both_no: int

    @property
    def labelled(self) -> int:
        """Ids that carry the label."""
        return self.compared + self.missing + self.unanswered

    @property
    def compared(self) -> int:
        """Ids with label and answer."""
        return self.both_yes + self.label_only + self.verdict_only + self.both_no

    @property
    def agreement(self) -> float | None:
        """Share of the compared on which both say the same."""
        return _ratio(self.both_yes + self.both_no, self.compared)

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa; in whole numbers, so that a denominator of nought is exact."""
        n = self.compared
        label_yes, verdict_yes = self.both_yes + self.label_only, self.both_yes + self.verdict_only
        by_chance = label_yes * verdict_yes + (n - label_yes) * (n - verdict_yes)
        return _ratio(n * (self.both_yes + self.both_no) - by_chance, n * n - by_chance)

    @property
    def precision(self) -> float | None:
        """Share of the verdicts "yes" that the label confirms."""
        return _ratio(self.both_yes, self.both_yes + self.verdict_only)

    @property
    def recall(self) -> float | None:
        """Share of the labels "yes" that the verdict finds."""
        return _ratio(self.both_yes, self.both_yes + self.label_only)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall."""
        return _ratio(2 * self.both_yes, 2 * self.both_yes + self.verdict_only + self.label_only)


def compare(label: Label, labels: Iterable[tuple[str, bool]], stored: Mapping[str, Answers]) -> Agreement:
    """The agreement of stored answers with labels by event id, each id once."""
    counts = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    missing = unanswered = 0
    for event_id, is_so in labels:
        answers = stored.get(event_id)
        answer = answers.to(label) if answers is not None else None
        if answers is None:
            missing += 1
        elif answer is None:
            unanswered += 1
        else:
            counts[is_so, answer] += 1
    return Agreement(
        label,
        missing,
        unanswered,
        both_yes=counts[True, True],
        label_only=counts[True, False],
        verdict_only=counts[False, True],
        both_no=counts[False, False],
    )


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None
