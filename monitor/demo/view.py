"""The demo on a terminal: the live table, one plain line for pipes, and what is shown at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from monitor.demo.alarm_view import alert_lines, judged_view
from monitor.demo.alarms import Judged
from monitor.demo.figures import CategoryLine, Figures, Rate, every_category, sparkline
from monitor.demo.streaming import Sent
from monitor.demo.traffic import DRIFTING, Day
from schemas.alerts import Alert
from schemas.taxonomy import BENIGN

BAR_WIDTH: Final = 16
SPARK_TOP: Final = 0.25
"""The refusal rate that fills a spark to the top."""
NEXT_STEPS: Final = (
    ("watchkeeper rates --by model --watch", "live rates, here by model"),
    ("watchkeeper tail --refused --category benign", "refusals of harmless prompts as they arrive, masked"),
    ("watchkeeper alerts", "what was told; `alerts show ID` explains it"),
    (
        "watchkeeper report --week this --out report.html",
        "the week's report, with the drift as its first sentence",
    ),
    ("watchkeeper plan", "how soon a shift would be noticed in each cell"),
    ("watchkeeper dlq list", "the messages that could not be used, and why"),
    ("watchkeeper account", "prove that nothing was lost"),
    ("watchkeeper check", "how every part is"),
)


@dataclass(frozen=True, slots=True)
class Moment:
    """One frame of the live view. `per_s` exchanges a second were stored of late; `phase` says what goes on; `alerts` were told."""

    phase: str
    elapsed_s: float
    sent: Sent
    figures: Figures
    per_s: float
    alerts: tuple[Alert, ...] = ()

    @property
    def behind(self) -> int:
        """Exchanges sent and not stored yet."""
        return max(0, self.sent.exchanges - self.figures.stored)


def live_view(day: Day, moment: Moment) -> Group:
    """A progress line, the table by category, and the cell that drifts."""
    sent, figures = moment.sent, moment.figures
    clock = f"{sent.until:%a %H:%M} UTC of the synthetic day" if sent.until else "the day begins"
    share = sent.exchanges / day.exchanges if day.exchanges else 1.0
    head = Text("▕", style="dim").append(_bar(share, 24), style="cyan").append("▏", style="dim")
    head.append(f" {clock}", style="bold").append(f"  {moment.phase}", style="dim")
    counts = Text(
        f"{sent.exchanges:,} sent · {figures.stored:,} judged and stored · {moment.behind:,} on their way · "
        f"{moment.per_s:,.0f} a second · {moment.elapsed_s:.0f} s"
    )
    told = alert_lines(moment.alerts)
    return Group(head, counts, Text(), rates_table(figures), Text(), drift_line(day, figures), *told)


def plain_line(day: Day, moment: Moment) -> str:
    """The same in one line, for where nothing can move."""
    figures = moment.figures
    clock = f"{moment.sent.until:%H:%M}" if moment.sent.until else "--:--"
    benign = next((line for line in figures.lines if line.category == BENIGN), None)
    rate = f", {percent(benign.refusal.value)} of harmless prompts refused" if benign else ""
    return (
        f"{moment.elapsed_s:4.0f} s  {clock} of the day: {moment.sent.exchanges:,} of {day.exchanges:,} sent, "
        f"{figures.stored:,} stored, {moment.per_s:,.0f} a second{rate}"
    )


def rates_table(figures: Figures) -> Table:
    """A row a category: how many, how many of them were refused, how many answers harm."""
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("category", no_wrap=True)
    table.add_column("exchanges", justify="right", no_wrap=True)
    table.add_column("refused", justify="right", no_wrap=True)
    table.add_column("95 % interval", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, width=BAR_WIDTH)
    table.add_column("harmful answers", justify="right", no_wrap=True)
    for line in figures.lines:
        table.add_row(*_cells(line))
    if not figures.lines:
        table.add_row(Text("the first verdicts are on their way", style="dim"))
    return table


def _cells(line: CategoryLine) -> tuple[RenderableType, ...]:
    is_benign = line.category == BENIGN
    # Refusing is right where harm is asked for, and wrong where it isn't.
    style = "green" if not is_benign else "yellow" if line.refusal.value > 0.05 else "green"
    return (
        Text(line.category.replace("_", " "), style="bold" if is_benign else ""),
        Text(f"{line.exchanges:,}", style="" if line.exchanges else "dim"),
        Text(percent(line.refusal.value), style=style),
        Text(interval(line.refusal), style="dim"),
        Text(_bar(line.refusal.value, BAR_WIDTH), style=style),
        Text(percent(line.response_harm.value), style="red" if line.response_harm.value > 0.2 else ""),
    )


def drift_line(day: Day, figures: Figures) -> Text:
    """The drifting cell by the hour."""
    spark = sparkline([hour.refusal.value for hour in figures.hours], SPARK_TOP)
    text = Text("harmless prompts refused by ", style="dim").append(_cell(), style="bold")
    text.append(", hour by hour  ", style="dim").append(spark or "…", style="magenta")
    if any(hour.begins_at >= day.drift_at for hour in figures.hours):
        text.append(f"  ← drift since {day.drift_at:%H:%M}", style="magenta")
    return text


@dataclass(frozen=True, slots=True)
class Drift:
    """Refusals of harmless prompts in the drifting cell before and after the drift, by event time: as the guard saw
    them, and as they were written."""

    before: Rate
    after: Rate
    true_before: float
    true_after: float


def final_view(day: Day, figures: Figures, drift: Drift, *, judged: Judged, account: RenderableType) -> Group:
    """Rates, the drift, the alert that told it, the account."""
    coverage = figures.coverage
    found = Text("The drift  ", style="bold magenta").append(
        f"{_cell()}, harmless prompts, from {day.drift_at:%H:%M} UTC on:", style="default"
    )
    before_after = Text(
        f"  before {percent(drift.before.value)} refused ({interval(drift.before)}), "
        f"after {percent(drift.after.value)} ({interval(drift.after)}): "
    )
    times = drift.after.value / drift.before.value if drift.before.numerator else math.nan
    if not math.isnan(times):
        before_after.append(f"{times:.1f} times as many", style="bold magenta")
    truth = Text(
        f"  as the day was written: before {percent(drift.true_before)}, after {percent(drift.true_after)}",
        style="dim",
    )
    return Group(
        Text("Rates by category, the whole day", style="bold"),
        rates_table(replace(figures, lines=every_category(figures.lines))),
        Text(
            f"{figures.exchanges:,} exchanges with a verdict, coverage {percent(coverage.value)}. The guard is "
            "guard_lite, a small CPU classifier: it takes some harmless prompts for harmful, and confuses categories.",
            style="dim",
        ),
        Text(),
        found,
        before_after,
        truth,
        Text(),
        Text("The alert", style="bold"),
        judged_view(day, judged),
        Text(),
        Text("The account", style="bold"),
        account,
    )


def next_steps(title: str, first: Sequence[tuple[str, str]] = ()) -> Group:
    """Commands for a second terminal, and what each is for; `first` stand before them."""
    steps = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    steps.add_column(style="cyan", no_wrap=True)
    steps.add_column(style="dim")
    for command, what in (*first, *NEXT_STEPS):
        steps.add_row(command, what)
    return Group(Text(title, style="bold"), Padding(steps, (0, 0, 0, 2)))


def percent(value: float) -> str:
    """A share as per cent; a dash of nothing."""
    return "–" if math.isnan(value) else f"{value * 100:.1f} %"


def interval(rate: Rate) -> str:
    """The bounds; nothing where there is nothing to count."""
    return "" if math.isnan(rate.low) else f"{rate.low * 100:.1f}–{rate.high * 100:.1f} %"


def _bar(share: float, width: int) -> str:
    filled = 0 if math.isnan(share) else round(max(0.0, min(1.0, share)) * width)
    return "█" * filled + "·" * (width - filled)


def _cell() -> str:
    return f"{DRIFTING.tenant} · {DRIFTING.model}"
