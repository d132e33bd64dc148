"""The tables of a run."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table

from benchmarks.chaos.kinds import Kind
from benchmarks.chaos.recovery import Endured
from benchmarks.chaos.run import Outcome
from benchmarks.chaos.timeouts import SECONDS


def report(outcome: Outcome) -> RenderableType:
    """Faults by kind, and what the run came to."""
    return Group(_faults(outcome.endured), _figures(outcome))


def _faults(endured: Sequence[Endured]) -> Table:
    table = Table(title="Faults, and the time from each one's lifting until every partition went on")
    for heading in ("fault", "times", "lasted", "median", "worst"):
        table.add_column(heading, justify="left" if heading == "fault" else "right")
    table.add_column("time-out that bounds it", justify="left")
    table.add_column("worst / it", justify="right")
    for kind in Kind:
        of_kind = [one for one in endured if one.injection.kind is kind]
        times = [one.recovered_s for one in of_kind if one.recovered_s is not None]
        if not of_kind:
            continue
        bound_s = SECONDS[kind.bound]
        table.add_row(
            kind.value,
            str(len(of_kind)),
            f"{statistics.median(one.lasted_s for one in of_kind):.1f} s",
            f"{statistics.median(times):.1f} s" if times else "-",
            f"{max(times):.1f} s" if len(times) == len(of_kind) else "never",
            f"{kind.bound}, {bound_s:g} s",
            f"{max(times) / bound_s:.1f}" if times else "-",
        )
    times = [one.recovered_s for one in endured if one.recovered_s is not None]
    table.add_section()
    table.add_row(
        f"all, {len({one.injection.kind for one in endured})} kinds",
        str(len(endured)),
        "",
        f"{statistics.median(times):.1f} s" if times else "-",
        f"{max(times):.1f} s" if times else "-",
    )
    return table


def _figures(outcome: Outcome) -> Table:
    figures = outcome.figures
    table = Table(title=f"What became of the events (seed {outcome.plan.seed})")
    rows = {
        "messages in chat.logs": figures.produced,
        "events to be stored (distinct ids)": figures.events,
        "stored": figures.stored,
        "bad messages and parts": figures.letters,
        "dead-lettered": figures.dead_lettered,
        "producers' repeats of an event": figures.repeats,
        "lost": figures.lost,
        "duplicated": figures.duplicated,
        "wrong": figures.wrong,
        "status other than ok": figures.errors,
        "verdicts written more than once (count once)": figures.rewritten_verdicts,
        "dead letters written more than once": figures.rewritten_letters,
        "looks at the committed offsets": outcome.looks,
    }
    table.add_column("")
    table.add_column("", justify="right")
    for name, value in rows.items():
        style = "bold red" if name in ("lost", "duplicated", "wrong") and value else ""
        table.add_row(name, f"{value:,}", style=style)
    return table
