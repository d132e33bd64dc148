"""What a page's address asks for, checked: a mistake is told in words, with what would be right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from urllib.parse import urlencode

from monitor.drift.measures import MEASURE_OF, RATES, Measure
from schemas.taxonomy import CATEGORIES

By = Literal["arrival", "event"]
MOST_CHARS: Final = 512
"""Of a name in an address."""
NO_ANSWER: Final = "-"
"""How the category "" is written in an address: what the guard gave no answer for."""


class BadQueryError(Exception):
    """An address that asks for nothing that there is. Its message quotes no more than a few characters of it."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time up to now, and the tiles that it is cut into. `by`: short ones go by the arrival of closed windows, which is
    seconds ago; long ones by the quarters of an hour in which exchanges happened: windows would be too many."""

    name: str
    words: str
    length: timedelta
    tile: timedelta
    by: By


SPANS: Final = (
    Span("15m", "15 minutes", timedelta(minutes=15), timedelta(seconds=30), "arrival"),
    Span("1h", "hour", timedelta(hours=1), timedelta(minutes=2), "arrival"),
    Span("6h", "6 hours", timedelta(hours=6), timedelta(minutes=15), "event"),
    Span("24h", "24 hours", timedelta(hours=24), timedelta(hours=1), "event"),
    Span("7d", "7 days", timedelta(days=7), timedelta(hours=6), "event"),
    Span("28d", "28 days", timedelta(days=28), timedelta(days=1), "event"),
)
DEFAULT_SPAN: Final = SPANS[3]
MEASURES: Final[tuple[Measure, ...]] = RATES


@dataclass(frozen=True, slots=True)
class Ask:
    """Which rates. `tenant`, `model`, `category` None: all; category "": what has none."""

    measure: Measure
    span: Span
    tenant: str | None = None
    model: str | None = None
    category: str | None = None

    def bounds(self, now: datetime) -> tuple[datetime, datetime]:
        """From when to when, in whole tiles; the last is the one that goes on."""
        tile_s = self.span.tile.total_seconds()
        until = datetime.fromtimestamp((now.timestamp() // tile_s + 1) * tile_s, UTC)
        return until - max(self.span.length, self.span.tile), until

    def address(self, **changes: str | None) -> str:
        """The query part of an address that asks for this, but for `changes`; None takes one out."""
        given: dict[str, str | None] = {
            "measure": self.measure.value,
            "span": self.span.name,
            "tenant": self.tenant,
            "model": self.model,
            "category": NO_ANSWER if self.category == "" else self.category,
        }
        return urlencode({name: value for name, value in (given | changes).items() if value is not None})


def read(query: Mapping[str, str]) -> Ask:
    """What an address asks for. Raises BadQueryError."""
    measure = query.get("measure") or Measure.REFUSAL.value
    if measure not in MEASURES:
        raise BadQueryError(f"measure={shown(measure)} is no rate: choose among {', '.join(MEASURES)}.")
    name = query.get("span") or DEFAULT_SPAN.name
    span = next((one for one in SPANS if one.name == name), None)
    if span is None:
        raise BadQueryError(
            f"span={shown(name)} is no stretch of time: choose among {', '.join(one.name for one in SPANS)}."
        )
    return Ask(
        measure=MEASURE_OF[measure],
        span=span,
        tenant=name_of(query, "tenant"),
        model=name_of(query, "model"),
        category=category_of(query),
    )


def name_of(query: Mapping[str, str], key: str) -> str | None:
    """A tenant or a model in an address; None where none is given. Raises BadQueryError for what can be none."""
    name = query.get(key)
    if name is not None and len(name) > MOST_CHARS:
        raise BadQueryError(f"{key} is no name: it has {len(name):,} characters, more than {MOST_CHARS:,}.")
    if name is not None and "\x00" in name:
        raise BadQueryError(f"{key} is no name: it holds a NUL, which none has.")
    return name or None


def category_of(query: Mapping[str, str]) -> str | None:
    """As `name_of`, of the categories that there are."""
    category = query.get("category") or None
    if category is None:
        return None
    if category == NO_ANSWER:
        return ""
    if category not in CATEGORIES:
        raise BadQueryError(
            f"category={shown(category)} is no category: choose among {', '.join(CATEGORIES)}."
        )
    return category


def number_of(query: Mapping[str, str], key: str, default: int, most: int) -> int:
    """A whole number from 1 to `most`. Raises BadQueryError."""
    text = query.get(key) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise BadQueryError(f"{key}={shown(text)} is no number from 1 to {most:,}.")
    return int(text)


def shown(text: str) -> str:
    """As much of it as helps."""
    return f"{text[:40]}…" if len(text) > 40 else text
