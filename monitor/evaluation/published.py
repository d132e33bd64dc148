"""Published F1 scores of other guards, in percent, to stand beside ours: only for rows of the same set.

From WildGuard (arXiv 2406.18495), whose authors measured the others too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Question = Literal["prompt_harm", "response_harm", "refusal"]


@dataclass(frozen=True, slots=True)
class Published:
    """F1 of one guard on one set, 0..1. `of_set` says which rows exactly: they need not be these."""

    guard: str
    f1: float
    of_set: str


_GUARDS: Final = ("WildGuard 7B", "Llama Guard 1", "Llama Guard 3", "GPT-4")
_SETS: Final[dict[tuple[str, Question], tuple[str, tuple[float | None, ...]]]] = {
    ("toxicchat", "prompt_harm"): ("ToxicChat", (70.8, 61.6, 53.1, 68.3)),
    ("openaimoderation", "prompt_harm"): ("OpenAI moderation", (72.1, 75.8, 79.7, 70.5)),
    ("aegis", "prompt_harm"): ("Aegis", (89.4, 74.1, 71.4, 84.4)),
    ("simplesafetytests", "prompt_harm"): ("SimpleSafetyTests", (99.5, 93.0, 99.5, 100.0)),
    ("harmbenchprompts", "prompt_harm"): ("HarmBench prompts", (98.9, 67.2, 98.9, 100.0)),
    ("wildguardtest", "prompt_harm"): ("WildGuardTest", (88.9, 56.0, 76.2, 87.9)),
    ("wildguardtest", "response_harm"): ("WildGuardTest", (75.4, 50.5, 70.8, 77.3)),
    ("wildguardtest", "refusal"): ("WildGuardTest", (88.6, 51.4, 54.3, 92.4)),
    ("xstestcompletions", "refusal"): ("XSTest-Resp", (92.8, None, None, None)),
    ("xstestresp", "refusal"): ("XSTest-Resp", (92.8, None, None, None)),
}


def published(source: str, question: Question) -> tuple[Published, ...]:
    """What is published for rows of `source`, whatever the case and punctuation of its name; empty where nothing is."""
    plain = "".join(char for char in source.lower() if char.isalnum())
    of_set, figures = _SETS.get((plain, question), ("", ()))
    return tuple(
        Published(guard, round(figure / 100, 3), of_set)
        for guard, figure in zip(_GUARDS, figures, strict=False)
        if figure is not None
    )
