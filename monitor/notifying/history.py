"""What became of one alert: its changes, in the order of the log, and what people did with it. Pure but for what it holds; bounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from monitor.alerts.by_hand import ends_by_hand
from monitor.notifying.news import is_over, level_of
from schemas.alert_actions import AlertAction
from schemas.alerts import Alert

MOST_CHANGES: Final = 64
"""Kept of one alert: beyond it the oldest but the first are forgotten, which only a channel that has long been away misses."""


@dataclass(frozen=True, slots=True)
class Change:
    """A record that said something new. `offset`: in safety.alerts; `at_s`: when the broker appended it."""

    offset: int
    at_s: float
    alert: Alert


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A person took note of an alert that goes on. `offset`: in safety.alert_actions."""

    offset: int
    at_s: float
    alert: Alert
    """As it stood then."""


Step = Change | Acknowledgement


@dataclass(slots=True)
class _Mute:
    from_s: float
    until_s: float | None
    """None: until it is over."""


@dataclass(slots=True)
class History:
    """Of one alert. `newest` is its newest record, None while only actions were heard; `heard_s` when that was."""

    newest: Alert | None = None
    heard_s: float = 0.0
    changes: list[Change] = field(default_factory=list)
    _acknowledged: list[tuple[int, float]] = field(default_factory=list)
    _mutes: list[_Mute] = field(default_factory=list)

    def hear(self, alert: Alert, offset: int, at_s: float) -> None:
        """The next record of this alert."""
        before = self.changes[-1].alert if self.changes else None
        self.heard_s = at_s
        if before is not None and is_over(before) and is_over(alert):
            return  # over is over
        self.newest = alert
        if before is not None and _standing(before) == _standing(alert):
            return
        self.changes.append(Change(offset, at_s, alert))
        if len(self.changes) > MOST_CHANGES:
            del self.changes[1]

    def act(self, action: AlertAction, offset: int, at_s: float) -> None:
        """What a person did. A shift's acknowledgement ends it, which its next record says; others only take note."""
        match action.verb:
            case "mute":
                self._end_mute(at_s)
                self._mutes.append(_Mute(at_s, None if action.until is None else action.until.timestamp()))
            case "unmute":
                self._end_mute(at_s)
            case "acknowledge":
                self._acknowledged.append((offset, at_s))
                del self._acknowledged[:-MOST_CHANGES]
            case "resolve":
                pass  # the record that it is over follows
        del self._mutes[:-MOST_CHANGES]

    def is_muted(self, at_s: float) -> bool:
        """Whether no channel is told of it at that moment."""
        return self.was_muted(at_s, at_s)

    def was_muted(self, from_s: float, until_s: float) -> bool:
        """Whether no channel was to be told of it at some moment from then to then."""
        return any(mute.from_s <= until_s and from_s < self._until(mute) for mute in self._mutes)

    def steps(self, offset: int, action_offset: int) -> list[Step]:
        """What came after these two offsets, in the order in which it happened."""
        steps: list[Step] = [change for change in self.changes if change.offset > offset]
        for number, at_s in self._acknowledged:
            alert = self._at(at_s)
            if (
                number > action_offset
                and alert is not None
                and not ends_by_hand(alert)
                and not is_over(alert)
            ):
                steps.append(Acknowledgement(number, at_s, alert))
        return sorted(steps, key=lambda step: step.at_s)

    def is_covered(self, offset: int, action_offset: int) -> bool:
        """Whether nothing came after these two offsets. Cheap: it is asked again and again."""
        return (not self.changes or self.changes[-1].offset <= offset) and (
            not self._acknowledged or self._acknowledged[-1][0] <= action_offset
        )

    def covered(self, step: Step) -> int:
        """The offset of the newest action until this step; -1 for none."""
        return max((number for number, at_s in self._acknowledged if at_s <= step.at_s), default=-1)

    def _at(self, at_s: float) -> Alert | None:
        return next((change.alert for change in reversed(self.changes) if change.at_s <= at_s), None)

    def _until(self, mute: _Mute) -> float:
        if mute.until_s is not None:
            return mute.until_s
        ends = (
            change.at_s for change in self.changes if change.at_s >= mute.from_s and is_over(change.alert)
        )
        return next(ends, float("inf"))

    def _end_mute(self, at_s: float) -> None:
        if self._mutes and self._until(self._mutes[-1]) > at_s:
            self._mutes[-1].until_s = at_s


def _standing(alert: Alert) -> tuple[str, str, int]:
    return alert.state, alert.severity, level_of(alert)
