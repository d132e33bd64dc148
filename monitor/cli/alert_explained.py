"""One alert as a person reads it: what, where, how much, since when, and what it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from monitor.alerts.facts import background_facts, health_facts, shift_facts
from monitor.alerts.log import ENDED, Done, Mute
from monitor.cli.alerts_view import MARKS
from monitor.cli.rate_plot import rate_plot
from monitor.drift.measures import Measure
from monitor.drift.units import rate_text
from monitor.wording.figures import duration, moment, number
from monitor.wording.visible import visible
from schemas.alerts import Alert
from schemas.evidence import DriftEvidence, Stratum

MOST_STRATA: Final = 12
_PLACES: Final = ("tenant", "model", "category")


def explained(
    alert: Alert, now: datetime, width: int, *, mute: Mute | None = None, actions: Sequence[Done] = ()
) -> Group:
    """All that is known of the alert, for `width` columns. No text in it can drive the terminal."""
    evidence = alert.drift
    parts: list[RenderableType] = [
        _head(alert, now, mute),
        Text(visible(alert.title), style="bold"),
        Text(),
    ]
    if evidence is None:
        parts.append(_facts(health_facts(alert)))
    else:
        parts += _drift(alert, evidence, width)
    if actions:
        parts += [Text(), Text("What people did", style="bold"), *map(_done, actions)]
    if alert.remedy and alert.state not in ENDED:
        parts += [Text(), Text("→ ", style="bold green").append(visible(alert.remedy), style="default")]
    if evidence is not None and alert.state not in ENDED:
        short = visible(alert.id[:8])
        parts.append(
            Text(
                f"  `watchkeeper alerts ack {short}`: this level is normal from now on; `resolve`: the old one is.",
                style="dim",
            )
        )
    return Group(*parts)


def _head(alert: Alert, now: datetime, mute: Mute | None) -> Text:
    mark, style = MARKS[alert.severity]
    ended_at = alert.ended_at or alert.at
    if alert.state in ENDED:
        text = Text("✓ ", style="green").append(visible(alert.kind), style="bold")
        text.append(
            f"  {alert.state} after {duration(ended_at - alert.started_at)}, {duration(now - ended_at)} ago"
        )
    else:
        text = Text(f"{mark} ", style=style).append(visible(alert.kind), style="bold")
        text.append(f"  {alert.severity}, {alert.state} for {duration(now - alert.started_at)}")
    if alert.state == "stale":
        text.append(f"; no data since {moment(alert.at)}: that is no end", style="yellow")
    if alert.drift is not None and alert.drift.level > 1:
        text.append(f"; level {alert.drift.level}", style="yellow")
    if mute is not None:
        text.append(
            "; muted until it is over" if mute.until is None else f"; muted until {moment(mute.until)}",
            style="yellow",
        )
    return text


def _drift(alert: Alert, evidence: DriftEvidence, width: int) -> list[RenderableType]:
    measure = evidence.measure
    parts: list[RenderableType] = [_facts(shift_facts(alert, evidence))]
    plot = rate_plot(
        evidence.series,
        evidence.changed_at,
        width,
        label=lambda value: rate_text(measure, value, is_short=True),
        is_share=measure != Measure.VOLUME,
    )
    if plot:
        title = f"{visible(measure).replace('_', ' ')} over time (UTC)"
        parts += [Text(), Text(title, style="bold"), *plot]
    if evidence.strata:
        parts += [Text(), Text("Contributing cells", style="bold"), _strata(evidence.strata, width)]
        if len(evidence.strata) > MOST_STRATA:
            parts.append(
                Text(f"… and {len(evidence.strata) - MOST_STRATA:,} more; --json has all.", style="dim")
            )
        parts.append(Text("● affected: told with at most 5 % false ones (e-BH).", style="dim"))
    parts += [Text(), _facts(background_facts(evidence))]
    if evidence.query:
        query = Text("\n".join(visible(line) for line in evidence.query.strip().splitlines()), style="cyan")
        parts += [Text(), Text("The rows", style="bold"), Padding(query, (0, 0, 0, 2))]
    return parts


def _facts(facts: Iterable[tuple[str, str]]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="bold", overflow="fold", max_width=14)
    table.add_column(overflow="fold", ratio=1)
    for name, fact in facts:
        table.add_row(Text(visible(name)), Text(visible(fact) or "—"))
    return table


def _strata(strata: Sequence[Stratum], width: int) -> Table:
    """The cells, those with most evidence first; on a narrow terminal tenant, model and category share a column."""
    is_wide = width >= 90
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in _PLACES if is_wide else ("cell",):
        table.add_column(name, overflow="fold")
    for name in ("counted", "expected", "evidence"):
        table.add_column(name, justify="right", overflow="fold")
    shown = sorted(strata, key=lambda one: -one.evidence)[:MOST_STRATA]
    for one in shown:
        names = [visible(name) or "—" for name in (one.tenant, one.model, one.category)]
        table.add_row(
            "●" if one.is_affected else "○",
            *(map(Text, names) if is_wide else [Text(" · ".join(names))]),
            f"{number(one.k)}/{number(one.n)}",
            number(one.expected),
            number(one.evidence),
        )
    return table


def _done(done: Done) -> Text:
    action = done.action
    text = Text(f"{moment(done.at)}  {done.what}")
    if action.verb == "mute":
        text.append(" until it is over" if action.until is None else f" until {moment(action.until)}")
    text.append(f" by {visible(action.by) or '—'}")
    return text.append(f": {visible(action.note)}", style="dim") if action.note else text
