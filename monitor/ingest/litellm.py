"""LiteLLM's StandardLoggingPayload: what its callbacks write for every call, good or failed."""

from __future__ import annotations

from typing import Any, Final

from monitor.errors import Rejected
from monitor.ingest import answers, identity, refusal_tokens, times
from monitor.ingest.jsontext import parse
from monitor.ingest.outcomes import FILTERED, Facts, Origin, Outcomes, Reply
from monitor.ingest.reasons import Reason, missing
from monitor.ingest.turns import split

_CHAT: Final = frozenset(
    {
        "completion",
        "acompletion",
        "text_completion",
        "atext_completion",
        "responses",
        "aresponses",
        "anthropic_messages",
        "generate_content",
        "agenerate_content",
        "generate_content_stream",
        "agenerate_content_stream",
    }
)
_MODEL_RESPONSE: Final = frozenset({"id", "object", "created", "model", "choices"})
_REDACTED: Final = "redacted-by-litellm"
_TENANT_KEYS: Final = ("user_api_key_team_id", "user_api_key_team_alias", "user_api_key_org_id")
_CONVERSATION_KEYS: Final = ("conversation_id", "session_id")
_SIDE_METADATA: Final = ("requester_metadata", "spend_logs_metadata")


def is_payload(doc: dict[str, Any]) -> bool:
    """True where the keys are those of a StandardLoggingPayload."""
    return "call_type" in doc or ("startTime" in doc and "endTime" in doc and "messages" in doc)


def read(doc: dict[str, Any], origin: Origin, out: Outcomes) -> None:
    """Read one payload into `out`. Raises Rejected where all of it is unusable."""
    messages = doc.get("messages")
    if not _is_chat(doc.get("call_type"), messages):
        out.skip()
        return
    if type(messages) is dict and "messages" in messages:
        messages = messages["messages"]
    if messages is None:
        raise missing("messages", "a list of messages or a string")
    prompt, context = split(messages, "messages", origin.max_context_turns)
    if prompt == _REDACTED:
        raise Rejected(Reason.REDACTED, "messages: LiteLLM's message logging is turned off")
    response = doc.get("response")
    replies: list[Reply | Rejected]
    if doc.get("status") == "failure":
        replies = [FILTERED if _was_filtered(doc) else answers.failure(None)]
    else:
        replies = answers.read(_model_response(response), "response")
    metadata = doc.get("metadata")
    if type(metadata) is not dict:
        metadata = {}
    facts = Facts(
        event_id=identity.event_id(doc.get("id")),
        format="litellm",
        tenant=_first(metadata, _TENANT_KEYS) or origin.tenant,
        model=identity.name(doc.get("model"))
        or identity.name(doc.get("model_group"))
        or identity.UNKNOWN_MODEL,
        conversation_id=_conversation(doc, metadata),
        occurred_at=times.to_utc(doc.get("startTime")) or times.to_utc(doc.get("endTime")) or origin.time,
        prompt=prompt,
        context=context,
        refusal_token=_token(doc, metadata, out),
    )
    out.add(facts, replies)


def _is_chat(call_type: Any, messages: Any) -> bool:
    if type(call_type) is not str or not call_type or call_type in _CHAT:
        return True
    # A call type that this release doesn't know is chat if it carries a conversation.
    return type(messages) is list and any(type(m) is dict and m.get("role") == "user" for m in messages)


def _model_response(response: Any) -> Any:
    """The response, taken out of its JSON text where that is a whole ModelResponse; any other text is an answer."""
    if type(response) is str and response[:1] == "{":
        try:
            parsed = parse(response)
        except Rejected:
            return response
        if _MODEL_RESPONSE.issubset(parsed):
            return parsed
    return response


def _was_filtered(doc: dict[str, Any]) -> bool:
    information = doc.get("error_information")
    return type(information) is dict and information.get("error_class") == "ContentPolicyViolationError"


def _conversation(doc: dict[str, Any], metadata: dict[str, Any]) -> str:
    found = _first(doc, _CONVERSATION_KEYS) or _first(metadata, _CONVERSATION_KEYS)
    for key in _SIDE_METADATA:
        side = metadata.get(key)
        if not found and type(side) is dict:
            found = _first(side, _CONVERSATION_KEYS)
    return found or identity.name(doc.get("trace_id"))


def _token(doc: dict[str, Any], metadata: dict[str, Any], out: Outcomes) -> Any:
    for place in (doc, metadata, *(metadata.get(key) for key in _SIDE_METADATA)):
        if type(place) is dict and refusal_tokens.KEY in place:
            return refusal_tokens.read(place[refusal_tokens.KEY], out)
    return None


def _first(place: dict[str, Any], keys: tuple[str, ...]) -> str:
    for key in keys:
        found = identity.name(place.get(key))
        if found:
            return found
    return ""
