"""OpenAI chat-completions records: a request and its response, in the spellings that people log them in."""

from __future__ import annotations

from typing import Any, Final

from monitor.errors import Rejected
from monitor.ingest import answers, identity, refusal_tokens, streams, times
from monitor.ingest.jsontext import parse
from monitor.ingest.outcomes import Facts, Origin, Outcomes
from monitor.ingest.reasons import missing, wrong_type
from monitor.ingest.turns import ends_with_answer, split

REQUEST_KEYS: Final = ("request", "request_body", "requestBody", "req", "input", "body")
RESPONSE_KEYS: Final = ("response", "response_body", "responseBody", "res", "output", "completion")
_TIME_KEYS: Final = ("created", "created_at", "timestamp", "time")
_TENANT_KEYS: Final = ("tenant", "tenant_id")
_CONVERSATION_KEYS: Final = ("conversation_id", "session_id", "thread_id")
_ID_KEYS: Final = ("id", "request_id", "custom_id")
_ANSWER_KEYS: Final = frozenset({*RESPONSE_KEYS, "choices", "error"})
_NOTHING: Final[dict[str, Any]] = {}


def is_record(doc: dict[str, Any]) -> bool:
    """True where the keys are those of a chat-completions record."""
    return (
        "messages" in doc
        or "choices" in doc
        or any(key in doc for key in REQUEST_KEYS)
        or any(key in doc for key in RESPONSE_KEYS)
    )


def read(doc: dict[str, Any], origin: Origin, out: Outcomes) -> None:
    """Read one record into `out`. Raises Rejected where all of it is unusable."""
    request, path = _request(doc)
    messages, messages_path = _messages(request, path)
    response, response_path = _response(doc)
    if request is doc and ends_with_answer(messages) and doc.keys().isdisjoint(_ANSWER_KEYS):
        place = len(messages) - 1
        response, response_path = messages[place], f"{messages_path}[{place}]"
        messages = messages[:place]
    if type(response) is list:
        response = streams.merge(response, response_path)
    prompt, context = split(messages, messages_path, origin.max_context_turns)
    replies = answers.read(response, response_path)
    served = response if type(response) is dict else _NOTHING
    metadata = doc.get("metadata")
    if type(metadata) is not dict:
        metadata = _NOTHING
    asked = request.get("metadata")
    places = (doc, metadata, asked) if type(asked) is dict and asked is not metadata else (doc, metadata)
    facts = Facts(
        event_id=identity.event_id(doc.get("id")) or _source_id(doc, served),
        format="openai",
        tenant=_first_name(places, _TENANT_KEYS) or origin.tenant,
        model=identity.name(doc.get("model"))
        or identity.name(served.get("model"))
        or identity.name(request.get("model"))
        or identity.UNKNOWN_MODEL,
        conversation_id=_first_name(places, _CONVERSATION_KEYS),
        occurred_at=times.to_utc(doc.get("created")) or _time(doc, served) or origin.time,
        prompt=prompt,
        context=context,
        refusal_token=_token(places, served, out),
    )
    out.add(facts, replies)


def _request(doc: dict[str, Any]) -> tuple[dict[str, Any], str]:
    request = doc.get("request")
    if type(request) is dict and "messages" in request:
        return request, "request."
    if "messages" in doc or "prompt" in doc:
        return doc, ""
    for key in REQUEST_KEYS:
        value = doc.get(key)
        if value is not None:
            opened, path = _open(value, key)
            if type(opened) is str:
                opened = _parsed(opened)
            if type(opened) is not dict:
                raise wrong_type(path, "an object", opened)
            return opened, f"{path}."
    raise missing("request", "an object with messages (batch results need their input lines joined)")


def _messages(request: dict[str, Any], path: str) -> tuple[Any, str]:
    for key in ("messages", "prompt", "input"):
        messages = request.get(key)
        if messages is not None:
            return messages, path + key
    raise missing(f"{path}messages", "a list of messages")


def _response(doc: dict[str, Any]) -> tuple[Any, str]:
    response = doc.get("response")
    if type(response) is dict and "choices" in response:
        return response, "response"
    if "choices" in doc:
        return doc, ""
    for key in RESPONSE_KEYS:
        value = doc.get(key)
        if value is not None:
            opened, path = _open(value, key)
            # A bare text is the answer itself, even where it is JSON; only a logged HTTP body is a document.
            is_body = path.endswith(("body", "Body"))
            return (_parsed(opened) if is_body and type(opened) is str else opened), path
    return (None, "") if doc.get("error") is None else ({"error": doc["error"]}, "")


def _open(value: Any, path: str) -> tuple[Any, str]:
    """Take the body out of an HTTP message ({"status_code", "body": …})."""
    if type(value) is not dict or value.get("body") is None or "messages" in value or "choices" in value:
        return value, path
    return value["body"], f"{path}.body"


def _parsed(text: str) -> Any:
    """The JSON object that the text is, or else the text."""
    if text[:1] != "{":
        return text
    try:
        return parse(text)
    except Rejected:
        return text


def _source_id(doc: dict[str, Any], served: dict[str, Any]) -> str:
    found = identity.event_id(served.get("id"))
    for key in _ID_KEYS:
        found = found or identity.event_id(doc.get(key))
    return found


def _time(doc: dict[str, Any], served: dict[str, Any]) -> Any:
    for key in _TIME_KEYS:
        found = times.to_utc(doc.get(key))
        if found is not None:
            return found
    return times.to_utc(served.get("created")) or times.to_utc(served.get("created_at"))


def _first_name(places: tuple[dict[str, Any], ...], keys: tuple[str, ...]) -> str:
    for place in places:
        for key in keys:
            if key in place:
                found = identity.name(place[key])
                if found:
                    return found
    return ""


def _token(places: tuple[dict[str, Any], ...], served: dict[str, Any], out: Outcomes) -> Any:
    for place in (*places, served):
        if refusal_tokens.KEY in place:
            return refusal_tokens.read(place[refusal_tokens.KEY], out)
    return None
