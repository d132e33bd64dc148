"""Conversations to the judged exchange: what is the prompt, what is context, what is the answer.

The multi-turn rule (docs/formats.md). The prompt is the last user turn: the last message with role user and those
right before it with the same role, joined by a newline. All other messages, before and after it (tool calls and
tool results), are context in their order; of more than the limit the oldest are dropped.
"""

from __future__ import annotations

from typing import Any, Final

from monitor.errors import Rejected
from monitor.ingest.outcomes import Reply
from monitor.ingest.reasons import Reason, missing, wrong_type
from schemas.events import Turn

UNKNOWN_ROLE: Final = "unknown"
_ROLES: Final = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "model": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
}

_ITEM_ROLES: Final = {"function_call": "assistant", "reasoning": "assistant", "function_call_output": "tool"}

# What OpenAI and Azure, Gemini, and Bedrock's guardrails call a stop by the provider's filter.
FILTER_REASONS: Final = frozenset(
    {
        "content_filter",
        "content_filtered",
        "content-filter",
        "safety",
        "prohibited_content",
        "blocklist",
        "spii",
        "guardrail_intervened",
    }
)
REFUSAL_REASONS: Final = frozenset({"refusal"})

_TEXT: Final = frozenset({"text", "input_text", "output_text", "summary_text"})
_CALLS: Final = frozenset({"tool_call", "tool_use", "function_call", "server_tool_call", "server_tool_use"})
_RESULTS: Final = frozenset({"tool_call_response", "tool_result", "function_call_output"})
# A model's thinking is not its answer: the user doesn't see it.
_THOUGHTS: Final = frozenset({"reasoning", "thinking", "redacted_thinking"})
_MEDIA: Final = {
    "image": "[image]",
    "image_url": "[image]",
    "image-url": "[image]",
    "input_image": "[image]",
    "audio": "[audio]",
    "audio_url": "[audio]",
    "audio-url": "[audio]",
    "input_audio": "[audio]",
    "output_audio": "[audio]",
    "video": "[video]",
    "video_url": "[video]",
    "video-url": "[video]",
    "input_video": "[video]",
    "file": "[file]",
    "input_file": "[file]",
    "document": "[file]",
    "document-url": "[file]",
}
_MODALITIES: Final = {"image": "[image]", "audio": "[audio]", "video": "[video]"}
_OTHER: Final = "[other]"
SHOWN_PART_TYPES: Final = _TEXT | _MEDIA.keys()
"""Parts that a user sends: text and media."""
_EXPECTED: Final = "a string or a list of parts"


def split(messages: Any, path: str, max_context_turns: int) -> tuple[str, tuple[Turn, ...]]:
    """The prompt and its context. `messages` is what the source holds at `path`. Raises Rejected."""
    if type(messages) is not list:
        if type(messages) is str:
            return messages, ()
        raise (
            missing(path, "a list of messages") if messages is None else wrong_type(path, "a list", messages)
        )
    if len(messages) == 1 and type(messages[0]) is dict and messages[0].get("role") == "user":
        content = messages[0].get("content")
        if type(content) is str:
            return content, ()
    last = len(messages) - 1
    while last >= 0 and _role(messages[last], path, last) != "user":
        last -= 1
    if last < 0:
        raise Rejected(Reason.NO_USER_TURN, f"{path}: no message has role user")
    first = last
    while first > 0 and _role(messages[first - 1], path, first - 1) == "user":
        first -= 1
    prompt = "\n".join(_user_text(messages[place], f"{path}[{place}]") for place in range(first, last + 1))
    wanted = [*range(first), *range(last + 1, len(messages))]
    kept = wanted[-max_context_turns:] if max_context_turns > 0 else []
    context = tuple(
        Turn(_role(messages[place], path, place), text_of(messages[place], f"{path}[{place}]"))
        for place in kept
    )
    return prompt, context


def ends_with_answer(messages: Any) -> bool:
    """True where a list of messages ends with one from the assistant, after others."""
    if type(messages) is not list or len(messages) < 2 or type(messages[-1]) is not dict:
        return False
    role = messages[-1].get("role")
    return type(role) is str and _ROLES.get(role.lower()) == "assistant"


def count_call_items(item: dict[str, Any]) -> int:
    """1 for an item of the Responses API that is a tool call, else 0."""
    kind = item.get("type")
    return 1 if type(kind) is str and kind.endswith("_call") else 0


def text_of(message: dict[str, Any], path: str) -> str:
    """A message's text; "" where it has none (an assistant's tool calls, say)."""
    content = message.get("content")
    if content is None:
        content = message.get("parts", message.get("output"))
    if type(content) is str:
        return content
    text, _, _ = render(content, f"{path}.content")
    return text


def read_reply(message: Any, finish_reason: Any, path: str) -> Reply:
    """The answer in an assistant message (OpenAI's or OpenTelemetry's shape). Raises Rejected."""
    if type(message) is not dict:
        raise wrong_type(path, "an object", message)
    content = message.get("content")
    if content is None:
        content = message.get("parts")
    calls = 0
    refused = False
    if content is None:
        text = None
    elif type(content) is str:
        text = content
    else:
        text, calls, refused = render(content, f"{path}.content")
    refusal = message.get("refusal")
    if refusal is not None:
        if type(refusal) is not str:
            raise wrong_type(f"{path}.refusal", "a string", refusal)
        if refusal:
            refused = True
            text = f"{text}\n{refusal}" if text else refusal
    calls += _count_calls(message, path)
    if type(finish_reason) is str:
        if finish_reason in REFUSAL_REASONS:
            refused = True
        elif finish_reason.lower() in FILTER_REASONS:
            return Reply(text or None, refused, content_filtered=True, tool_calls=calls)
    if text is None:
        text = _spoken(message)
    return Reply(text, refused, tool_calls=calls)


def render(content: Any, path: str) -> tuple[str, int, bool]:
    """The text of a list of parts, its tool calls, and whether a part says that it is a refusal.

    Texts are joined by a newline. What is no text is named where it stands: [image], [audio], [video], [file],
    [other]. Tool calls are counted, thinking is left out. Raises Rejected.
    """
    if content is None:
        return "", 0, False
    if type(content) is str:
        return content, 0, False
    parts = [content] if type(content) is dict else content
    if type(parts) is not list:
        raise wrong_type(path, _EXPECTED, content)
    pieces: list[str] = []
    calls = 0
    refused = False
    for place, part in enumerate(parts):
        if type(part) is str:
            pieces.append(part)
            continue
        if type(part) is not dict:
            raise wrong_type(f"{path}[{place}]", "a string or an object", part)
        kind = part.get("type")
        if kind is None:
            kind = "text" if "text" in part or "content" in part else ""
        elif type(kind) is not str:
            raise wrong_type(f"{path}[{place}].type", "a string", kind)
        if kind in _TEXT:
            pieces.append(_part_text(part, f"{path}[{place}]"))
        elif kind in _CALLS:
            calls += 1
        elif kind in _RESULTS:
            pieces.append(_result_text(part))
        elif kind in _THOUGHTS:
            continue
        elif kind == "refusal":
            refused = True
            pieces.append(_part_text(part, f"{path}[{place}]"))
        else:
            pieces.append(_modality(part) or _MEDIA.get(kind, _OTHER))
    return "\n".join(pieces), calls, refused


def _role(message: Any, path: str, place: int) -> str:
    if type(message) is not dict:
        raise wrong_type(f"{path}[{place}]", "an object", message)
    role = message.get("role")
    if type(role) is not str:
        if role is None:
            kind = message.get("type")  # the Responses API lists tool calls and their results without a role
            if type(kind) is str and kind in _ITEM_ROLES:
                return _ITEM_ROLES[kind]
            raise missing(f"{path}[{place}].role", "a string")
        raise wrong_type(f"{path}[{place}].role", "a string", role)
    known = _ROLES.get(role)
    if known is None:
        known = _ROLES.get(role.lower(), UNKNOWN_ROLE)
    return "tool" if known == "user" and _holds_only_results(message) else known


def _holds_only_results(message: dict[str, Any]) -> bool:
    """True for the user message in which Anthropic's format hands back tool results: no user said that."""
    parts = message.get("content")
    if parts is None:
        parts = message.get("parts")
    if type(parts) is not list or not parts:
        return False
    kinds = [part.get("type") if type(part) is dict else None for part in parts]
    return all(type(kind) is str and kind in _RESULTS for kind in kinds)


def _user_text(message: dict[str, Any], path: str) -> str:
    content = message.get("content")
    if content is None:
        content = message.get("parts")
        if content is None:
            raise missing(f"{path}.content", _EXPECTED)
    if type(content) is str:
        return content
    text, _, _ = render(content, f"{path}.content")
    return text


def _part_text(part: dict[str, Any], path: str) -> str:
    for key in ("text", "content", "refusal"):
        value = part.get(key)
        if type(value) is dict:  # {"text": {"value": …, "annotations": …}}
            value = value.get("value")
        if type(value) is str:
            return value
        if value is not None:
            raise wrong_type(f"{path}.{key}", "a string", value)
    raise missing(f"{path}.text", "a string")


def _result_text(part: dict[str, Any]) -> str:
    for key in ("response", "result", "content", "output"):
        value = part.get(key)
        if type(value) is str:
            return value
        if type(value) is list:
            try:
                return render(value, key)[0]
            except Rejected:
                break  # a tool's own structure: its words are no turn of the conversation
    return "[tool result]"


def _modality(part: dict[str, Any]) -> str | None:
    modality = part.get("modality")
    return _MODALITIES.get(modality) if type(modality) is str else None


def _count_calls(message: dict[str, Any], path: str) -> int:
    calls = message.get("tool_calls")
    if calls is None:
        return 0 if message.get("function_call") is None else 1
    if type(calls) is not list:
        raise wrong_type(f"{path}.tool_calls", "a list", calls)
    return len(calls)


def _spoken(message: dict[str, Any]) -> str:
    """An answer without text: what was said aloud, else an empty answer (tool calls only, say)."""
    audio = message.get("audio")
    transcript = audio.get("transcript") if type(audio) is dict else None
    return transcript if type(transcript) is str else ""
