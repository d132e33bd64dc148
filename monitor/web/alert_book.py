"""All alerts of the fleet and what people did with them, kept up to date from their logs. Whoever opens the dashboard sees at
once what fires; nobody has to ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from monitor.adapters.alert_feed import AlertFeed, Entry
from monitor.alerts.log import ENDED, ORDER, AlertLog, Done, is_news
from monitor.errors import Misconfigured, Retryable
from monitor.kafka_settings import KafkaSettings
from schemas.alert_actions import AlertAction
from schemas.alerts import Alert

log = structlog.get_logger("watchkeeper.dashboard")

SINCE: Final = timedelta(days=30)
"""As long as the topic keeps them."""
POLL_S: Final = 1.0
AGAIN_S: Final = 2.0
_SEVERITY: Final = {"critical": 0, "warning": 1, "info": 2}


@dataclass(slots=True)
class AlertBook:
    """`trouble`: why it isn't up to date, in words; nothing where it is. `is_read`: the past has been read once."""

    settings: KafkaSettings
    on_alert: Callable[[Alert], None]
    on_change: Callable[[], None]
    trouble: str = "the alerts are being read"
    is_read: bool = False
    _alerts: dict[str, Alert] = field(default_factory=dict)
    _actions: dict[str, tuple[Done, ...]] = field(default_factory=dict)

    @property
    def log(self) -> AlertLog:
        """As `watchkeeper alerts` has it, but the newest first: those that fire, worst first, then those that are over."""
        alerts = sorted(self._alerts.values(), key=lambda one: one.started_at, reverse=True)
        alerts.sort(
            key=lambda one: (ORDER[one.state], _SEVERITY[one.severity] if one.state not in ENDED else 0)
        )
        return AlertLog(tuple(alerts), self._actions)

    @property
    def firing(self) -> int:
        """How many fire, or have no data."""
        return sum(one.state not in ENDED for one in self._alerts.values())

    async def keep(self) -> None:
        """Read the past and follow, again and again where Kafka goes away. Ends only when cancelled."""
        while True:
            try:
                async with AlertFeed.open(self.settings, datetime.now(UTC) - SINCE) as feed:
                    self._alerts.clear()
                    self._actions.clear()
                    for entry in feed.past:
                        self._take(entry)
                    self.trouble, self.is_read = "", True
                    self.on_change()
                    while True:
                        entries = await feed.next(POLL_S)
                        told = [one for one in map(self._take, entries) if one is not None]
                        for alert in told:
                            self.on_alert(alert)
                        if entries:
                            self.forget(datetime.now(UTC))
                            self.on_change()
            except (Retryable, Misconfigured) as exc:
                if self.trouble != str(exc):
                    self.trouble = str(exc)
                    log.warning("alerts not followed", error=str(exc))
                    self.on_change()
                await asyncio.sleep(AGAIN_S)

    def forget(self, now: datetime) -> None:
        """What is over for longer than the topic keeps it, with what people did: this may run for months."""
        old = now - SINCE
        gone = [one.id for one in self._alerts.values() if one.state in ENDED and one.at < old]
        for alert_id in gone:
            del self._alerts[alert_id]
        for alert_id, done in list(self._actions.items()):
            if alert_id not in self._alerts and done[-1].at < old:
                del self._actions[alert_id]

    def _take(self, entry: Entry) -> Alert | None:
        """The alert, where it says something new to people: it is new, or its state or its title is another."""
        content = entry.content
        if isinstance(content, AlertAction) and content.fleet == self.settings.group_prefix:
            done = Done(content, datetime.fromtimestamp(entry.at_s, UTC))
            self._actions[content.alert_id] = (*self._actions.get(content.alert_id, ()), done)
        if not isinstance(content, Alert) or content.fleet != self.settings.group_prefix:
            return None
        before = self._alerts.get(content.id)
        if before is not None and not is_news(content, before):
            return None
        self._alerts[content.id] = content
        if before is not None and (before.state, before.title) == (content.state, content.title):
            return None
        return content
