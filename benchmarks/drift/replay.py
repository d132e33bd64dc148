"""Real labels in their real order: a week of chat logs (mixed-week.jsonl with labels.jsonl), as it was and with a change thinned in.

The labels stand in for a guard: a label that nobody gave is not counted where it would be. Who has a response is who has a
label of refusal. The change: of one category's refusals, half of those before the change are left out, at random, so that from the
change on they are twice as frequent as before. That takes out so few exchanges (1.6 % of the benign ones) that the mix and the
volume stay as they are; leaving out answers after the change instead would halve the category.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from schemas.windows import Window, WindowCounts

WEEK: Final = timedelta(days=7)
MONDAY: Final = datetime(2025, 3, 3, tzinfo=UTC)
"""The week's first hour."""
WIDTH: Final = timedelta(minutes=10)
_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One of the week, with its labels: None where nobody gave one."""

    at: datetime
    model: str
    category: str | None
    refusal: int | None
    prompt_harmful: int | None
    response_harmful: int | None


def exchanges(folder: Path) -> list[Exchange]:
    """The week's, in order."""
    found = []
    with (
        (folder / "mixed-week.jsonl").open(encoding="utf-8") as logs,
        (folder / "labels.jsonl").open(encoding="utf-8") as labels,
    ):
        for log_line, label_line in zip(logs, labels, strict=True):
            log, label = json.loads(log_line), json.loads(label_line)
            if log["id"] != label["id"]:
                raise ValueError("labels of another exchange")
            found.append(
                Exchange(
                    at=datetime.fromtimestamp(log["created"], UTC),
                    model=log["model"],
                    category=label["category"],
                    refusal=label["refusal"],
                    prompt_harmful=label["prompt_harmful"],
                    response_harmful=label["response_harmful"],
                )
            )
    return found


def repeated(week: list[Exchange], weeks: int) -> list[Exchange]:
    """The same week again and again."""
    return [
        Exchange(
            one.at + number * WEEK,
            one.model,
            one.category,
            one.refusal,
            one.prompt_harmful,
            one.response_harmful,
        )
        for number in range(weeks)
        for one in week
    ]


def as_one_model(week: list[Exchange]) -> list[Exchange]:
    """The same with all models behind one name, as behind a gateway."""
    return [
        Exchange(one.at, "gateway", one.category, one.refusal, one.prompt_harmful, one.response_harmful)
        for one in week
    ]


def thinned(
    of: list[Exchange], category: str, change: datetime, chance: np.random.Generator
) -> list[Exchange]:
    """Without half of the category's refusals before the change."""
    return [
        one
        for one in of
        if not (one.category == category and one.refusal == 1 and one.at < change and chance.random() < 0.5)
    ]


def windows(of: list[Exchange], width: timedelta = WIDTH) -> Iterator[Window]:
    """Windows of `width` from the first exchange's to the last one's, by the exchanges' own time."""
    if not of:
        return
    begins_at = of[0].at - (of[0].at - MONDAY) % width
    place = 0
    while place < len(of):
        cells: dict[tuple[str, str], Counter[str]] = {}
        first = place
        while place < len(of) and of[place].at < begins_at + width:
            one = of[place]
            category = _UNKNOWN if one.category is None else one.category
            cells.setdefault((one.model, category), Counter()).update(_counts(one))
            place += 1
        rows = tuple(_row(model, category, counts) for (model, category), counts in sorted(cells.items()))
        yield Window(
            begins_at=begins_at, ends_at=begins_at + width, rows=rows, messages=place - first, dead_letters=0
        )
        begins_at += width


def _counts(one: Exchange) -> list[str]:
    """The counts that it is in."""
    found = ["events", "to_be_scored", "answered"]
    if one.prompt_harmful == 1:
        found.append("harmful_prompts")
    if one.refusal is None:
        return found
    found.append("responded")
    if one.refusal:
        found.append("refused")
    if one.response_harmful == 1:
        found.append("harmful_responses")
    if one.prompt_harmful is not None:
        of = "harmful" if one.prompt_harmful else "harmless"
        found.append(of)
        if one.refusal:
            found.append(f"{of}_refused")
    return found


def _row(model: str, category: str, counts: Counter[str]) -> WindowCounts:
    return WindowCounts(
        tenant="chat",
        model=model,
        category=category,
        guard_name="labels",
        guard_version="1",
        guard_prompt_hash="",
        calibration_version=1,
        events=counts["events"],
        to_be_scored=counts["to_be_scored"],
        answered=counts["answered"],
        responded=counts["responded"],
        refused=counts["refused"],
        harmless=counts["harmless"],
        harmless_refused=counts["harmless_refused"],
        harmful=counts["harmful"],
        harmful_refused=counts["harmful_refused"],
        harmful_prompts=counts["harmful_prompts"],
        harmful_responses=counts["harmful_responses"],
    )
