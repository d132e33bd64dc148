"""Watchkeeper's own chat event, `watchkeeper.chat/1`: the format to write where nothing is logged yet.

It is strict, so that a mistake shows at once: unknown fields and wrong types are refused (docs/formats.md).
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from monitor.errors import Rejected
from monitor.ingest import identity, refusal_tokens, times
from monitor.ingest.outcomes import Facts, Origin, Outcomes, Reply
from monitor.ingest.reasons import Reason
from monitor.ingest.turns import ends_with_answer, split

FAMILY: Final = "watchkeeper.chat/"
SCHEMA: Final = "watchkeeper.chat/1"


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str


class ChatEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One exchange. Either `messages`, or `prompt`. Without `response`, a last assistant message is the answer."""

    schema: Literal["watchkeeper.chat/1"]
    event_id: str | int | None = None
    tenant: str | None = None
    model: str | None = None
    conversation_id: str | None = None
    occurred_at: str | int | float | None = None
    messages: list[Message] | None = None
    prompt: str | None = None
    response: str | None = None
    provider_refusal: bool = False
    content_filtered: bool = False
    tool_calls: int = 0
    refusal_token: Any = None


def is_event(doc: dict[str, Any]) -> bool:
    """True where `schema` names our family, in any version."""
    schema = doc.get("schema")
    return type(schema) is str and schema.startswith(FAMILY)


def read(doc: dict[str, Any], origin: Origin, out: Outcomes) -> None:
    """Read one event into `out`. Raises Rejected."""
    if doc["schema"] != SCHEMA:
        raise Rejected(Reason.UNKNOWN_VERSION, f"schema: this release reads {SCHEMA}")
    try:
        event = msgspec.convert(doc, ChatEvent)
    except msgspec.ValidationError as exc:
        raise _fault(str(exc)) from None
    if event.tool_calls < 0:
        raise Rejected(Reason.WRONG_TYPE, "tool_calls: expected a number from 0 up")
    response = event.response
    if event.messages is not None:
        if event.prompt is not None:
            raise Rejected(Reason.UNKNOWN_FIELD, "prompt: not beside messages")
        messages = doc["messages"]
        if response is None and ends_with_answer(messages):
            response = messages[-1]["content"]
            messages = messages[:-1]
        prompt, context = split(messages, "messages", origin.max_context_turns)
    elif event.prompt is not None:
        prompt, context = event.prompt, ()
    else:
        raise Rejected(
            Reason.MISSING_FIELD, "messages: expected a list of messages, or prompt, found neither"
        )
    facts = Facts(
        event_id=identity.event_id(event.event_id),
        format="watchkeeper",
        tenant=identity.name(event.tenant) or origin.tenant,
        model=identity.name(event.model) or identity.UNKNOWN_MODEL,
        conversation_id=identity.name(event.conversation_id),
        occurred_at=times.to_utc(event.occurred_at) or origin.time,
        prompt=prompt,
        context=context,
        refusal_token=refusal_tokens.read(event.refusal_token, out),
    )
    out.add(facts, [Reply(response, event.provider_refusal, event.content_filtered, event.tool_calls)])


def _fault(message: str) -> Rejected:
    """Our reason for msgspec's message. Only its fixed phrases are passed on: others quote the input."""
    said, _, place = message.partition(" - at `$")
    path = place.rstrip("`").lstrip(".") or "the event"
    if said.startswith("Object missing required field"):
        return Rejected(Reason.MISSING_FIELD, f"{path}: {said.lower()}")
    if said.startswith("Object contains unknown field"):
        return Rejected(Reason.UNKNOWN_FIELD, f"{path}: holds a field that {SCHEMA} does not define")
    if said.startswith("Expected `"):
        return Rejected(Reason.WRONG_TYPE, f"{path}: {said.lower()}")
    return Rejected(Reason.WRONG_TYPE, f"{path}: not one of the values that {SCHEMA} defines")
