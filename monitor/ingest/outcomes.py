"""What becomes of one message while it is read: exchanges, bad parts, and what is no chat, in order."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from monitor.errors import Rejected
from monitor.ingest.reasons import Reason
from schemas.events import ChatFormat, Exchange, Turn
from schemas.refusal_tokens import RefusalToken

MAX_PARTS: Final = 10_000
"""Exchanges in one message, good or bad: bounds memory where 10 MB hold millions of empty ones."""

_DETAIL_CHARS: Final = 300


class RejectedPart(msgspec.Struct, frozen=True):
    """One bad exchange of a message whose others are usable."""

    index: int
    reason: str
    detail: str


class Origin(msgspec.Struct, frozen=True, gc=False):
    """What is known of a document before it is read: from Kafka, from settings, from its envelope.

    `base_id` names exchanges whose source has no id; where `is_shared`, other documents draw on the same one.
    """

    base_id: str
    is_shared: bool
    time: datetime | None
    tenant: str
    max_context_turns: int


class Reply(msgspec.Struct, frozen=True, gc=False):
    """An answer, as Exchange describes it. `text` None: there is none."""

    text: str | None
    provider_refusal: bool = False
    content_filtered: bool = False
    tool_calls: int = 0


NO_REPLY: Final = Reply(None)
FILTERED: Final = Reply(None, content_filtered=True)


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What all answers to one prompt share. `event_id` is "" where the source has none."""

    event_id: str
    format: ChatFormat
    tenant: str
    model: str
    conversation_id: str
    occurred_at: datetime | None
    prompt: str
    context: tuple[Turn, ...]
    refusal_token: RefusalToken | None


class Outcomes:
    """Collects what becomes of one message. `add` and `reject` number the exchanges in order."""

    __slots__ = ("anonymous", "bad_refusal_tokens", "exchanges", "not_chat", "rejected", "total")

    def __init__(self) -> None:
        self.exchanges: list[tuple[int, Exchange]] = []
        self.rejected: list[RejectedPart] = []
        self.not_chat = 0
        self.bad_refusal_tokens = 0
        self.total = 0
        self.anonymous = False

    def add(self, facts: Facts, replies: list[Reply | Rejected]) -> None:
        """One exchange for each reply. A bad reply beside good ones is a rejected part; alone, it is raised."""
        single = len(replies) == 1
        for position, reply in enumerate(replies):
            if isinstance(reply, Rejected):
                if single:
                    raise reply
                self.reject(reply)
                continue
            index = self._next()
            if not facts.event_id:
                self.anonymous = True
                event_id = ""
            elif single:
                event_id = facts.event_id
            else:
                event_id = f"{facts.event_id}-{position}"
            exchange = Exchange(
                event_id=event_id,
                format=facts.format,
                tenant=facts.tenant,
                model=facts.model,
                conversation_id=facts.conversation_id,
                occurred_at=facts.occurred_at,
                prompt=facts.prompt,
                response=reply.text,
                context=facts.context,
                provider_refusal=reply.provider_refusal,
                content_filtered=reply.content_filtered,
                tool_calls=reply.tool_calls,
                refusal_token=facts.refusal_token,
            )
            self.exchanges.append((index, exchange))

    def reject(self, fault: Rejected) -> None:
        """A bad exchange in a message whose others go on."""
        self.rejected.append(RejectedPart(self._next(), fault.reason, fault.detail[:_DETAIL_CHARS]))

    def skip(self) -> None:
        """A span or record that holds no chat."""
        self.not_chat += 1

    def is_empty(self) -> bool:
        """True as long as nothing was counted."""
        return not self.total and not self.not_chat

    def mark(self) -> tuple[int, int]:
        """Where a document begins, for `name_anonymous`."""
        return self.total, len(self.exchanges)

    def name_anonymous(self, origin: Origin, mark: tuple[int, int]) -> None:
        """Give ids from `origin` to the exchanges since `mark` whose source had none."""
        if not self.anonymous:
            return
        alone = self.total - mark[0] == 1 and not origin.is_shared
        for place in range(mark[1], len(self.exchanges)):
            index, exchange = self.exchanges[place]
            if not exchange.event_id:
                event_id = origin.base_id if alone else f"{origin.base_id}-{index}"
                self.exchanges[place] = (index, msgspec.structs.replace(exchange, event_id=event_id))
        self.anonymous = False

    def _next(self) -> int:
        index = self.total
        if index >= MAX_PARTS:
            raise Rejected(Reason.TOO_MANY, f"more than {MAX_PARTS} exchanges in one message")
        self.total = index + 1
        return index
