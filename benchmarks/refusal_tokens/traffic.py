"""Prompts of five kinds that a model should refuse, or should not: each with a known chance that people call it harmful."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import Final

import numpy as np

from schemas.refusal_tokens import CATEGORY_TOKENS

LEVELS: Final = 8
TOPICS: Final = 8
FILLERS: Final = tuple(f"word{number}" for number in range(16))
ASKED: Final[dict[str, float]] = dict(zip(CATEGORY_TOKENS, (0.0, -0.8, -0.4, 0.8, 0.4), strict=True))
"""Log-odds by category that a prompt of middle level is harmful."""
REFUSAL: Final = ("i", "can", "not", "help", "with")
ANSWER: Final = ("here", "is", "how", "to", "do")


@dataclass(frozen=True, slots=True)
class Prompt:
    """`text`: words. `topic`: the word that an answer names. `harmful`: what people would call it, drawn once."""

    text: str
    category: str
    topic: str
    is_harmful: bool


def draw(n: int, rng: np.random.Generator, categories: Sequence[str] = CATEGORY_TOKENS) -> list[Prompt]:
    """Evenly over the categories. Two words tell how bad it is; the categories overlap in how bad their prompts are, and the
    harmless overlap with the harmful: no threshold is free of mistakes."""
    return [_prompt(categories[int(rng.integers(len(categories)))], rng) for _ in range(n)]


def words() -> list[str]:
    """All that prompts and answers are made of."""
    topics = [_topic(place, number) for place in range(len(CATEGORY_TOKENS)) for number in range(TOPICS)]
    levels = [f"level{level}" for level in range(LEVELS)]
    return [*topics, *levels, *FILLERS, *REFUSAL, *ANSWER, "ok"]


def answer(prompt: Prompt, *, is_refused: bool) -> str:
    """In words; its length isn't the token's doing."""
    return " ".join((*(REFUSAL if is_refused else ANSWER), prompt.topic))


def _prompt(category: str, rng: np.random.Generator) -> Prompt:
    place = CATEGORY_TOKENS.index(category)
    topic = _topic(place, int(rng.integers(TOPICS)))
    one, two = (int(level) for level in rng.integers(LEVELS, size=2))
    odds = ASKED[category] + 0.55 * (one + two - (LEVELS - 1))
    filler = [FILLERS[int(number)] for number in rng.integers(len(FILLERS), size=int(rng.integers(0, 5)))]
    text = [topic, f"level{one}", f"level{two}", *filler]
    rng.shuffle(text)
    return Prompt(" ".join(text), category, topic, bool(rng.random() < 1 / (1 + exp(-odds))))


def _topic(place: int, number: int) -> str:
    return f"topic{place}{number}"
