"""The alert of the demo on a terminal: one line when it comes, and at the end whether it is right."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.text import Text

from monitor.demo.alarms import PLACE, Judged
from monitor.demo.traffic import Day
from schemas.alerts import Alert


def alert_lines(alerts: Sequence[Alert]) -> list[Text]:
    """What the watch has told so far, a line an alert; one that says so where it has told nothing."""
    if not alerts:
        return [Text("the watch over the rates: no alert", style="dim")]
    return [
        Text("! alert ", style="bold red").append(alert.kind, style="bold").append(f"  {alert.title}")
        for alert in alerts
    ]


def judged_view(day: Day, judged: Judged) -> Group:
    """Whether the alert is right, fact by fact."""
    rows: list[RenderableType] = []
    evidence, alert = judged.evidence, judged.alert
    if not judged.is_watching:
        rows.append(Text("  the rates aren't watched: WATCHKEEPER_DRIFT__ENABLED is false", style="yellow"))
    elif alert is None or evidence is None:
        rows.append(
            _line("not told: the drift wasn't noticed", is_right=False)
            if judged.is_expected
            else Text(
                "  not told: this day is too small to learn a rate from and to notice its change; the whole one has 24,000",
                style="yellow",
            )
        )
    else:
        rows.append(Text(f"  {alert.kind}: ", style="bold magenta").append(alert.title, style="default"))
        rows.append(_line(_noticed(judged), is_right=True))
        cell = " · ".join(alert.place[name] for name in PLACE if name in alert.place) or "all traffic"
        rows.append(
            _line(
                f"where: {cell}" + ("" if judged.is_cell_right else f", not {_cell()}"),
                is_right=judged.is_cell_right,
            )
        )
        clock = f"between {_clock(day, judged, evidence.changed_from)} and {_clock(day, judged, evidence.changed_until)} of the day"
        rows.append(
            _estimate(
                f"since when: {clock} (95 %); it was {day.drift_at:%H:%M}",
                is_within=judged.is_start_within,
                is_near=judged.is_start_near,
            )
        )
        change = evidence.rate_change
        true = "nothing" if judged.true_change is None else f"{judged.true_change * 100:+.1f} points"
        rows.append(
            _estimate(
                f"how much: {change.value * 100:+.1f} points ({change.low * 100:.1f} to {change.high * 100:.1f}); "
                f"all of the day's rows say {true}",
                is_within=judged.is_size_within,
                is_near=judged.is_size_near,
            )
        )
    rows.append(
        _line("nothing else was told", is_right=True)
        if not judged.others
        else _line(f"{len(judged.others)} more were told, and should not have been:", is_right=False)
    )
    rows += [Text(f"      {one.kind}: {one.title}", style="red") for one in judged.others]
    return Group(*rows)


def _noticed(judged: Judged) -> str:
    after = judged.noticed_after
    if after is None:
        return "noticed"
    minutes = after * judged.speed / timedelta(minutes=1)
    return (
        f"noticed {minutes:.0f} min of the day after it began ({after.total_seconds():.1f} s here), "
        f"after {judged.exchanges_until:,} exchanges of that cell"
    )


def _clock(day: Day, judged: Judged, at: datetime) -> str:
    """A moment of arrival on the day's clock."""
    if judged.injected_at is None:
        return "–"
    return f"{day.drift_at + (at - judged.injected_at) * judged.speed:%H:%M}"


def _cell() -> str:
    return " · ".join(PLACE.values())


def _estimate(text: str, *, is_within: bool, is_near: bool) -> Text:
    if is_within or not is_near:
        return _line(text, is_right=is_within)
    return (
        Text("  ≈ ", style="yellow")
        .append(text, style="default")
        .append(" (just outside, as one in twenty is)", style="dim")
    )


def _line(text: str, *, is_right: bool) -> Text:
    mark = Text("  ✓ ", style="green") if is_right else Text("  ✗ ", style="bold red")
    return mark.append(text, style="default")
