"""How a channel stands: when it is tried again, and whether it is dead, which is an alert of its own. Pure but for what it holds."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from monitor.backoff import Backoff
from monitor.channel_settings import ChannelSettings
from monitor.clock import at_millisecond
from monitor.notifying.news import CHANNEL_DEAD
from monitor.settings import RetrySettings
from schemas.alerts import Alert, Source, alert_id

FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_AFTER_S: Final = 3600.0
"""A channel that asks for more patience isn't given it: what is due would be late for certain."""

Trouble = Literal["retryable", "refused", "misconfigured"]


@dataclass
class Standing:
    """Of one channel. Times are seconds since 1970."""

    name: str
    type: str
    fleet: str
    source: Source
    settings: ChannelSettings
    repeat_after_s: float
    rng: random.Random = field(default_factory=random.Random)
    next_try_s: float = 0.0
    failing_since_s: float | None = None
    dead: Alert | None = None
    """The alert that fires about it."""

    def __post_init__(self) -> None:
        self._backoff = self._new_backoff()

    def restore(self, alert: Alert) -> None:
        """It was dead when another worker last looked."""
        self.dead = alert
        self.failing_since_s = alert.started_at.timestamp()

    def worked(self, now_s: float) -> Alert | None:
        """It has taken a message. Returns the end of the alert about it, if one fires."""
        self.failing_since_s, self.next_try_s, self._backoff = None, now_s, self._new_backoff()
        dead, self.dead = self.dead, None
        return None if dead is None else ended(dead, now_s, self.source)

    def failed(
        self, trouble: Trouble, said: str, now_s: float, *, retry_after_s: float | None = None
    ) -> Alert | None:
        """It hasn't. `said`: why, without any secret. Returns the alert about it if that is to be told now."""
        if self.failing_since_s is None:
            self.failing_since_s = now_s
        if trouble == "misconfigured":
            wait_s = self.settings.retry_dead_s
        elif trouble == "refused":
            wait_s = 0.0  # the next message may be taken
        else:
            wait_s = self._backoff.next_s(min(retry_after_s or 0.0, LONGEST_RETRY_AFTER_S))
        self.next_try_s = now_s + wait_s
        failing_s = now_s - self.failing_since_s
        if self.dead is None and (trouble == "misconfigured" or failing_s >= self.settings.dead_after_s):
            self.dead = self._begun(said, now_s)
            return self.dead
        if self.dead is not None:
            self.dead = self._with(self.dead, said)
        return None

    def again(self, now_s: float) -> Alert | None:
        """The alert about it, if it is to be said again."""
        if self.dead is None or now_s - self.dead.at.timestamp() < self.repeat_after_s:
            return None
        self.dead = msgspec.structs.replace(self.dead, at=at_millisecond(now_s), source=self.source)
        return self.dead

    def _begun(self, said: str, now_s: float) -> Alert:
        started_at = at_millisecond(now_s if self.failing_since_s is None else self.failing_since_s)
        place = {"channel": self.name}
        alert = Alert(
            id=alert_id(self.fleet, CHANNEL_DEAD, place, started_at),
            fleet=self.fleet,
            kind=CHANNEL_DEAD,
            severity="warning",
            state="firing",
            started_at=started_at,
            at=at_millisecond(now_s),
            ended_at=None,
            title=f"the channel {self.name} ({self.type}) takes no alerts",
            place=place,
            facts={},
            remedy=f"mend what it says, then: `watchkeeper channels test {self.name}`; what it missed is told once it works",
            source=self.source,
        )
        return self._with(alert, said)

    def _with(self, alert: Alert, said: str) -> Alert:
        what = said.partition("\n  → ")[0]
        return msgspec.structs.replace(alert, facts={"type": self.type, "error": what[:300]})

    def _new_backoff(self) -> Backoff:
        longest_s = max(self.settings.retry_max_s, FIRST_RETRY_S)
        return Backoff(RetrySettings(first_s=FIRST_RETRY_S, max_s=longest_s), rng=self.rng)


def ended(dead: Alert, now_s: float, source: Source) -> Alert:
    """The alert about a channel, as it is over."""
    at = max(at_millisecond(now_s), dead.started_at)
    return msgspec.structs.replace(dead, state="resolved", at=at, ended_at=at, source=source)
