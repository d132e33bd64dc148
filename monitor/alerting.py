"""Findings over time to alerts: which begin, which go on, which are over. Pure but for what it remembers; bounded.

An alert is told when it begins, when it comes to concern another partition or worker, every `repeat_after_s` while it
fires, and when it is over. Whoever takes over learns which fire from the log of alerts (`restore`), so that an alert keeps
its id and is resolved once. What was told is told again until somebody says that it is durable (`told`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from monitor.clock import at_millisecond
from monitor.conditions import KINDS
from monitor.health import Finding, Place
from monitor.health_settings import HealthSettings
from schemas.alerts import Alert, Source, alert_id

GREW_EVERY_S: Final = 15.0
"""Partitions that fall one after the other are told together, and still within a minute."""

News = Literal["began", "grew", "goes on", "over"]
_Key = tuple[str, Place]


@dataclass(frozen=True, slots=True)
class Due:
    """An alert that is to be sent, and what is new about it."""

    alert: Alert
    news: News


@dataclass(slots=True)
class _Firing:
    """An alert that fires. `told_s` None: nobody was told yet. `gone_s`: since when its cause isn't seen.

    `concerned` is what it concerns now, `known` what was told of that; None: that was told by another. `is_said_over`:
    somebody may have been told that it is over, who must be told otherwise if it isn't.
    """

    alert: Alert
    told_s: float | None = None
    concerned: frozenset[str] = frozenset()
    known: frozenset[str] | None = None
    gone_s: float | None = None
    is_said_over: bool = False


@dataclass
class Alerts:
    """The alerts of one fleet, of these kinds. Times are seconds since 1970."""

    fleet: str
    settings: HealthSettings
    source: Source
    kinds: frozenset[str] = KINDS
    _firing: dict[_Key, _Firing] = field(default_factory=dict)

    def restore(self, log: Iterable[Alert]) -> None:
        """Start over with what the log of alerts says, oldest first. Alerts of others, and of other kinds, are theirs."""
        self._firing.clear()
        for alert in log:
            if alert.fleet != self.fleet or alert.kind not in self.kinds:
                continue
            key = _key(alert.kind, alert.place)
            if alert.state == "firing":
                self._firing[key] = _Firing(alert, told_s=alert.at.timestamp())
            elif key in self._firing and self._firing[key].alert.id == alert.id:
                del self._firing[key]

    def judge(self, findings: Sequence[Finding], now_s: float) -> list[Due]:
        """What is to be sent now. It comes again next time unless `told` is called."""
        seen = {_key(finding.condition.value, dict(finding.place)): finding for finding in findings}
        for key, finding in seen.items():
            if key not in self._firing and not finding.only_keeps:
                self._firing[key] = _Firing(self._new(finding, now_s))
        due = []
        for key, firing in self._firing.items():
            news = self._news(firing, seen.get(key), now_s)
            if news is not None:
                due.append(Due(firing.alert, news))
        return due

    def told(self, due: Due, now_s: float) -> None:
        """It is durable."""
        key = _key(due.alert.kind, due.alert.place)
        if due.news == "over":
            self._firing.pop(key, None)
        elif key in self._firing:
            self._firing[key].told_s = now_s
            self._firing[key].known = self._firing[key].concerned
            self._firing[key].is_said_over = False

    def firing(self) -> Counter[str]:
        """How many fire, by kind; all kinds are there."""
        counts = Counter(dict.fromkeys(self.kinds, 0))
        counts.update(kind for kind, _ in self._firing)
        return counts

    def _news(self, firing: _Firing, finding: Finding | None, now_s: float) -> News | None:
        """What is new about it, which its alert then says."""
        at = at_millisecond(now_s)
        if finding is None:
            firing.gone_s = now_s if firing.gone_s is None else firing.gone_s
            if now_s - firing.gone_s < self.settings.resolve_after_s:
                return None
            firing.is_said_over = True
            ended_at = max(at_millisecond(firing.gone_s), firing.alert.started_at)
            firing.alert = msgspec.structs.replace(
                firing.alert, state="resolved", at=at, ended_at=ended_at, source=self.source
            )
            return "over"
        firing.gone_s, firing.concerned = None, finding.concerned
        if firing.known is None and firing.told_s is not None:
            firing.known = finding.concerned
        firing.alert = msgspec.structs.replace(
            firing.alert,
            state="firing",
            at=at,
            ended_at=None,
            title=finding.title,
            facts=dict(finding.facts),
            remedy=finding.remedy,
            source=self.source,
        )
        if firing.told_s is None:
            return "began"
        silence_s = now_s - firing.told_s
        if finding.concerned - (firing.known or frozenset()) and silence_s >= GREW_EVERY_S:
            return "grew"
        return "goes on" if firing.is_said_over or silence_s >= self.settings.repeat_after_s else None

    def _new(self, finding: Finding, now_s: float) -> Alert:
        place = dict(finding.place)
        started_at = at_millisecond(finding.since_s)
        return Alert(
            id=alert_id(self.fleet, finding.condition.value, place, started_at),
            fleet=self.fleet,
            kind=finding.condition.value,
            severity=finding.condition.severity,
            state="firing",
            started_at=started_at,
            at=at_millisecond(now_s),
            ended_at=None,
            title=finding.title,
            place=place,
            facts=dict(finding.facts),
            remedy=finding.remedy,
            source=self.source,
        )


def _key(kind: str, place: Mapping[str, str]) -> _Key:
    return kind, tuple(sorted(place.items()))
