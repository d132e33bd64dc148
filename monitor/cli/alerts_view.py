"""Alerts as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from monitor.cli.shapes import AlertLine
from monitor.cli.visible import visible
from schemas.alerts import Alert

_MARKS: Final = {"critical": ("✗", "bold red"), "warning": ("!", "yellow"), "info": ("·", "cyan")}


def alerts_view(alerts: Sequence[Alert], now: datetime) -> Group:
    """Each alert on a line, one that fires with its remedy below, and a line that sums up."""
    rows: list[RenderableType] = []
    for alert in alerts:
        rows.append(alert_text(alert, now))
        if alert.state == "firing" and alert.remedy:
            rows.append(
                Padding(
                    Text("→ ", style="bold green").append(visible(alert.remedy), style="default"),
                    (0, 0, 0, 2),
                )
            )
    firing = sum(alert.state == "firing" for alert in alerts)
    rows.append(
        Text(f"{firing} alert{'' if firing == 1 else 's'} firing.", style="bold red")
        if firing
        else Text("No alert fires.", style="bold green")
    )
    return Group(*rows)


def alert_text(alert: Alert, now: datetime) -> Text:
    """One line: mark, kind, since when or for how long, what."""
    if alert.state == "resolved":
        ended_at = alert.ended_at or alert.at
        line = Text("✓ ", style="green").append(visible(alert.kind), style="default")
        line.append(
            f"  over after {_duration(ended_at - alert.started_at)}, {_ago(now - ended_at)}", style="dim"
        )
        return line.append(f"  {visible(alert.title)}", style="dim")
    mark, style = _MARKS[alert.severity]
    line = Text(f"{mark} ", style=style).append(visible(alert.kind), style="bold")
    line.append(f"  for {_duration(now - alert.started_at)}", style="dim")
    return line.append(f"  {visible(alert.title)}", style="default")


def alert_line(alert: Alert) -> AlertLine:
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
    )


def _ago(span: timedelta) -> str:
    return f"{_duration(span)} ago"


def _duration(span: timedelta) -> str:
    seconds = max(0.0, span.total_seconds())
    for unit_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds:.0f} s"
