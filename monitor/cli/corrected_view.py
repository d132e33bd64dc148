"""Rates as the guard says, as the judge's sample says, and as both say together."""

from __future__ import annotations

from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from monitor.cli.rates_shapes import EstimateFigure, RateCell, RateFigure, RatesDocument
from monitor.cli.rates_view import RATES, count, figure_of, labels_of, percent
from monitor.wording.visible import visible

_WIDE: Final = 108
_LINES_A_CELL: Final = len(RATES) + 1
ECHO: Final = "judge_lite"
"""The judge of the embedded stack: it gets refusal and harm from the guard itself."""


def corrected_view(
    document: RatesDocument, width: int, height: int | None = None, *, title: Text | None = None
) -> Group:
    """A block a cell, a line a rate; where that is too wide, intervals go below their rates. With `height`, as many cells
    as fit, the busiest first."""
    gap = "  " if width >= _WIDE else "\n"
    cells = list(document.cells)
    hidden = 0
    if height is not None:
        room = max(0, (height - 10) // (_LINES_A_CELL if width >= _WIDE else 2 * _LINES_A_CELL) - 1)
        kept = sorted(cells, key=lambda cell: -cell.events)[:room]
        hidden = len(cells) - len(kept)
        cells = [cell for cell in cells if cell in kept]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("")
    for heading in ("guard alone", "judge alone", "guard and judge"):
        table.add_column(heading, no_wrap=True)
    table.add_column("judged", justify="right", no_wrap=True)
    table.add_column("narrower by", justify="right", no_wrap=True)
    for cell in cells:
        _block(table, cell, " · ".join(label.plain for label in labels_of(cell, document.by)), gap)
    _block(table, document.total, "all", gap)
    parts = [title, Text()] if title is not None else []
    return Group(*parts, table, *_notes(document, hidden))


def _block(table: Table, cell: RateCell, name: str, gap: str) -> None:
    events = f"{cell.events:,} {'exchange' if cell.events == 1 else 'exchanges'}"
    table.add_row(Text(name, style="bold"), Text(events, style="dim"))
    for rate, heading, style in RATES:
        figure = figure_of(cell, rate)
        table.add_row(Text(f"  {heading}", style=style), *_line(figure, gap))
    table.add_section()


def _line(figure: RateFigure, gap: str) -> list[Text]:
    alone = _estimate(figure, gap)
    corrected = figure.corrected
    if corrected is None:
        return [alone, Text("not judged", style="dim")]
    without, both = corrected.horvitz_thompson, corrected.prediction_powered
    judged = Text(count(corrected.judged), style="dim")
    if without.rate is None:
        return [alone, Text(without.reason, style="dim"), Text(), judged]
    gain = "" if corrected.narrower is None else f"{corrected.narrower:.2f}×"
    return [alone, _estimate(without, gap), _estimate(both, gap), judged, Text(gain)]


def _estimate(estimate: EstimateFigure | RateFigure, gap: str) -> Text:
    rate, low, high = estimate.rate, estimate.low, estimate.high
    if rate is None or low is None or high is None:
        return Text(percent(None), style="dim")
    return Text(percent(rate).rjust(7)).append(f"{gap}{_short(low)}–{_short(high)}", style="dim")


def _short(rate: float) -> str:
    return percent(rate).removesuffix(" %")


def _notes(document: RatesDocument, hidden: int) -> list[Text]:
    judges = [visible(judge) for judge in document.judges]
    notes = [
        "95 % intervals. Narrower by: width for the judge alone over width for guard and judge together."
    ]
    if judges:
        notes.append(f"Judged by {', '.join(judges)}.")
    else:
        notes.append(
            "Nothing is judged in this time: WATCHKEEPER_JUDGING__JUDGE says who does (docs/judging.md)."
        )
    if ECHO in document.judges:
        notes.append(
            f"{ECHO} takes refusal and harm from the guard: what it corrects there is no second opinion."
        )
    if hidden:
        notes.append(f"{hidden} quieter cells aren't shown.")
    return [Text(note, style="dim") for note in notes]
