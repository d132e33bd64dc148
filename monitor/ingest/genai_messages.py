"""Finds the conversation in a GenAI span: messages and replies, from whichever convention wrote them."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from monitor.errors import Rejected
from monitor.ingest.jsontext import parse
from monitor.ingest.outcomes import FILTERED, MAX_PARTS, NO_REPLY, Reply
from monitor.ingest.reasons import Reason, wrong_type
from monitor.ingest.spans import CHOICE_EVENT, COMPLETION_EVENT, MESSAGE_EVENTS, PROMPT_EVENT, Event
from monitor.ingest.turns import FILTER_REASONS, SHOWN_PART_TYPES, read_reply

INPUT: Final = "gen_ai.input.messages"
OUTPUT: Final = "gen_ai.output.messages"
INSTRUCTIONS: Final = "gen_ai.system_instructions"
PROMPT: Final = "gen_ai.prompt"
COMPLETION: Final = "gen_ai.completion"
_FINISH: Final = "gen_ai.response.finish_reasons"
_EVENT_CONTENT: Final = "gen_ai.event.content"
_MESSAGE_KEYS: Final = frozenset({"role", "message", "parts", "tool_calls"})
_INDEX_DIGITS: Final = 6


class Conversation(msgspec.Struct, frozen=True, gc=False):
    """Messages in the order they were sent (or one prompt as a string), where they stood, and the replies."""

    messages: list[Any] | str
    path: str
    replies: list[Reply | Rejected]


def find(attributes: dict[str, Any], events: list[Event]) -> Conversation | None:
    """The conversation, or None where no content was captured. Raises Rejected where it can't be read."""
    if INPUT in attributes or OUTPUT in attributes:
        return _from_messages(attributes)
    if any(event.name in MESSAGE_EVENTS or event.name == CHOICE_EVENT for event in events):
        return _from_events(attributes, events)
    prompt, completion = attributes.get(PROMPT), attributes.get(COMPLETION)
    for event in events:
        if event.name == PROMPT_EVENT:
            prompt = event.fields.get(PROMPT, prompt)
        elif event.name == COMPLETION_EVENT:
            completion = event.fields.get(COMPLETION, completion)
    if prompt is not None or completion is not None:
        return Conversation(_listed(prompt, PROMPT, "user"), PROMPT, _completions(completion, attributes))
    return _from_indexed(attributes)


def _from_messages(attributes: dict[str, Any]) -> Conversation:
    messages = _structure(attributes.get(INPUT), INPUT)
    if type(messages) is not list:
        raise wrong_type(INPUT, "a list of messages", messages)
    instructions = attributes.get(INSTRUCTIONS)
    if instructions is not None:
        messages = [{"role": "system", "content": _instructions(instructions)}, *messages]
    outputs = _structure(attributes.get(OUTPUT), OUTPUT)
    if outputs is None:
        return Conversation(messages, INPUT, _replies([], OUTPUT, attributes))
    if type(outputs) is not list:
        raise wrong_type(OUTPUT, "a list of messages", outputs)
    return Conversation(messages, INPUT, _replies(outputs, OUTPUT, attributes))


def _from_events(attributes: dict[str, Any], events: list[Event]) -> Conversation:
    messages: list[Any] = []
    choices: list[Any] = []
    for event in events:
        role = MESSAGE_EVENTS.get(event.name)
        if role is None and event.name != CHOICE_EVENT:
            continue
        fields = event.fields
        nested = _structure_or_text(fields.get(_EVENT_CONTENT))
        if type(nested) is dict:
            fields = {**fields, **nested}
        if role is not None:
            said = fields.get("role")
            message = dict(fields)
            message["role"] = said if type(said) is str else role
            message["content"] = _parts_or_text(fields.get("content"))
            messages.append(message)
        else:
            choices.append(_choice_fields(fields))
    return Conversation(messages, "events", _replies(choices, "events", attributes))


def _choice_fields(fields: dict[str, Any]) -> dict[str, Any]:
    message = _message_or_text(fields.get("message"))
    if type(message) is str:
        message = {"content": message}
    elif type(message) is not dict:
        message = {key: fields[key] for key in ("content", "parts", "tool_calls", "refusal") if key in fields}
    content = _parts_or_text(message.get("content"))
    calls = message.get("tool_calls", fields.get("tool_calls"))
    return {
        **message,
        "content": content,
        "tool_calls": _structure_or_text(calls),
        "finish_reason": fields.get("finish_reason"),
    }


def _from_indexed(attributes: dict[str, Any]) -> Conversation | None:
    prompts = _indexed(attributes, f"{PROMPT}.")
    completions = _indexed(attributes, f"{COMPLETION}.")
    if not prompts and not completions:
        return None
    return Conversation(prompts, PROMPT, _replies(completions, COMPLETION, attributes))


def _indexed(attributes: dict[str, Any], prefix: str) -> list[Any]:
    """OpenLLMetry's gen_ai.prompt.0.role, gen_ai.prompt.0.content, gen_ai.prompt.0.tool_calls.1.name, …"""
    messages: dict[int, dict[str, Any]] = {}
    calls: dict[int, set[str]] = {}
    for key, value in attributes.items():
        if not key.startswith(prefix):
            continue
        number, _, field = key[len(prefix) :].partition(".")
        if not field or not (number.isascii() and number.isdecimal()) or len(number) > _INDEX_DIGITS:
            continue
        message = messages.setdefault(int(number), {})
        if field.startswith("tool_calls."):
            calls.setdefault(int(number), set()).add(field.split(".", 2)[1])
        else:
            message[field] = _parts_or_text(value) if field == "content" else value
    for index, found in calls.items():
        messages[index]["tool_calls"] = [None] * len(found)
    return [messages[index] for index in sorted(messages)]


def _completions(completion: Any, attributes: dict[str, Any]) -> list[Reply | Rejected]:
    return _replies(
        [] if completion is None else _listed(completion, COMPLETION, "assistant"), COMPLETION, attributes
    )


def _listed(value: Any, path: str, role: str) -> list[Any]:
    """gen_ai.prompt and gen_ai.completion: messages, one message, or their JSON text; or else plain text."""
    value = _message_or_text(value)
    if type(value) is dict and type(value.get("messages")) is list:
        value = value["messages"]
    if type(value) is str:
        return [{"role": role, "content": value}]
    if type(value) is dict:
        return [value]
    if type(value) is list:
        return [{"role": role, "content": item} if type(item) is str else item for item in value]
    if value is None:
        return []
    raise wrong_type(path, "messages or a text", value)


def _replies(outputs: list[Any], path: str, attributes: dict[str, Any]) -> list[Reply | Rejected]:
    reasons = _structure_or_text(attributes.get(_FINISH))
    if type(reasons) is not list:
        reasons = [reasons]
    if not outputs:
        filtered = any(type(reason) is str and reason.lower() in FILTER_REASONS for reason in reasons)
        return [FILTERED if filtered else NO_REPLY]
    if len(outputs) > MAX_PARTS:
        raise Rejected(Reason.TOO_MANY, f"{path}: more than {MAX_PARTS}")
    replies: list[Reply | Rejected] = []
    for place, output in enumerate(outputs):
        reason = output.get("finish_reason") if type(output) is dict else None
        if reason is None and place < len(reasons):
            reason = reasons[place]
        nested = output.get("message") if type(output) is dict else None
        try:
            replies.append(read_reply(nested if type(nested) is dict else output, reason, f"{path}[{place}]"))
        except Rejected as fault:
            replies.append(fault)
    return replies


def _structure(value: Any, path: str) -> Any:
    """The structured form of an attribute that may be JSON text. Raises Rejected."""
    if type(value) is not str:
        return value
    try:
        return parse(value)
    except Rejected as fault:
        raise Rejected(fault.reason, f"{path}: the attribute's text is not JSON") from None


def _structure_or_text(value: Any) -> Any:
    """The structured form where the text is that of a JSON object or list, else the text itself."""
    if type(value) is str and value[:1] in ("{", "["):
        try:
            return parse(value)
        except Rejected:
            return value
    return value


def _message_or_text(value: Any) -> Any:
    """Messages, where the text is their JSON. JSON that somebody wrote as a text stays a text."""
    structured = _structure_or_text(value)
    if structured is value:
        return value
    messages = structured.get("messages", [structured]) if type(structured) is dict else structured
    if type(messages) is list and messages and all(_is_message(message) for message in messages):
        return structured
    return value


def _is_message(message: Any) -> bool:
    return type(message) is dict and not _MESSAGE_KEYS.isdisjoint(message)


def _parts_or_text(value: Any) -> Any:
    """Content that may be the JSON text of parts. A text that merely looks like JSON stays as the user wrote it."""
    if type(value) is str and value[:1] == "[":
        parts = _structure_or_text(value)
        if type(parts) is list and parts and all(_is_part(part) for part in parts):
            return parts
    return value


def _is_part(part: Any) -> bool:
    # A type and at most one value, as instrumentations write parts: nothing that a user wrote can hide beside them.
    kind = part.get("type") if type(part) is dict and len(part) <= 2 else None
    return type(kind) is str and kind in SHOWN_PART_TYPES


def _instructions(value: Any) -> Any:
    structured = _structure_or_text(value)
    return structured if type(structured) in (list, dict) else value
