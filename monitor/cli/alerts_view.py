"""Alerts as a person reads them, one line each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from monitor.alerts.log import ENDED, AlertLog, Mute
from monitor.cli.alerts_shapes import AlertLine
from monitor.wording.figures import duration
from monitor.wording.visible import visible
from schemas.alerts import Alert

MARKS: Final = {"critical": ("✗", "bold red"), "warning": ("!", "yellow"), "info": ("·", "cyan")}
ID_CHARS: Final = 8
"""So much of an id is shown: enough to name one among a million."""
MOST_SHOWN: Final = 200
"""Of very many alerts the list shows so many; `--json` has all."""


def alerts_view(log: AlertLog, now: datetime) -> Group:
    """Each alert on a line, one that goes on with its remedy below, and a line that sums up."""
    rows: list[RenderableType] = []
    for alert in _shown(log.alerts):
        rows.append(alert_text(alert, now, log.mute_of(alert, now)))
        if alert.state not in ENDED and alert.remedy:
            rows.append(
                Padding(
                    Text("→ ", style="bold green").append(visible(alert.remedy), style="default"),
                    (0, 0, 0, 2),
                )
            )
    if len(log.alerts) > MOST_SHOWN:
        rows.append(
            Text(f"… and {len(log.alerts) - MOST_SHOWN:,} more; --json has all of them.", style="dim")
        )
    if log.unreadable:
        rows.append(
            Text(
                f"{log.unreadable:,} records can't be read by this release: a newer one wrote them. Update this one to see them.",
                style="yellow",
            )
        )
    rows.append(_sum(log.alerts))
    return Group(*rows)


def _shown(alerts: Sequence[Alert]) -> list[Alert]:
    """Those that go on, then of the others the newest, in order."""
    going = [alert for alert in alerts if alert.state not in ENDED][:MOST_SHOWN]
    over = [alert for alert in alerts if alert.state in ENDED]
    return going + over[max(0, len(over) - (MOST_SHOWN - len(going))) :]


def _sum(alerts: Sequence[Alert]) -> Text:
    firing = sum(alert.state == "firing" for alert in alerts)
    stale = sum(alert.state == "stale" for alert in alerts)
    text = (
        Text(f"{firing:,} alert{'' if firing == 1 else 's'} firing", style="bold red")
        if firing
        else Text("No alert fires", style="bold green")
    )
    if stale:
        text.append(f", {stale:,} without data", style="yellow")
    text.append(".")
    if any(alert.drift is not None for alert in alerts):
        text.append("  `watchkeeper alerts show ID` explains one.", style="dim")
    return text


def alert_text(alert: Alert, now: datetime, mute: Mute | None = None) -> Text:
    """One line: mark, id, kind, since when or for how long, what."""
    ended_at = alert.ended_at or alert.at
    if alert.state in ENDED:
        word = "over" if alert.state == "resolved" else "acknowledged"
        line = Text("✓ ", style="green").append(visible(alert.id[:ID_CHARS]), style="dim")
        line.append(f"  {visible(alert.kind)}", style="default")
        line.append(
            f"  {word} after {duration(ended_at - alert.started_at)}, {duration(now - ended_at)} ago",
            style="dim",
        )
        return line.append(f"  {visible(alert.title)}", style="dim")
    mark, style = MARKS[alert.severity]
    line = Text(f"{mark} ", style=style).append(visible(alert.id[:ID_CHARS]), style="dim")
    line.append(f"  {visible(alert.kind)}", style="bold")
    line.append(f"  for {duration(now - alert.started_at)}", style="dim")
    if alert.state == "stale":
        line.append(f", no data since {alert.at:%H:%M:%S}", style="yellow")
    if mute is not None:
        line.append(
            "  muted" if mute.until is None else f"  muted until {mute.until:%m-%d %H:%M}", style="yellow"
        )
    return line.append(f"  {visible(alert.title)}", style="default")


def alert_line(alert: Alert, mute: Mute | None = None) -> AlertLine:
    """What `--json` prints of an alert."""
    return AlertLine(
        id=alert.id,
        kind=alert.kind,
        severity=alert.severity,
        state=alert.state,
        started_at=alert.started_at,
        at=alert.at,
        ended_at=alert.ended_at,
        title=alert.title,
        place=alert.place,
        facts=alert.facts,
        remedy=alert.remedy,
        worker=alert.source.worker,
        version=alert.source.version,
        muted=mute is not None,
        muted_until=mute.until if mute is not None else None,
    )
