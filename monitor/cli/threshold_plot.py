"""The rate of a refusal token at every threshold, drawn with characters: readable without colour and at 60 columns."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from rich.text import Text

from monitor.recalibration.rate_curve import RateCurve

HEIGHT: Final = 11
_MARGIN: Final = 7
_LEAST: Final = 20
_WIDEST: Final = 101


def threshold_plot(curve: RateCurve, width: int) -> list[Text]:
    """Lines of at most `width` columns: threshold from left to right, 0 to 1; the share of prompts with the token from 0 to 100 %.
    ● the rate, │ its 95 % interval, ┄ the rate that is wanted, ◇ and ◆ below at the threshold before and the new one."""
    columns = max(_LEAST, min(width - _MARGIN - 1, _WIDEST))
    places = [column / (columns - 1) for column in range(columns)]
    at = [_at(curve, place) for place in places]
    lines = []
    for number in range(HEIGHT):
        label = f"{100 - 100 * number // (HEIGHT - 1)} %" if number % 5 == 0 else ""
        line = Text(f"{label:>{_MARGIN - 2}} ", style="dim").append("┤" if label else "│", style="dim")
        for rate, low, high in at:
            if _row(rate) == number:
                line.append("●", style="bold cyan")
            elif curve.target is not None and _row(curve.target) == number:
                line.append("┄", style="green")
            elif _row(high) <= number <= _row(low):
                line.append("│", style="cyan")
            else:
                line.append(" ")
        lines.append(line)
    lines.append(_axis(curve, columns))
    ends = Text(" " * _MARGIN).append("0", style="dim")
    middle = "threshold"
    ends.append(" " * ((columns - len(middle)) // 2 - 1)).append(middle, style="dim")
    lines.append(ends.append(" " * (columns + _MARGIN - len(ends) - 1)).append("1", style="dim"))
    return lines + _legend(curve, width)


def _axis(curve: RateCurve, columns: int) -> Text:
    marks = {}
    if curve.old is not None:
        marks[_column(curve.old.threshold, columns)] = ("◇", "bold yellow")
    marks[_column(curve.new.threshold, columns)] = ("◆", "bold magenta")
    line = Text(" " * (_MARGIN - 1) + "└", style="dim")
    for column in range(columns):
        mark, style = marks.get(column, ("─", "dim"))
        line.append(mark, style=style)
    return line


def _legend(curve: RateCurve, width: int) -> list[Text]:
    marks = [("● share with the token", "bold cyan"), ("│ 95 % interval", "cyan")]
    if curve.target is not None:
        marks.append((f"┄ wanted {100 * curve.target:.1f} %", "green"))
    if curve.old is not None:
        marks.append((f"◇ before: {curve.old.threshold:.3f}, {_share(curve.old.rate.value)}", "bold yellow"))
    marks.append((f"◆ new: {curve.new.threshold:.3f}, {_share(curve.new.rate.value)}", "bold magenta"))
    lines = [Text(" " * (_MARGIN - 2))]
    for mark, style in marks:
        if len(lines[-1]) + 2 + len(mark) > width and lines[-1].plain.strip():
            lines.append(Text(" " * (_MARGIN - 2)))
        lines[-1].append("  ").append(mark, style=style)
    return lines


def _at(curve: RateCurve, threshold: float) -> tuple[float, float, float]:
    """Rate and interval at a threshold: the rate falls after each point, so that the next one's counts."""
    place = min(
        bisect_left(curve.points, threshold, key=lambda point: point.threshold), len(curve.points) - 1
    )
    point = curve.points[place]
    return point.rate, point.low, point.high


def _row(rate: float) -> int:
    return round((1 - min(max(rate, 0.0), 1.0)) * (HEIGHT - 1))


def _column(threshold: float, columns: int) -> int:
    return round(min(max(threshold, 0.0), 1.0) * (columns - 1))


def _share(rate: float) -> str:
    return f"{100 * rate:.1f} %"
