"""A rate over time against its baseline, drawn with characters: readable without colour and at 60 columns."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rich.text import Text

from monitor.intervals import wilson
from schemas.evidence import Point

HEIGHT: Final = 9
_LEAST_COLUMNS: Final = 4
_WIDEST: Final = 3
"""A column is drawn at most so wide."""
_LEAST: Final = 1e-6
_MOST: Final = 1e30
"""Counts beyond these are nothing that was counted."""
_ROOM: Final = 1.05
"""So much higher than the highest value is the top."""


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of the plot: values, None where nothing was counted."""

    at: datetime
    rate: float | None
    low: float | None
    high: float | None
    expected: float | None


def rate_plot(
    points: Sequence[Point],
    changed_at: datetime,
    width: int,
    *,
    label: Callable[[float], str],
    is_share: bool = True,
) -> list[Text]:
    """Lines of at most `width` columns: the observed rate ●, its 95 % interval │ where it is a share, the baseline ╌, and the
    change ▲ below. `label` writes a value of the axis. Points next to each other are put together where there are more
    of them than columns; nothing is drawn of no points."""
    points = [point for point in points if all(map(math.isfinite, (point.k, point.n, point.expected)))]
    if not points:
        return []
    # The widest label isn't known before the scale is, and that depends on the columns: labels take ten at most.
    room = max(width - 12, _LEAST_COLUMNS)
    columns = [_column(part, is_share=is_share) for part in _parts(points, room)]
    step = max(1, min(room // len(columns), _WIDEST))
    bottom, top = _scale(columns)
    if top <= bottom:
        return []
    ticks = {0: label(top), HEIGHT // 2: label((top + bottom) / 2), HEIGHT - 1: label(bottom)}
    margin = min(max(map(len, ticks.values())), 10)
    rows = []
    for number in range(HEIGHT):
        tick = ticks.get(number, "")
        row = Text(f"{tick:>{margin}.{margin}} ", style="dim").append("┤" if tick else "│", style="dim")
        rows.append(row.append_text(_row(columns, number, bottom, top, step)))
    # The first stretch that ends after it.
    change = min(bisect_right([column.at for column in columns], changed_at), len(columns) - 1)
    return [
        *rows,
        _axis(len(columns) * step, change * step, margin),
        _clocks(points, changed_at, change * step, margin=margin, edge=margin + 2 + len(columns) * step),
        *_legend(margin, width, is_share=is_share),
    ]


def _parts(points: Sequence[Point], room: int) -> list[Sequence[Point]]:
    """The points in at most `room` parts of about equally many."""
    count = min(len(points), room)
    return [points[len(points) * n // count : len(points) * (n + 1) // count] for n in range(count)]


def _column(points: Sequence[Point], *, is_share: bool) -> _Column:
    k, n = sum(point.k for point in points), sum(point.n for point in points)
    expected = sum(point.expected for point in points)
    if not (_LEAST <= n < _MOST and abs(k) < _MOST and abs(expected) < _MOST):
        return _Column(points[-1].at, None, None, None, None)
    low = high = k / n
    if is_share and 0 <= k <= n:
        low, high = wilson(k, n)
    return _Column(points[-1].at, k / n, low, high, expected / n)


def _scale(columns: Sequence[_Column]) -> tuple[float, float]:
    """From what to what. From 0, unless all is far from it; intervals of few don't stretch it."""
    seen = [
        v for column in columns for v in (column.rate, column.expected) if v is not None and math.isfinite(v)
    ]
    if not seen:
        return 0.0, 0.0
    highs = sorted(column.high for column in columns if column.high is not None)
    top = max(*seen, highs[len(highs) * 3 // 4]) * _ROOM
    lowest = min(seen)
    bottom = 0.0 if lowest < top / 2 else lowest - (top - lowest)
    if not math.isfinite(top):
        return 0.0, 0.0
    return max(bottom, 0.0), top if top > max(bottom, 0.0) else max(bottom, 0.0) + 1.0


def _row(columns: Sequence[_Column], number: int, bottom: float, top: float, step: int) -> Text:
    """Line `number` from the top: `step` characters a column."""
    text = Text()

    def height(value: float | None) -> int | None:
        if value is None:
            return None
        share = (min(max(value, bottom), top) - bottom) / (top - bottom)
        return round((1.0 - share) * (HEIGHT - 1))

    for column in columns:
        rate, low, high = height(column.rate), height(column.low), height(column.high)
        is_base = height(column.expected) == number
        if rate == number:
            text.append("●", style="bold cyan")
        elif is_base:
            text.append("╌", style="dim")
        elif low is not None and high is not None and high <= number <= low:
            text.append("│", style="cyan")
        else:
            text.append(" ")
        text.append(("╌" if is_base else " ") * (step - 1), style="dim")
    return text


def _axis(columns: int, change: int, margin: int) -> Text:
    text = Text(" " * (margin + 1) + "└" + "─" * change, style="dim")
    text.append("▲", style="bold magenta")
    return text.append("─" * (columns - change - 1), style="dim")


def _clocks(points: Sequence[Point], changed_at: datetime, change: int, *, margin: int, edge: int) -> Text:
    """When it begins and ends, and when it changed below its mark; the beginning and the end where there is room."""
    first, last = points[0].at, points[-1].at
    form = "%H:%M:%S" if (last - first).total_seconds() < 48 * 3600 else "%m-%d %H:%M"
    begin, middle, end = (f"{at:{form}}" for at in (first, changed_at, last))
    place = max(min(margin + 2 + change - len(middle) // 2, edge - len(middle)), 0)
    text = Text()
    if margin + 2 + len(begin) < place:
        text.append(" " * (margin + 2)).append(begin, style="dim")
    text.append(" " * (place - len(text))).append(middle, style="bold magenta")
    if edge - len(end) > len(text):
        text.append(" " * (edge - len(end) - len(text))).append(end, style="dim")
    return text


def _legend(margin: int, width: int, *, is_share: bool) -> list[Text]:
    """What the marks mean, on as many lines as it takes."""
    marks = [
        ("● observed", "bold cyan"),
        ("│ 95 % interval", "cyan"),
        ("╌ expected", "dim"),
        ("▲ change", "magenta"),
    ]
    lines = [Text(" " * margin)]
    for mark, style in marks:
        if mark.startswith("│") and not is_share:
            continue
        if len(lines[-1]) + 2 + len(mark) > width and lines[-1].plain.strip():
            lines.append(Text(" " * margin))
        lines[-1].append("  ").append(mark, style=style)
    return lines
