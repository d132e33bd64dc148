"""A plot of one value by layer, in characters: now with its interval, before, and where it changed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from monitor.audit.pictures import Point, drawable
from monitor.wording.visible import shortened, visible

HEIGHT: Final = 11
_WIDEST: Final = 4
_LEAST_COLUMNS: Final = 4


@dataclass(frozen=True, slots=True)
class _Column:
    """Some layers next to each other: the mean of their values, the whole reach of their intervals."""

    value: float | None
    low: float | None
    high: float | None
    before: float | None
    has_changed: bool


def layer_plot(
    points: Sequence[Point], before: Mapping[str, float | None], changed: frozenset[str], width: int
) -> list[Text]:
    """Lines of at most `width` columns: J ● with its 95 % interval │, ◆ where it changed, J in the audit before ╌. Layers next to each
    other are put together where there are more of them than columns. Nothing where no value is finite."""
    room = max(width - 12, _LEAST_COLUMNS)
    count = min(len(points), room)
    parts = [points[len(points) * n // count : len(points) * (n + 1) // count] for n in range(count)]
    columns = [_column(part, before, changed) for part in parts]
    seen = [
        v for one in columns for v in (one.value, one.low, one.high, one.before) if drawable(v) is not None
    ]
    if not seen:
        return []
    bottom, top = min(0.0, *(v for v in seen if v is not None)), max(0.0, *(v for v in seen if v is not None))
    if top <= bottom:
        top = bottom + 1.0
    step = max(1, min(room // len(columns), _WIDEST))
    zero = _height(0.0, bottom, top)
    ticks = {0: top, HEIGHT - 1: bottom, zero: 0.0}
    margin = max(len(_label(value)) for value in ticks.values())
    lines = []
    for number in range(HEIGHT):
        line = Text(f"{_label(ticks[number]) if number in ticks else '':>{margin}} ", style="dim")
        line.append("┤" if number in ticks else "│", style="dim")
        for column in columns:
            line.append_text(_cell(column, number, bottom, top, step, is_zero=number == zero))
        lines.append(line)
    lines.append(Text(" " * (margin + 1) + "└" + "─" * (len(columns) * step), style="dim"))
    lines.append(_names(points, margin + 2, len(columns) * step))
    together = math.ceil(len(points) / len(columns))
    lines += _legend(
        margin, width, has_before=bool(before), has_changed=any(c.has_changed for c in columns), together=together
    )  # fmt: skip
    return lines


def _column(part: Sequence[Point], before: Mapping[str, float | None], changed: frozenset[str]) -> _Column:
    values = [v for point in part if (v := drawable(point.value)) is not None]
    lows = [v for point in part if (v := drawable(point.low)) is not None]
    highs = [v for point in part if (v := drawable(point.high)) is not None]
    olds = [v for point in part if (v := drawable(before.get(point.name))) is not None]
    return _Column(
        math.fsum(values) / len(values) if values else None,
        min(lows, default=None),
        max(highs, default=None),
        math.fsum(olds) / len(olds) if olds else None,
        any(point.name in changed for point in part),
    )


def _height(value: float, bottom: float, top: float) -> int:
    return round((1.0 - (value - bottom) / (top - bottom)) * (HEIGHT - 1))


def _cell(column: _Column, number: int, bottom: float, top: float, step: int, *, is_zero: bool) -> Text:
    def height(value: float | None) -> int | None:
        return None if value is None else _height(value, bottom, top)

    at, low, high = height(column.value), height(column.low), height(column.high)
    text = Text()
    if at == number:
        text.append(
            "◆" if column.has_changed else "●", style="bold magenta" if column.has_changed else "bold cyan"
        )
    elif height(column.before) == number:
        text.append("╌", style="yellow")
    elif low is not None and high is not None and high <= number <= low:
        text.append("│", style="cyan")
    else:
        text.append("·" if is_zero else " ", style="dim")
    return text.append(("·" if is_zero else " ") * (step - 1), style="dim")


def _names(points: Sequence[Point], margin: int, width: int) -> Text:
    """The first and the last layer's names below their columns."""
    first, last = (shortened(visible(points[place].name), 24) for place in (0, -1))
    text = Text(" " * margin).append(first, style="dim")
    if len(points) > 1 and len(first) + len(last) + 2 <= width:
        text.append(" " * (width - len(first) - len(last))).append(last, style="dim")
    elif len(points) > 1:
        text.append(" … ", style="dim").append(last, style="dim")
    return text


def _legend(margin: int, width: int, *, has_before: bool, has_changed: bool, together: int) -> list[Text]:
    marks = [("● J", "bold cyan"), ("│ 95 % interval", "cyan")]
    if has_changed:
        marks.append(("◆ changed", "bold magenta"))
    if has_before:
        marks.append(("╌ J before", "yellow"))
    if together > 1:
        marks.append((f"column: mean of ≤ {together} layers", "dim"))
    lines = [Text(" " * margin)]
    for mark, style in marks:
        if len(lines[-1]) + 2 + len(mark) > width and lines[-1].plain.strip():
            lines.append(Text(" " * margin))
        lines[-1].append("  ").append(mark, style=style)
    return lines


def _label(value: float) -> str:
    return f"{value:.2g}".replace("-", "−")
