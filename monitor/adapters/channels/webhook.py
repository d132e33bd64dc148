"""Any receiver of JSON, signed: how to verify it is in docs/channels.md, and `signature` is what it says there."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from monitor.adapters.channels.addresses import Resolve, resolve
from monitor.adapters.channels.http import HttpPost, require_taken
from monitor.notifying.channels import Webhook
from monitor.notifying.message import Message
from monitor.notifying.references import Secrets
from monitor.notifying.wording import words

VERSION: Final = 1
REPLAY_WINDOW_S: Final = 300
"""A receiver should refuse a timestamp further than this from its own clock."""
HEADER_TIMESTAMP: Final = "Watchkeeper-Timestamp"
HEADER_SIGNATURE: Final = "Watchkeeper-Signature"
HEADER_DELIVERY: Final = "Watchkeeper-Delivery"


class WebhookChannel:
    """Implements ports.AlertChannel."""

    def __init__(
        self,
        channel: Webhook,
        secrets: Secrets,
        *,
        resolver: Resolve = resolve,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._channel = channel
        self._secrets = secrets
        self._now_s = now_s
        self._post = HttpPost(channel, secrets, resolver=resolver)

    async def ready(self) -> None:
        """See ports.AlertChannel."""
        self._headers(b"", "")
        await self._post.ready(self._post.url())

    async def tell(self, message: Message) -> None:
        """See ports.AlertChannel."""
        await self.post(webhook_body(message), message.key)

    async def post(self, content: dict[str, Any], key: str) -> None:
        """Post it as JSON, signed; `key` is the same for each try. Raises Retryable, Misconfigured or Rejected."""
        body = msgspec.json.encode(content)
        answer = await self._post.post(self._post.url(), body, self._headers(body, key))
        require_taken(answer, self._post.said)

    def _headers(self, body: bytes, key: str) -> dict[str, str]:
        """Signed anew at each try; the key stays."""
        timestamp = str(int(self._now_s()))
        secret = self._secrets.look_up(self._channel.secret)
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": key,
            HEADER_DELIVERY: key,
            HEADER_TIMESTAMP: timestamp,
            HEADER_SIGNATURE: f"v1={signature(secret, timestamp, body)}",
        }
        if self._channel.bearer_token is not None:
            headers["Authorization"] = f"Bearer {self._secrets.look_up(self._channel.bearer_token)}"
        return headers


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 over timestamp, a dot and the body, in hexadecimal digits."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def webhook_body(message: Message) -> dict[str, Any]:
    """The one alert as its record says it (schemas/alerts.py), and what is new about it."""
    telling = message.tellings[0]
    return {
        "version": VERSION,
        "delivery": message.key,
        "channel": message.channel,
        "is_test": message.is_test,
        "news": telling.news.value,
        "text": words(telling, is_test=message.is_test).headline,
        "command": words(telling).command,
        "alert": msgspec.to_builtins(telling.alert),
    }
