"""How a channel stands with one report: when it is tried again, and the alert where it takes none. Pure but for what it holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec

from monitor.backoff import Backoff
from monitor.clock import at_millisecond
from monitor.reporting.scheduling import Due
from monitor.settings import Settings
from schemas.alerts import Alert, Source, alert_id

REPORT_UNDELIVERED: Final = "report_undelivered"
"""The kind of alert about a report that a channel hasn't taken."""


@dataclass
class Attempt:
    """Of one report at one channel. Times are seconds since 1970. `is_done`: delivered, or refused for good."""

    channel: str
    due: Due
    settings: Settings
    source: Source
    next_try_s: float = 0.0
    tries: int = 0
    is_done: bool = False
    alert: Alert | None = field(default=None)
    """The one that fires about it."""

    def __post_init__(self) -> None:
        self._backoff = Backoff(self.settings.retry)

    def delivered(self, now_s: float) -> Alert | None:
        """It is. Returns the end of the alert that fires about it, or that another worker may have told."""
        self.is_done = True
        if self.alert is None and now_s < self._told_from_s:
            return None
        begun = self.alert or self._begun(now_s, "")
        at = max(at_millisecond(now_s), begun.started_at)
        return msgspec.structs.replace(begun, state="resolved", at=at, ended_at=at)

    def failed(
        self, said: str, now_s: float, *, is_for_good: bool = False, retry_after_s: float | None = None
    ) -> Alert | None:
        """It isn't. `said`: why, without any secret. Returns the alert where that is to be told now."""
        self.tries += 1
        self.is_done = is_for_good
        self.next_try_s = now_s + self._backoff.next_s(min(retry_after_s or 0.0, 3600.0))
        if not is_for_good and now_s < self._told_from_s:
            return None
        is_news = (
            self.alert is None or now_s - self.alert.at.timestamp() >= self.settings.health.repeat_after_s
        )
        if not is_news:
            return None
        self.alert = self._begun(now_s, said)
        return self.alert

    @property
    def _told_from_s(self) -> float:
        return self.due.at.timestamp() + self.settings.report.undelivered_after_s

    def _begun(self, now_s: float, said: str) -> Alert:
        fleet, place = self.settings.kafka.group_prefix, {"channel": self.channel, "week": self.due.week.name}
        started_at = self.due.at
        return Alert(
            id=alert_id(fleet, REPORT_UNDELIVERED, place, started_at),
            fleet=fleet,
            kind=REPORT_UNDELIVERED,
            severity="warning",
            state="firing",
            started_at=started_at,
            at=max(at_millisecond(now_s), started_at),
            ended_at=None,
            title=f"the report of week {self.due.week.name} isn't delivered to {self.channel}",
            place=place,
            facts={"tries": float(self.tries), "error": said.partition("\n  → ")[0][:300]},
            remedy="mend what it says; it is tried again by itself. Until then: `watchkeeper report "
            f"--week {self.due.week.name} --time-zone {self.due.week.zone_name}`",
            source=self.source,
        )
