"""How the watch over the rates stands, and what a rebuild made, as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from monitor.cli.drift_shapes import DriftStatusDocument, ToldLine
from monitor.wording.figures import duration, moment, number
from monitor.wording.visible import visible

STATES: Final = ("armed", "learning", "firing", "stale")
MOST_SHOWN: Final = 40


def status_view(document: DriftStatusDocument, *, is_late: bool) -> Group:
    """Position, lag, the state that is kept, and streams by state."""
    parts: list[RenderableType] = []
    if not document.enabled:
        parts.append(
            Text("! The rates aren't watched by these settings (WATCHKEEPER_DRIFT__ENABLED).", style="yellow")
        )
    if document.position is not None and document.lag_s is not None:
        line = Text("windows closed until  ", style="bold").append(moment(document.position), style="default")
        line.append(
            f", {duration(timedelta(seconds=document.lag_s))} ago", style="yellow" if is_late else "dim"
        )
        parts.append(line)
        if is_late:
            parts.append(
                Text("→ ", style="bold green").append(
                    "it waits for what arrived before: `watchkeeper check` names the part", style="default"
                )
            )
    kept = document.checkpoint
    if kept is not None:
        line = Text("last checkpoint       ", style="bold").append(moment(kept.position), style="default")
        parts.append(
            line.append(f", {number(kept.bytes / 1024)} KiB, by release {visible(kept.version)}", style="dim")
        )
    if document.trouble:
        what, arrow, remedy = document.trouble.partition("\n  → ")
        parts.append(
            Text("✗ " if kept else "! ", style="red" if kept else "yellow").append(
                visible(what), style="default"
            )
        )
        if arrow:
            parts.append(Text("  → ", style="bold green").append(visible(remedy), style="default"))
    if document.streams:
        parts += [Text(), streams_table(document.streams), Text(), firing_line(document.firing)]
    return Group(*parts)


def streams_table(streams: Mapping[str, Mapping[str, int]]) -> Table:
    """A row a measure."""
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("streams", overflow="fold")
    for state in STATES:
        table.add_column(state, justify="right", no_wrap=True)
    for measure, states in streams.items():
        counts = (states.get(state, 0) for state in STATES)
        table.add_row(
            visible(measure).replace("_", " "),
            *(Text(f"{count:,}", style="" if count else "dim") for count in counts),
        )
    return table


def firing_line(count: int) -> Text:
    """How many alerts fire."""
    if not count:
        return Text("No shift fires.", style="green")
    return Text(f"{count:,} shift{'' if count == 1 else 's'} firing", style="bold red").append(
        ": `watchkeeper alerts`.", style="dim"
    )


def told_view(told: Sequence[ToldLine], title: str) -> Group:
    """Alerts of a replay, one line each."""
    rows: list[RenderableType] = [Text(title, style="bold")]
    for one in told[:MOST_SHOWN]:
        line = Text(f"{one.at:%m-%d %H:%M:%S}  ", style="dim").append(visible(one.title), style="default")
        rows.append(line)
    if len(told) > MOST_SHOWN:
        rows.append(Text(f"… and {len(told) - MOST_SHOWN:,} more; --json has all.", style="dim"))
    return Group(*rows)
