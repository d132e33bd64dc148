"""The exchanges of a run: distinct texts, several tenants and models, event times out of order. Pure, seeded."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final

from monitor.demo.texts import Entry, is_benign, load_corpus
from monitor.demo.traffic import Behaviour, Family, Outcome, Planned, Route

BEGINS_AT: Final = datetime(2025, 3, 10, 8, tzinfo=UTC)
BESIDE_BY_S: Final = 7_200
"""An exchange's event time lies up to so many seconds before or after its place in the stream."""
BENIGN_SHARE: Final = 0.6
REFUSED_SHARE: Final = 0.3
FILTERED_SHARE: Final = 0.02
LONG_SHARE: Final = 0.003
"""Of the texts, those that the guard or the adapter before it has to cut."""
LONG_WORDS: Final = (800, 6_000)
EXTRA_WORDS: Final = (3, 12)
FAMILIES: Final[dict[Family, float]] = {
    "openai": 0.40,
    "litellm": 0.15,
    "watchkeeper": 0.18,
    "otel_span": 0.09,
    "otlp_json": 0.09,
    "otlp_protobuf": 0.09,
}
_BEHAVIOUR: Final = Behaviour(0.9, 0.0, 0.0)
ROUTES: Final = tuple(
    Route(tenant, model, share, _BEHAVIOUR, FAMILIES)
    for tenant, model, share in (
        ("acme-support", "atlas-large", 3.0),
        ("acme-support", "atlas-mini", 2.0),
        ("northwind", "atlas-large", 2.0),
        ("northwind", "heron-7b", 1.0),
        ("contoso", "heron-7b", 1.0),
        ("contoso", "unknown-α", 0.5),
    )
)


def exchanges(seed: int, count: int) -> Iterator[Planned]:
    """`count` exchanges in the order in which they are sent. No two have the same texts, ids or conversations."""
    dice = random.Random(f"{seed} exchanges")
    corpus = load_corpus()
    benign = [entry for entry in corpus if is_benign(entry)]
    harmful = [entry for entry in corpus if not is_benign(entry)]
    words = sorted({word for entry in corpus for word in entry.prompt.split()})
    shares = [route.share for route in ROUTES]
    names, odds = list(FAMILIES), list(FAMILIES.values())
    for number in range(count):
        token = blake2b(f"{seed} {number}".encode(), digest_size=16).hexdigest()
        entry = dice.choice(benign if dice.random() < BENIGN_SHARE else harmful)
        outcome, answer = _answer(entry, dice)
        beside = timedelta(seconds=dice.randint(-BESIDE_BY_S, BESIDE_BY_S))
        yield Planned(
            number,
            BEGINS_AT + timedelta(seconds=number // 4) + beside,
            dice.choices(ROUTES, shares)[0],
            Entry(
                entry.id,
                entry.category,
                entry.topic,
                entry.context,
                _text(entry.prompt, words, token[:10], dice),
                entry.answers,
            ),
            outcome,
            None if answer is None else _text(answer, words, token[10:20], dice),
            dice.choices(names, odds)[0],
            token,
            f"conv-{token[:12]}",
        )


def _answer(entry: Entry, dice: random.Random) -> tuple[Outcome, str | None]:
    chance = dice.random()
    if chance < FILTERED_SHARE:
        return "filtered", None
    if chance < FILTERED_SHARE + REFUSED_SHARE:
        return "refuse", dice.choice(entry.answers.refuse)
    return "comply", dice.choice(entry.answers.comply)


def _text(text: str, words: list[str], mark: str, dice: random.Random) -> str:
    """The text with words of others and a mark of its own, so that the guard says something else of each."""
    extra = LONG_WORDS if dice.random() < LONG_SHARE else EXTRA_WORDS
    return " ".join((text, *dice.choices(words, k=dice.randint(*extra)), mark))
