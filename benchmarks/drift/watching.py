"""Runs the watch as it ships over simulated or replayed windows, and answers what it needs to know of the past."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from monitor.drift.needs import HistoryNeed, Need, Scope
from monitor.drift.policy import DriftPolicy
from monitor.drift.remembering import within
from monitor.drift.watch import Watch
from schemas.alert_actions import AlertAction
from schemas.alerts import Alert
from schemas.windows import Window, WindowCounts

FLEET: Final = "benchmark"
_KEPT_FOR: Final = timedelta(days=29)


@dataclass(slots=True)
class Past:
    """The windows of the last four weeks and a day. They are as wide as they came: these here are minutes to an hour."""

    windows: list[Window] = field(default_factory=list)

    def take(self, window: Window) -> None:
        """One more, the newest."""
        self.windows.append(window)
        if window.ends_at - self.windows[0].begins_at > 2 * _KEPT_FOR:
            self.windows = [kept for kept in self.windows if window.ends_at - kept.begins_at <= _KEPT_FOR]

    def answer(self, need: Need) -> tuple[Window, ...]:
        """The windows that it asks for, oldest first."""
        scope = need.scope if isinstance(need, HistoryNeed) else Scope()
        inside = (w for w in self.windows if w.begins_at >= need.since and w.ends_at <= need.until)
        return tuple(within(window, scope) for window in inside)


@dataclass(slots=True)
class Told:
    """An alert as it was told first, and as last."""

    first: Alert
    last: Alert


def told(
    windows: Iterable[Window], policy: DriftPolicy, *, resolved_until: datetime | None = None
) -> dict[str, Told]:
    """What the watch tells of `windows`, by alert id, in the order in which it told. What fires before `resolved_until` a
    person resolves at once: it isn't so."""
    watch, past = Watch.new(policy, FLEET), Past()
    found: dict[str, Told] = {}
    for window in windows:
        past.take(window)
        step = watch.take(window)
        alerts = list(watch.finish(step, {need: past.answer(need) for need in step.needs}))
        if resolved_until is not None and window.ends_at <= resolved_until:
            for alert in tuple(watch.firing()):
                alerts += watch.act(_resolve(alert), window.ends_at)
        for alert in alerts:
            found[alert.id] = Told(found[alert.id].first if alert.id in found else alert, alert)
    return found


def _resolve(alert: Alert) -> AlertAction:
    return AlertAction(
        alert_id=alert.id, fleet=FLEET, verb="resolve", by="benchmark", note="false alarm", until=None
    )


def counted(cell: tuple[str, str, str], events: int, refused: int) -> WindowCounts:
    """A row of harmless exchanges with a response each, of which some are refused."""
    return WindowCounts(
        tenant=cell[0],
        model=cell[1],
        category=cell[2],
        guard_name="guard",
        guard_version="1",
        guard_prompt_hash="",
        calibration_version=1,
        events=events,
        to_be_scored=events,
        answered=events,
        responded=events,
        refused=refused,
        harmless=events,
        harmless_refused=refused,
        harmful=0,
        harmful_refused=0,
        harmful_prompts=0,
        harmful_responses=0,
    )


def window(begins_at: datetime, width: timedelta, rows: Iterable[WindowCounts]) -> Window:
    """A window of these rows, each of them a message, none of them bad."""
    kept = tuple(row for row in rows if row.events)
    return Window(
        begins_at=begins_at,
        ends_at=begins_at + width,
        rows=kept,
        messages=sum(row.events for row in kept),
        dead_letters=0,
    )
