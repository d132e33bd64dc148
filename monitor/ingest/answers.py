"""The response side of a chat completion: complete, streamed, failed or filtered, to one reply for each choice."""

from __future__ import annotations

from typing import Any, Final

from monitor.errors import Rejected
from monitor.ingest import streams
from monitor.ingest.outcomes import FILTERED, MAX_PARTS, NO_REPLY, Reply
from monitor.ingest.reasons import Reason, missing, wrong_type
from monitor.ingest.turns import FILTER_REASONS, count_call_items, read_reply, render

_FILTER_CODES: Final = frozenset(
    {"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"}
)


def read(response: Any, path: str) -> list[Reply | Rejected]:
    """One reply for each choice, in their order; a bad choice among several is the Rejected in its place.

    No response, a failed call and an empty list of choices are one reply without a text.
    """
    if response is None:
        return [NO_REPLY]
    if type(response) is str:
        return [Reply(response)]
    if type(response) is list:
        response = streams.merge(response, path)
    if type(response) is not dict:
        raise wrong_type(path, "an object, a list of chunks or a string", response)
    if "choices" in response:
        choices = response["choices"]
        if type(choices) is not list:
            if choices is None:
                return [failure(response.get("error"))]
            raise wrong_type(_below(path, "choices"), "a list", choices)
        if len(choices) == 1:
            return [_choice(choices[0], path, 0)]
        return _choices(choices, path) if choices else [failure(response.get("error"))]
    return [_without_choices(response, path)]


def failure(error: Any) -> Reply:
    """A call without an answer: filtered where the error says so."""
    if type(error) is dict:
        inner = error.get("innererror")
        codes = (error.get("code"), error.get("type"), inner.get("code") if type(inner) is dict else None)
        if any(type(code) is str and code in _FILTER_CODES for code in codes):
            return FILTERED
    return NO_REPLY


def _choices(choices: list[Any], path: str) -> list[Reply | Rejected]:
    if len(choices) > MAX_PARTS:
        raise Rejected(Reason.TOO_MANY, f"{_below(path, 'choices')}: more than {MAX_PARTS}")
    replies: list[Reply | Rejected] = []
    for place, choice in enumerate(choices):
        try:
            replies.append(_choice(choice, path, place))
        except Rejected as fault:
            replies.append(fault)
    return replies


def _choice(choice: Any, path: str, place: int) -> Reply:
    if type(choice) is not dict:
        raise wrong_type(f"{_below(path, 'choices')}[{place}]", "an object", choice)
    finish_reason = choice.get("finish_reason")
    message = choice.get("message")
    if type(message) is dict:
        # The common answer, without the general case's bookkeeping.
        text = message.get("content")
        if (
            type(text) is str
            and finish_reason == "stop"
            and message.get("refusal") is None
            and "tool_calls" not in message
            and "function_call" not in message
        ):
            return Reply(text)
        return read_reply(message, finish_reason, f"{_below(path, 'choices')}[{place}].message")
    if message is not None:
        raise wrong_type(f"{_below(path, 'choices')}[{place}].message", "an object", message)
    text = choice.get("text")
    if type(text) is str:
        return read_reply({"content": text}, finish_reason, path)
    if type(choice.get("delta")) is dict:
        return read_reply(choice["delta"], finish_reason, f"{_below(path, 'choices')}[{place}].delta")
    if type(finish_reason) is str and finish_reason.lower() in FILTER_REASONS:
        return FILTERED
    raise missing(f"{_below(path, 'choices')}[{place}].message", "an object")


def _without_choices(response: dict[str, Any], path: str) -> Reply:
    message = response.get("message")
    if type(message) is dict:
        return read_reply(message, response.get("finish_reason"), _below(path, "message"))
    output = response.get("output")
    if type(output) is list:
        return _output_items(output, response, _below(path, "output"))
    if "content" in response or "parts" in response or "refusal" in response or "tool_calls" in response:
        finish_reason = response.get("finish_reason", response.get("stop_reason"))
        return read_reply(response, finish_reason, path)
    if response.get("error") is not None or not response:
        return failure(response.get("error"))
    raise missing(_below(path, "choices"), "a list")


def _output_items(items: list[Any], response: dict[str, Any], path: str) -> Reply:
    """The Responses API: messages and tool calls side by side in one list."""
    texts: list[str] = []
    calls = 0
    refused = False
    for place, item in enumerate(items):
        if type(item) is not dict:
            raise wrong_type(f"{path}[{place}]", "an object", item)
        if "content" in item and item.get("type") in (None, "message"):
            text, inner, refusal = render(item["content"], f"{path}[{place}].content")
            texts.append(text)
            calls += inner
            refused = refused or refusal
        else:
            calls += count_call_items(item)
    text = "\n".join(texts)
    details = response.get("incomplete_details")
    reason = details.get("reason") if type(details) is dict else None
    if type(reason) is str and reason.lower() in FILTER_REASONS:
        return Reply(text or None, refused, content_filtered=True, tool_calls=calls)
    if not items and response.get("error") is not None:
        return failure(response["error"])
    return Reply(text, refused, tool_calls=calls)


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
