"""Files of labelled exchanges in the unified row format (docs/evaluation.md): JSON lines, plain or gzip."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from monitor.cli.chat_log_lines import Line, Source, find_sources, read_lines
from monitor.errors import Misconfigured
from monitor.evaluation.answers import Row
from monitor.wording.visible import visible
from schemas.taxonomy import CATEGORIES

MAX_LINE_BYTES: Final = 16_777_216
LABELS: Final = ("prompt_harmful", "response_harmful", "refusal", "category")
_FORMAT: Final = (
    "source", "licence", "id", "prompt", "response", "model", *LABELS, "label_origin", "label_origins", "refusal_class",
    "annotators_agree", "model_variant", "prompt_type", "action", "types_of_harm", "harm_score", "upstream_category",
    "functionality", "persona", "hazard", "attack", "upstream", "hallucination",
)  # fmt: skip
_LONGEST_NAME: Final = 40
_ANSWERS: Final[dict[object, bool]] = {0: False, 1: True}
"""Also false and true, which equal them."""
_REMEDY: Final = "give JSON lines with `prompt`, and labels under " + ", ".join(
    f"`{name}`" for name in LABELS
)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds. `usable` rows have a prompt and a label. `unknown` are fields that the format doesn't know, most
    frequent first: a misspelt label would be one of them."""

    rows: int
    without_prompt: int
    without_label: int
    usable: int
    unknown: tuple[str, ...]


def look_through(path: str) -> Contents:
    """Read the whole file once, before anything is asked of a guard. Raises Misconfigured for a file that can't be read, a
    line that isn't a row, and a file without a label."""
    rows = without_prompt = without_label = 0
    unknown: Counter[str] = Counter()
    for _, given, row in _rows(path):
        rows += 1
        unknown.update(visible(name)[:_LONGEST_NAME] for name in given if name not in _FORMAT)
        without_prompt += not row.prompt
        without_label += bool(row.prompt) and not row.has_label
    names = tuple(name for name, _ in unknown.most_common())
    usable = rows - without_prompt - without_label
    if not usable:
        seen = f"; it has fields that aren't of the format: {', '.join(names[:5])}" if names else ""
        what = (
            f"none of the {rows:,} rows of {path} has a prompt and a label" if rows else f"{path} has no rows"
        )
        raise Misconfigured(what + seen, _REMEDY)
    return Contents(rows, without_prompt, without_label, usable, names)


def usable_rows(path: str) -> Iterator[Row]:
    """The rows that have a prompt and a label, in order. Raises as `look_through`."""
    return (row for _, _, row in _rows(path) if row.prompt and row.has_label)


def drawn_rows(path: str, count: int, *, seed: int) -> list[Row]:
    """`count` usable rows drawn at random, in the file's order; all where there are no more (Vitter 1985, algorithm R). The
    first ones would all be of one source."""
    chance = random.Random(seed)
    kept: list[tuple[int, Row]] = []
    for place, row in enumerate(usable_rows(path)):
        if len(kept) < count:
            kept.append((place, row))
        elif (at := chance.randrange(place + 1)) < count:
            kept[at] = (place, row)
    return [row for _, row in sorted(kept, key=lambda pair: pair[0])]


def _rows(path: str) -> Iterator[tuple[Line, dict[str, Any], Row]]:
    (source,) = find_sources([path])
    for line in read_lines(source, MAX_LINE_BYTES):
        if line.text.strip():
            given = _object(line, source)
            yield line, given, _row(given, f"{source.name}, line {line.number}")


def _object(line: Line, source: Source) -> dict[str, Any]:
    place = f"{source.name}, line {line.number}"
    try:
        given = msgspec.json.decode(line.text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise Misconfigured(f"{place} is no JSON ({type(exc).__name__})", _REMEDY) from exc
    if not isinstance(given, dict):
        raise Misconfigured(f"{place} is no JSON object", _REMEDY)
    return given


def _row(given: dict[str, Any], place: str) -> Row:
    texts = {name: given.get(name) for name in ("source", "prompt", "response", "category")}
    for name, value in texts.items():
        if value is not None and not isinstance(value, str):
            raise Misconfigured(f"{place}: `{name}` is neither a text nor null", "correct that line")
    category = texts["category"]
    if category is not None and category not in CATEGORIES:
        raise Misconfigured(
            f"{place}: its `category` is none of the taxonomy",
            f"write one of {', '.join(CATEGORIES)}, or null",
        )
    return Row(
        source=texts["source"] or "unnamed",
        prompt=texts["prompt"] or "",
        response=texts["response"],
        prompt_harmful=_answer(given, "prompt_harmful", place),
        response_harmful=_answer(given, "response_harmful", place),
        refusal=_answer(given, "refusal", place),
        category=category,
    )


def _answer(given: dict[str, Any], name: str, place: str) -> bool | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, (bool, int, float)) or value not in _ANSWERS:
        raise Misconfigured(f"{place}: `{name}` is neither 0, 1, true, false nor null", "correct that line")
    return _ANSWERS[value]
