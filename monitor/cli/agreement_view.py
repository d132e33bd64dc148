"""Agreement with labels as a person reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from monitor.agreement import Agreement
from monitor.cli.rates_view import percent

_TITLES: Final = {"refusal": "Refusal", "prompt_harmful": "Prompt harm", "response_harmful": "Response harm"}


def agreement_view(found: Sequence[Agreement], *, ids: int, stored: int) -> Group:
    """Each label's confusion table and figures."""
    rows: list[RenderableType] = [Text(f"{stored:,} of {ids:,} labelled ids are stored.", style="dim")]
    for one in found:
        rows += [Text(), _heading(one), _confusion(one), _figures(one)]
    return Group(*rows)


def _heading(one: Agreement) -> Text:
    text = Text(_TITLES[one.label], style="bold").append(
        f"  {one.compared:,} compared of {one.labelled:,} labelled", style="dim"
    )
    for count, what in ((one.missing, "not stored"), (one.unanswered, "without an answer")):
        if count:
            text.append(f", {count:,} {what}", style="yellow")
    return text


def _confusion(one: Agreement) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 2), header_style="dim")
    for name in ("", "verdict yes", "verdict no"):
        table.add_column(name, justify="left" if not name else "right")
    table.add_row(
        Text("label yes", style="dim"), f"{one.both_yes:,}", Text(f"{one.label_only:,}", style="red")
    )
    table.add_row(
        Text("label no", style="dim"), Text(f"{one.verdict_only:,}", style="red"), f"{one.both_no:,}"
    )
    return table


def _figures(one: Agreement) -> Text:
    kappa = "—" if one.kappa is None else f"{one.kappa:.3f}"
    text = (
        Text("  agreement ")
        .append(percent(one.agreement), style="bold")
        .append("  kappa ")
        .append(kappa, style="bold")
    )
    for name, value in (("precision", one.precision), ("recall", one.recall), ("F1", one.f1)):
        text.append(f"  {name} ").append(percent(value))
    return text
