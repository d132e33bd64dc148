"""The tables of a run."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

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
    table = Table(
        title="Faults, and the time from each one's lifting until every partition went on",
        caption="Median and worst of those that stood alone; the worst of those that others were made beside.",
    )
    table.add_column("fault", no_wrap=True)
    for heading in ("times", "lasted", "median", "worst", "beside others"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("bounded by", no_wrap=True)
    table.add_column("worst / bound", justify="right", no_wrap=True)
    for kind in Kind:
        of_kind = [one for one in endured if one.injection.kind is kind]
        if not of_kind:
            continue
        alone = _times(one for one in of_kind if one.is_alone)
        bound_s = SECONDS[kind.bound]
        table.add_row(
            kind.value,
            str(len(of_kind)),
            f"{statistics.median(one.lasted_s for one in of_kind):.1f} s",
            *_median_and_worst(alone),
            _median_and_worst(_times(one for one in of_kind if not one.is_alone))[1],
            f"{kind.bound}, {bound_s:g} s",
            f"{max(alone) / bound_s:.1f}" if alone else "-",
        )
    table.add_section()
    table.add_row(
        f"all, {len({one.injection.kind for one in endured})} kinds",
        str(len(endured)),
        "",
        *_median_and_worst(_times(one for one in endured if one.is_alone)),
        _median_and_worst(_times(one for one in endured if not one.is_alone))[1],
    )
    return table


def _times(endured: Iterable[Endured]) -> list[float]:
    return [math.inf if one.recovered_s is None else one.recovered_s for one in endured]


def _median_and_worst(times: Sequence[float]) -> tuple[str, str]:
    if not times:
        return "-", "-"
    return _shown(statistics.median(times)), _shown(max(times))


def _shown(time_s: float) -> str:
    return "never" if time_s == math.inf else f"{time_s:.1f} s"


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
