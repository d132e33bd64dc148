"""Runs a watch over windows of the past and gathers what it says: for backtests and rebuilds. Pure; sends nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitor.drift.needs import Scope
from schemas.alerts import Alert
from schemas.windows import Window


@dataclass(frozen=True, slots=True)
class Told:
    """An alert of a replay: as it was told first, and as it stood last."""

    first: Alert
    last: Alert

    @property
    def noticed_after(self) -> timedelta | None:
        """From the change, as the first record has it, to its telling; None for what isn't a shift."""
        evidence = self.first.drift
        return evidence.window_ends_at - evidence.changed_at if evidence is not None else None


@dataclass(slots=True)
class Ledger:
    """What was told, by alert id, in the order in which it was told first."""

    told: dict[str, Told] = field(default_factory=dict)

    def add(self, alerts: Iterable[Alert]) -> None:
        """Take what a step told."""
        for alert in alerts:
            known = self.told.get(alert.id)
            self.told[alert.id] = Told(known.first if known else alert, alert)

    @property
    def shifts(self) -> list[Told]:
        """Those that the budget is about: not what was told of a change of the guard."""
        return [one for one in self.told.values() if one.first.kind != "instrument_change"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause, and what each of several replays told of it: None where it told nothing."""

    place: dict[str, str]
    kind: str
    by_replay: tuple[Told | None, ...]

    @property
    def is_found_by_all(self) -> bool:
        """Whether every replay told it."""
        return all(self.by_replay)


def compare(replays: Sequence[Ledger]) -> list[Finding]:
    """The shifts of several replays of the same time, those of one cause together, in order of their change.

    One cause: the same kind, places that overlap, and times of firing, from the set of the change on, that overlap.
    """
    found: list[list[Told | None]] = []
    for number, replay in enumerate(replays):
        for told in replay.shifts:
            for together in found:
                if together[number] is None and any(
                    one is not None and _is_same(one, told) for one in together
                ):
                    together[number] = told
                    break
            else:
                found.append([told if place == number else None for place in range(len(replays))])
    findings = []
    for together in found:
        one = next(told for told in together if told is not None)
        findings.append(Finding(dict(one.first.place), one.first.kind, tuple(together)))
    return sorted(findings, key=_changed_at)


def _changed_at(finding: Finding) -> datetime:
    return min(_span(told)[0] for told in finding.by_replay if told is not None)


def _is_same(one: Told, other: Told) -> bool:
    if one.first.kind != other.first.kind or not scope_of(one.first).overlaps(scope_of(other.first)):
        return False
    (begin, end), (begins, ends) = _span(one), _span(other)
    return begin <= ends and begins <= end


def _span(told: Told) -> tuple[datetime, datetime]:
    evidence = told.first.drift
    begin = evidence.changed_from if evidence is not None else told.first.started_at
    return begin, told.last.ended_at or told.last.at


def scope_of(alert: Alert) -> Scope:
    """Where it is."""
    return Scope(alert.place.get("tenant"), alert.place.get("model"), alert.place.get("category"))


@dataclass(slots=True)
class Pace:
    """How far a replay is. `on_progress` gets the end of the window just done, at most once every `every` windows."""

    on_progress: Callable[[datetime], None]
    every: int = 200
    done: int = 0

    def add(self, window: Window) -> None:
        """One window more."""
        self.done += 1
        if self.done % self.every == 0:
            self.on_progress(window.ends_at)
