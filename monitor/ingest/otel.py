"""OpenTelemetry GenAI spans and events, of every generation of the semantic conventions, to exchanges.

Looked for in this order: gen_ai.input.messages / gen_ai.output.messages (1.37 and later; on the span or on the
event gen_ai.client.inference.operation.details), events for each message (1.28 to 1.36), gen_ai.prompt /
gen_ai.completion (to 1.27, on the span or on content events), and OpenLLMetry's indexed attributes.
"""

from __future__ import annotations

from typing import Any, Final

from monitor.errors import Rejected
from monitor.ingest import identity, refusal_tokens, times
from monitor.ingest.genai_messages import find
from monitor.ingest.outcomes import Facts, Origin, Outcomes
from monitor.ingest.reasons import Reason
from monitor.ingest.spans import CHAT_EVENTS, DETAILS_EVENT, GENAI, Span
from monitor.ingest.turns import split

# Operations that are no chat, and agent spans, whose texts the chat spans below them carry already.
_NOT_CHAT: Final = frozenset(
    {"embeddings", "execute_tool", "create_agent", "invoke_agent", "invoke_workflow", "retrieval", "rerank"}
)
_TENANT_KEYS: Final = ("watchkeeper.tenant", "tenant.id", "tenant")
_CONVERSATION_KEYS: Final = ("gen_ai.conversation.id", "session.id")
_MODEL_KEYS: Final = ("gen_ai.response.model", "gen_ai.request.model")
_RECORD_KEY: Final = "watchkeeper.refusal_token"
_ZEROS: Final = frozenset("0")


def is_genai(span: Span) -> bool:
    """True where an attribute or an event is of the GenAI conventions."""
    return any(key.startswith(GENAI) for key in span.attributes) or any(
        event.name.startswith(GENAI) for event in span.events
    )


def read(span: Span, origin: Origin, out: Outcomes) -> None:
    """Read one span (or joined log records) into `out`: exchanges, or not chat. Raises Rejected."""
    if not is_genai(span):
        out.skip()
        return
    attributes = span.attributes
    for event in span.events:
        if event.name == DETAILS_EVENT and event.fields is not attributes:
            attributes = {**attributes, **event.fields}
    operation = attributes.get("gen_ai.operation.name")
    if type(operation) is str and operation in _NOT_CHAT:
        out.skip()
        return
    conversation = find(attributes, span.events)
    if conversation is None:
        if operation is None and not _looks_like_chat(attributes, span):
            out.skip()
            return
        raise Rejected(
            Reason.NO_CONTENT, "gen_ai.input.messages: absent; turn on content capture in the instrumentation"
        )
    prompt, context = split(conversation.messages, conversation.path, origin.max_context_turns)
    out.add(_facts(span, attributes, origin, out, prompt=prompt, context=context), conversation.replies)


def _looks_like_chat(attributes: dict[str, Any], span: Span) -> bool:
    return "gen_ai.request.model" in attributes or any(event.name in CHAT_EVENTS for event in span.events)


def _facts(
    span: Span, attributes: dict[str, Any], origin: Origin, out: Outcomes, *, prompt: str, context: Any
) -> Facts:
    resource = span.resource
    return Facts(
        event_id=_event_id(span),
        format="otel",
        tenant=_first(attributes, _TENANT_KEYS)
        or _first(resource, _TENANT_KEYS)
        or identity.name(resource.get("service.namespace"))
        or origin.tenant,
        model=_first(attributes, _MODEL_KEYS) or identity.UNKNOWN_MODEL,
        conversation_id=_first(attributes, _CONVERSATION_KEYS),
        occurred_at=times.to_utc(span.start) or origin.time,
        prompt=prompt,
        context=context,
        refusal_token=refusal_tokens.read(attributes.get(_RECORD_KEY), out),
    )


def _event_id(span: Span) -> str:
    trace, this = span.trace_id, span.span_id
    if not trace or not this or set(trace) == _ZEROS or set(this) == _ZEROS:
        return ""
    return identity.event_id(f"{trace}-{this}")


def _first(place: dict[str, Any], keys: tuple[str, ...]) -> str:
    for key in keys:
        found = identity.name(place.get(key))
        if found:
            return found
    return ""
