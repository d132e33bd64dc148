"""The plan as a person reads it: a row a cell, how soon which shift would be noticed."""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from monitor.cli.drift_shapes import PlanDocument, PlanLine
from monitor.drift.units import rate_text
from monitor.wording.figures import duration, moment, number
from monitor.wording.visible import visible

FACTORS: Final = ("x1.5", "x2", "x3", "x0.5")
WIDE: Final = 100
_LONGEST_H: Final = 24.0 * 365 * 2
"""What takes longer is never."""


def plan_view(document: PlanDocument, width: int, limit: int, *, wanted: str = "") -> Group:
    """For `width` columns, at most `limit` cells; `wanted` says which alone were asked for."""
    parts: list[RenderableType] = [
        Text(f"Until a shift of the odds is noticed, by {moment(document.position)}", style="bold"),
        Text(
            f"budget: {number(document.budget_per_month)} false alarms a month over everything watched",
            style="dim",
        ),
        Text(),
    ]
    armed = [cell for cell in document.cells if cell.events_needed is None]
    learning = [cell for cell in document.cells if cell.events_needed is not None]
    if not document.cells:
        return Group(
            *parts,
            Text(
                f"No cell of {wanted} is watched; without filters all that are watched are listed."
                if wanted
                else "No cell is watched yet: one appears with its first traffic.",
                style="yellow",
            ),
        )
    shown = armed[:limit]
    if shown:
        parts.append(_armed(shown, is_wide=width >= WIDE))
    still = learning[: limit - len(shown)]
    if still:
        parts += [Text(), Text("Still learning", style="bold"), _learning(still)]
    hidden = len(document.cells) - len(shown) - len(still)
    if hidden:
        unseen = len(learning) - len(still)
        parts.append(
            Text(
                f"… and {hidden:,} more"
                + (f", {unseen:,} of them still learning" if unseen else "")
                + "; --limit or --json has them.",
                style="dim",
            )
        )
    return Group(*parts)


def _armed(cells: list[PlanLine], *, is_wide: bool) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2 if is_wide else 1, 0, 0), pad_edge=False)
    table.add_column("cell", overflow="fold")
    table.add_column("level", justify="right", overflow="fold")
    if is_wide:
        table.add_column("95 % interval", justify="right", no_wrap=True)
        table.add_column("a day", justify="right", no_wrap=True)
    for factor in FACTORS:
        table.add_column(f"×{factor[1:]}", justify="right", no_wrap=True)
    for cell in cells:
        row: list[RenderableType] = [_name(cell), _rate(cell, cell.rate)]
        if is_wide:
            row += [
                Text(f"{_rate(cell, cell.low)}–{_rate(cell, cell.high)}", style="dim"),
                number(round(cell.events_per_day)),
            ]
        table.add_row(*row, *(_after(cell.noticed_after_h.get(factor)) for factor in FACTORS))
    return table


def _learning(cells: list[PlanLine]) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("cell", overflow="fold")
    table.add_column("events needed", justify="right", overflow="fold")
    table.add_column("at today's traffic", justify="right", overflow="fold")
    for cell in cells:
        wait = (
            "never"
            if cell.armed_in_h is None
            else f"in {duration(timedelta(hours=min(cell.armed_in_h, 8.7e6)))}"
        )
        table.add_row(_name(cell), number(ceil(cell.events_needed or 0.0)), wait)
    return table


def _name(cell: PlanLine) -> Text:
    names = [
        visible(name).replace("_", " ")
        for name in (cell.tenant, cell.model, cell.category)
        if name is not None
    ]
    text = Text(visible(cell.measure).replace("_", " "), style="bold")
    text.append(f"  {' · '.join(names) or 'all'}", style="default")
    if cell.state in ("firing", "stale"):
        text.append(f"  {cell.state}", style="red")
    return text


def _rate(cell: PlanLine, value: float | None) -> str:
    return "—" if value is None else rate_text(cell.measure, value, is_short=True)


def _after(hours: float | None) -> Text:
    if hours is None or hours > _LONGEST_H:
        return Text("never" if hours is None else "> 2 y", style="dim")
    return Text(duration(timedelta(hours=max(hours, 0.0))))
