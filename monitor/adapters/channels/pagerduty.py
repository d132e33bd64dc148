"""PagerDuty Events v2: the alert's id is the dedup_key, so that it is one incident however often it is told.

https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from monitor.adapters.channels.addresses import Resolve, resolve
from monitor.adapters.channels.http import HttpPost, require_taken
from monitor.notifying.channels import PagerDuty
from monitor.notifying.message import Message
from monitor.notifying.news import News, is_over
from monitor.notifying.references import Secrets
from monitor.notifying.wording import one_line, words

SUMMARY: Final = 1_024
DEDUP_KEY: Final = 255


class PagerDutyChannel:
    """Implements ports.AlertChannel."""

    def __init__(self, channel: PagerDuty, secrets: Secrets, *, resolver: Resolve = resolve) -> None:
        self._channel = channel
        self._secrets = secrets
        self._post = HttpPost(channel, secrets, resolver=resolver)

    async def ready(self) -> None:
        """See ports.AlertChannel."""
        self._secrets.look_up(self._channel.routing_key)
        await self._post.ready(self._post.url())

    async def tell(self, message: Message) -> None:
        """See ports.AlertChannel. A test is resolved at once, so that nobody has to."""
        bodies = [pagerduty_body(message)]
        if message.is_test:
            bodies.append({**bodies[0], "event_action": "resolve"})
        for body in bodies:
            keyed = {"routing_key": self._secrets.look_up(self._channel.routing_key), **body}
            answer = await self._post.post(
                self._post.url(), msgspec.json.encode(keyed), {"Content-Type": "application/json"}
            )
            require_taken(answer, self._post.said)


def pagerduty_body(message: Message) -> dict[str, Any]:
    """The event, without the routing key, which is a secret."""
    telling = message.tellings[0]
    alert = telling.alert
    said = words(telling, is_test=message.is_test)
    if is_over(alert):
        action = "resolve"
    else:
        action = "acknowledge" if telling.news is News.ACKNOWLEDGED else "trigger"
    return {
        "event_action": action,
        "dedup_key": one_line(alert.id, DEDUP_KEY),
        "client": "Watchkeeper",
        "payload": {
            "summary": one_line(said.headline, SUMMARY),
            "source": one_line(alert.fleet, 255) or "watchkeeper",
            "severity": alert.severity,  # critical, warning and info are PagerDuty's words too
            "timestamp": alert.started_at.isoformat(),
            "component": one_line(alert.place.get("model", alert.place.get("role", "")), 255),
            "group": one_line(alert.place.get("tenant", ""), 255),
            "class": one_line(alert.kind, 255),
            "custom_details": {
                **{name.lower(): value for name, value in said.fields},
                "next": said.remedy,
                "command": said.command,
            },
        },
    }
