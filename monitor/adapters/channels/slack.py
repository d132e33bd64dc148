"""A Slack incoming webhook: Block Kit within its limits, readable without colour, nothing in it that Slack would take for markup.

https://docs.slack.dev/reference/block-kit/blocks (limits), https://docs.slack.dev/messaging/formatting-message-text (escaping)
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from monitor.adapters.channels.addresses import Resolve, resolve
from monitor.adapters.channels.http import HttpPost, require_taken
from monitor.notifying.channels import Slack
from monitor.notifying.message import Message
from monitor.notifying.references import Secrets
from monitor.notifying.wording import Words, subject, words

HEADER: Final = 150
SECTION: Final = 3_000
FIELD: Final = 2_000
FIELDS: Final = 10
BLOCKS: Final = 50
TEXT: Final = 4_000
_SLUG: Final = re.compile(rb"[a-z_]{3,60}")


class SlackChannel:
    """Implements ports.AlertChannel."""

    def __init__(self, channel: Slack, secrets: Secrets, *, resolver: Resolve = resolve) -> None:
        self._post = HttpPost(channel, secrets, resolver=resolver)

    async def ready(self) -> None:
        """See ports.AlertChannel."""
        await self._post.ready(self._post.url())

    async def tell(self, message: Message) -> None:
        """See ports.AlertChannel."""
        await self.post(slack_body(message))

    async def post(self, payload: dict[str, Any]) -> None:
        """Post a payload. Raises Retryable, Misconfigured or Rejected."""
        body = msgspec.json.encode(payload)
        answer = await self._post.post(
            self._post.url(), body, {"Content-Type": "application/json; charset=utf-8"}
        )
        said = answer.body.strip()
        detail = said.decode() if answer.status != 200 and _SLUG.fullmatch(said) else ""
        require_taken(answer, self._post.said, detail)


def slack_body(message: Message) -> dict[str, Any]:
    """The payload: `text` for notifications and screen readers, blocks for the rest."""
    blocks: list[dict[str, Any]] = []
    left = 0
    for telling in message.tellings:
        added = _blocks(words(telling, is_test=message.is_test))
        if len(blocks) + len(added) >= BLOCKS:
            left += 1
            continue
        blocks += added
    if left:
        blocks.append(_context(f"and {left} more: `watchkeeper alerts`"))
    return {"text": clip(escaped(subject(message)), TEXT), "blocks": blocks}


def _blocks(said: Words) -> list[dict[str, Any]]:
    header = {
        "type": "header",
        "text": {"type": "plain_text", "text": _short(said.headline, HEADER), "emoji": False},
    }
    fields = [_mrkdwn(f"*{escaped(name)}*\n{escaped(value)}", FIELD) for name, value in said.fields[:FIELDS]]
    blocks: list[dict[str, Any]] = [header, {"type": "section", "fields": fields}]
    if len(said.headline) > HEADER:
        blocks.insert(1, {"type": "section", "text": _mrkdwn(escaped(said.headline), SECTION)})
    if said.remedy:
        blocks.append({"type": "section", "text": _mrkdwn(f"*Next*\n{escaped(said.remedy)}", SECTION)})
    blocks.append(_context(f"`{escaped(said.command)}`"))
    return blocks


def _context(text: str) -> dict[str, Any]:
    return {"type": "context", "elements": [_mrkdwn(text, FIELD)]}


def _mrkdwn(text: str, most: int) -> dict[str, Any]:
    """`verbatim`: Slack makes no link, channel or mention of what looks like one."""
    return {"type": "mrkdwn", "text": clip(text, most), "verbatim": True}


def escaped(text: str) -> str:
    """The three characters that begin markup of Slack's."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def clip(text: str, most: int) -> str:
    """At most so many characters of an escaped text, with no escape cut in two."""
    if len(text) <= most:
        return text
    return re.sub(r"&[a-z]*$", "", text[: most - 1]) + "…"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
