"""A backtest as a person reads it: the budgets beside each other, then each shift and who would have told it when."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from monitor.cli.drift_shapes import BacktestDocument, FindingLine, ToldLine
from monitor.wording.figures import duration, moment, number
from monitor.wording.visible import visible

MOST_SHOWN: Final = 40
_PLACES: Final = ("measure", "tenant", "model", "category")


def backtest_view(document: BacktestDocument) -> Group:
    """The comparison."""
    counted = document.windows - document.closed_windows
    source = f"{document.windows:,} windows" + (f", {counted:,} of them counted from rows" if counted else "")
    parts: list[RenderableType] = [
        Text(f"{moment(document.since)} to {moment(document.until)}, by {document.by}", style="bold"),
        Text(f"{document.exchanges:,} exchanges in {source}", style="dim"),
        Text(),
        _budgets(document),
    ]
    if document.findings:
        parts += [Text(), Text("What would have fired", style="bold")]
        parts += [_finding(document, one) for one in document.findings[:MOST_SHOWN]]
        if len(document.findings) > MOST_SHOWN:
            parts.append(
                Text(f"… and {len(document.findings) - MOST_SHOWN:,} more; --json has all.", style="dim")
            )
    else:
        parts.append(Text("Nothing would have fired, and nothing did.", style="green"))
    parts += [Text(f"! {visible(note)}", style="yellow") for note in document.notes]
    return Group(*parts)


def _budgets(document: BacktestDocument) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("budget a month", "alerts", "a month", "noticed after", "streams armed"):
        table.add_column(name, justify="right", overflow="fold")
    for trial in document.trials:
        after = trial.noticed_after_s
        table.add_row(
            Text(number(trial.budget_per_month), style="bold"),
            f"{trial.alerts:,}",
            "—" if trial.per_month is None else number(trial.per_month),
            "—" if after is None else duration(timedelta(seconds=after)),
            f"{trial.armed:,} of {trial.armed + trial.learning:,}",
        )
    return table


def _finding(document: BacktestDocument, finding: FindingLine) -> Group:
    told = [one for one in (*finding.told, finding.fired) if one is not None]
    first = min(told, key=lambda one: one.at)
    since = first.changed_at or first.at
    head = Text(f"{since:%m-%d %H:%M:%S}  ", style="dim").append(visible(finding.kind), style="bold")
    head.append(f"  {visible(first.title)}", style="default")
    by_budget = [
        f"{number(trial.budget_per_month)}: {_after(one)}"
        for trial, one in zip(document.trials, finding.told, strict=True)
    ]
    line = Text("  by budget  ", style="dim").append(", ".join(by_budget))
    if document.by == "arrival":
        line.append("  ·  did fire: ", style="dim").append(
            _after(finding.fired), style="green" if finding.fired else "yellow"
        )
    return Group(head, line)


def _after(told: ToldLine | None) -> str:
    if told is None:
        return "no"
    return (
        "yes"
        if told.noticed_after_s is None
        else f"after {duration(timedelta(seconds=told.noticed_after_s))}"
    )
