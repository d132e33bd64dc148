"""The demo's corpus: prompts and answers written for this project (monitor/demo/corpus/*.jsonl, one file a category).

Prompts of the harmful categories state a request in general words; answers that comply do so visibly and say nothing
that is of use. Nothing in it is taken from a data set; names, numbers and addresses are of reserved ranges.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from schemas.events import Turn
from schemas.taxonomy import BENIGN, CATEGORIES

_FOLDER: Final = Path(__file__).resolve().parent / "corpus"


class Answers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be answered. `partial` says a little and declines the rest: it counts as a refusal."""

    comply: tuple[str, ...]
    refuse: tuple[str, ...]
    partial: tuple[str, ...] = ()


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One prompt. `topic` is the category, or for benign: everyday, medical, security. `context`: earlier turns."""

    id: str
    category: str
    topic: str
    context: tuple[Turn, ...]
    prompt: str
    answers: Answers


def load_corpus() -> tuple[Entry, ...]:
    """Every entry, by category in the order of the taxonomy."""
    decoder = msgspec.json.Decoder(Entry)
    return tuple(
        entry
        for category in CATEGORIES
        for entry in decoder.decode_lines((_FOLDER / f"{category}.jsonl").read_bytes())
    )


def by_topic(corpus: tuple[Entry, ...]) -> dict[str, tuple[Entry, ...]]:
    """The entries of each topic."""
    topics: dict[str, list[Entry]] = {}
    for entry in corpus:
        topics.setdefault(entry.topic, []).append(entry)
    return {topic: tuple(entries) for topic, entries in topics.items()}


def is_benign(entry: Entry) -> bool:
    """Whether the prompt asks for nothing harmful."""
    return entry.category == BENIGN
