"""Alertmanager, API v2: POST /api/v2/alerts. Identity in labels, values in annotations.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from monitor.adapters.channels.addresses import Resolve, resolve
from monitor.adapters.channels.http import HttpPost, require_taken
from monitor.notifying.channels import Alertmanager
from monitor.notifying.message import Message, Telling
from monitor.notifying.news import is_over
from monitor.notifying.references import Secrets
from monitor.notifying.wording import one_line, words
from schemas.alerts import Alert

LIVES_RESENDS: Final = 4
"""A firing alert ends by itself if it isn't sent again for so many intervals: we may be gone, and nobody would end it."""
OWN_LABELS: Final = frozenset({"alertname", "fleet", "kind", "severity"})
_NOT_A_LABEL: Final = re.compile(r"[^a-zA-Z0-9_]")


class AlertmanagerChannel:
    """Implements ports.AlertChannel."""

    def __init__(self, channel: Alertmanager, secrets: Secrets, *, resolver: Resolve = resolve) -> None:
        self._channel = channel
        self._secrets = secrets
        self._post = HttpPost(channel, secrets, resolver=resolver)

    async def ready(self) -> None:
        """See ports.AlertChannel."""
        self._headers()
        await self._post.ready(self._url())

    async def tell(self, message: Message) -> None:
        """See ports.AlertChannel."""
        body = msgspec.json.encode(alerts_body(message, self._channel, datetime.now(UTC)))
        answer = await self._post.post(self._url(), body, self._headers())
        require_taken(answer, self._post.said)

    def _url(self) -> str:
        return self._post.url().rstrip("/") + "/api/v2/alerts"

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if self._channel.bearer_token is not None:
            headers["Authorization"] = f"Bearer {self._secrets.look_up(self._channel.bearer_token)}"
        elif self._channel.username is not None and self._channel.password is not None:
            pair = f"{self._channel.username}:{self._secrets.look_up(self._channel.password)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return headers


def alerts_body(message: Message, channel: Alertmanager, now: datetime) -> Sequence[dict[str, Any]]:
    """PostableAlerts. An alert whose severity has changed ends under the old label, for else it would be two."""
    found = []
    for telling in message.tellings:
        found.append(_postable(telling, channel, now, is_test=message.is_test))
        if telling.severity_before is not None:
            gone = _postable(telling, channel, now, is_test=message.is_test)
            gone["labels"] = {**gone["labels"], "severity": telling.severity_before}
            gone["endsAt"] = max(now, telling.alert.started_at).isoformat()
            found.append(gone)
    return found


def labels_of(alert: Alert) -> dict[str, str]:
    """What it is told apart by: the same for as long as it is as severe. An empty value is none to Alertmanager."""
    labels = {"alertname": alert.kind, "fleet": alert.fleet, "kind": alert.kind, "severity": alert.severity}
    for key, value in sorted(alert.place.items()):
        name = _NOT_A_LABEL.sub("_", key) or "_"
        name = f"place_{name}" if name in OWN_LABELS or name[0].isdigit() else name
        labels[name] = one_line(value, 256)
    return {name: value for name, value in labels.items() if value}


def _postable(telling: Telling, channel: Alertmanager, now: datetime, *, is_test: bool) -> dict[str, Any]:
    alert = telling.alert
    said = words(telling, is_test=is_test)
    if is_over(alert):
        ends_at = min(alert.ended_at or alert.at, now)
    else:
        ends_at = now + timedelta(seconds=LIVES_RESENDS * channel.resend_every_s)
    figures = {re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_"): value for name, value in said.fields}
    postable: dict[str, Any] = {
        "labels": labels_of(alert),
        "annotations": {
            **{name: value for name, value in figures.items() if name not in ("kind", "fleet", "")},
            "summary": said.title,
            "description": said.headline,
            "state": alert.state,
            "remedy": said.remedy,
            "command": said.command,
            "alert_id": one_line(alert.id, 64),
        },
        "startsAt": min(alert.started_at, ends_at).isoformat(),
        "endsAt": ends_at.isoformat(),
    }
    if channel.generator_url is not None:
        postable["generatorURL"] = channel.generator_url
    return postable
