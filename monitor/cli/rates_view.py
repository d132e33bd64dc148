"""Rates as a table that people like to look at: value, counts, and the interval as a small bar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from rich.console import Group
from rich.table import Table
from rich.text import Text

from monitor.cli.rates_shapes import RateCell, RateFigure, RatesDocument
from monitor.wording.visible import visible
from schemas.taxonomy import BENIGN


class View(Protocol):
    """Shows a document of rates."""

    def __call__(
        self, document: RatesDocument, width: int, height: int | None = None, *, title: Text | None = None
    ) -> Group:
        """For a terminal of `width` columns; with `height`, as much as fits."""
        ...


RATES: Final = (
    ("refusal", "refusal", "cyan"),
    ("over_refusal", "over-refusal", "yellow"),
    ("response_harm", "response harm", "red"),
    ("under_refusal", "compliance", "magenta"),
    ("prompt_harm", "prompt harm", "yellow"),
)
"""Name, title and colour, in the order in which they are given up on a narrow terminal, last first."""

_NONE: Final = RateFigure(name="refusal", numerator=0, denominator=0, rate=None, low=None, high=None)
"""The figure of a cell without exchanges."""
_RATE_CELLS: Final = 15
_LABEL_CELLS: Final = 14
_COUNT_CELLS: Final = 9
_LINES_A_ROW: Final = 2


def rates_view(
    document: RatesDocument, width: int, height: int | None = None, *, title: Text | None = None
) -> Group:
    """The table for a terminal of `width` columns. With `height`, as many cells as fit, the busiest first."""
    columns = _columns(document.by, width)
    cells = list(document.cells)
    hidden = 0
    if height is not None:
        room = max(1, (height - 10) // _LINES_A_ROW)
        if len(cells) > room:
            kept = sorted(cells, key=lambda cell: -cell.events)[:room]
            hidden = len(cells) - room
            cells = [cell for cell in cells if cell in kept]
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    for name in document.by or ["cell"]:
        table.add_column(
            "" if name == "cell" else name,
            overflow="fold",
            min_width=_LABEL_CELLS if name != "window" else 16,
        )
    table.add_column("exchanges", justify="right", no_wrap=True)
    for _, heading, style in columns:
        table.add_column(Text(heading, style=style), no_wrap=True, min_width=_RATE_CELLS)
    top = {name: _top([*cells, document.total], name) for name, _, _ in columns}
    for cell in cells:
        table.add_row(*labels_of(cell, document.by), _count(cell), *_bars(cell, columns, top))
    if document.by and cells:
        table.add_section()
    labels = [Text("all", style="bold"), *[Text() for _ in document.by[1:]]]
    table.add_row(*labels, _count(document.total), *_bars(document.total, columns, top))
    parts = [title, Text()] if title is not None else []
    scales = ", ".join(f"{heading} {top[name]:.0%}" for name, heading, _ in columns)
    notes = [Text(f"Bars: 95 % intervals, from 0 to: {scales}.", style="dim")]
    notes += _notes(document, [name for name, _, _ in columns], hidden)
    return Group(*parts, table, *notes)


def bar(figure: RateFigure, top: float, width: int, style: str) -> Text:
    """The interval as a thick line and the rate as a dot, on a scale from 0 to `top`."""
    if figure.rate is None or figure.low is None or figure.high is None:
        return Text("·" * width, style="dim")
    low, at, high = (_place(value, top, width) for value in (figure.low, figure.rate, figure.high))
    line = Text("─" * low, style="dim")
    line.append("━" * (at - low), style=style)
    line.append("●", style=f"bold {style}")
    line.append("━" * (high - at), style=style)
    line.append("─" * (width - high - 1), style="dim")
    return line


def percent(rate: float | None) -> str:
    """At most six characters: 0.04 %, 23.4 %, 100 %."""
    if rate is None:
        return "—"
    share = rate * 100
    if share == 0 or share >= 99.95:
        return f"{share:.0f} %"
    return f"{share:.2f} %" if share < 1 else f"{share:.1f} %"


def count(value: float) -> str:
    """A whole number, or thousands and millions with three digits."""
    if value < 10_000:
        return f"{value:.0f}" if value == int(value) else f"{value:.1f}"
    for limit, unit in ((1e6, "k"), (1e9, "M"), (1e12, "G")):
        if value < limit:
            return f"{value / (limit / 1000):#.3g}".rstrip(".") + unit
    return f"{value:.3g}"


def _columns(by: Sequence[str], width: int) -> Sequence[tuple[str, str, str]]:
    labels = sum(17 if name == "window" else _LABEL_CELLS + 1 for name in by or ["cell"])
    fit = max(1, (width - labels - _COUNT_CELLS - 1) // (_RATE_CELLS + 1))
    return RATES[:fit]


def figure_of(cell: RateCell, name: str) -> RateFigure:
    """The rate of that name; nothing of a cell without exchanges."""
    return next((figure for figure in cell.rates if figure.name == name), _NONE)


def _top(cells: Sequence[RateCell], name: str) -> float:
    """The end of a column's scale: the least of 5, 10, 25, 50 and 100 % that holds every rate."""
    highest = max((figure_of(cell, name).rate or 0.0 for cell in cells), default=0.0)
    return next((end for end in (0.05, 0.1, 0.25, 0.5) if highest <= end), 1.0)


def _place(value: float, top: float, width: int) -> int:
    return min(width - 1, max(0, int(value / top * width)))


def _bars(cell: RateCell, columns: Sequence[tuple[str, str, str]], top: dict[str, float]) -> list[Text]:
    shown = []
    for name, _, style in columns:
        figure = figure_of(cell, name)
        counts = f"{count(figure.numerator)}/{count(figure.denominator)}"
        value = percent(figure.rate)
        line = Text(value, style=style if figure.rate else "dim")
        line.append(counts.rjust(max(_RATE_CELLS - len(value), len(counts) + 1)), style="dim")
        shown.append(line.append("\n").append_text(bar(figure, top[name], _RATE_CELLS, style)))
    return shown


def _count(cell: RateCell) -> Text:
    line = Text(f"{cell.events:,}\n", style="bold")
    is_whole = cell.coverage is not None and cell.coverage >= 0.99995
    return line.append(
        "all scored" if is_whole else percent(cell.coverage), style="dim" if is_whole else "yellow"
    )


def labels_of(cell: RateCell, by: Sequence[str]) -> list[Text]:
    """What the cell is, a text for each dimension; `all` where there is none."""
    labels = []
    for name in by or ["cell"]:
        if name == "window":
            start = cell.window_start
            labels.append(Text("—" if start is None else f"{start:%Y-%m-%d %H:%M}"))
        elif name == "cell":
            labels.append(Text("all"))
        else:
            value = visible(getattr(cell, name) or "") or "—"
            labels.append(
                Text(value.replace("_", " "), style="dim" if value == BENIGN else "")
                if name == "category"
                else Text(value)
            )
    return labels


def _notes(document: RatesDocument, shown: Sequence[str], hidden: int) -> list[Text]:
    notes = []
    left_out = [title for name, title, _ in RATES if name not in shown]
    if hidden:
        notes.append(Text(f"{hidden} quieter cells aren't shown.", style="dim"))
    if left_out:
        notes.append(Text(f"A wider terminal also shows {', '.join(left_out)}; --json has all.", style="dim"))
    if document.total.coverage is not None and document.total.coverage < 0.99995:
        notes.append(
            Text("Below the exchanges: the share that has an answer. Unknown is never safe.", style="dim")
        )
    return notes
