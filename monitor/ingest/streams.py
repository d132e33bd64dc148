"""A streamed answer, logged as its chunks, put together again."""

from __future__ import annotations

from typing import Any

from monitor.errors import Rejected
from monitor.ingest.outcomes import MAX_PARTS
from monitor.ingest.reasons import Reason, wrong_type


class _Choice:
    """What the chunks said of one choice so far."""

    __slots__ = ("calls", "content", "finish_reason", "has_function_call", "refusal")

    def __init__(self) -> None:
        self.content: list[str] = []
        self.refusal: list[str] = []
        self.calls: set[int] = set()
        self.has_function_call = False
        self.finish_reason: str | None = None

    def take(self, delta: dict[str, Any], path: str) -> None:
        for key, pieces in (("content", self.content), ("refusal", self.refusal)):
            piece = delta.get(key)
            if type(piece) is str:
                pieces.append(piece)
            elif piece is not None:
                raise wrong_type(f"{path}.{key}", "a string", piece)
        calls = delta.get("tool_calls")
        if type(calls) is list:
            for place, call in enumerate(calls):
                index = call.get("index") if type(call) is dict else None
                self.calls.add(index if type(index) is int else place)
        elif calls is not None:
            raise wrong_type(f"{path}.tool_calls", "a list", calls)
        if delta.get("function_call") is not None:
            self.has_function_call = True

    def whole(self) -> dict[str, Any]:
        message: dict[str, Any] = {"content": "".join(self.content) if self.content else None}
        if self.refusal:
            message["refusal"] = "".join(self.refusal)
        if self.calls:
            message["tool_calls"] = [None] * len(self.calls)
        elif self.has_function_call:
            message["function_call"] = {}
        return {"message": message, "finish_reason": self.finish_reason}


def is_chunk(doc: Any) -> bool:
    """True for one `chat.completion.chunk` object."""
    return type(doc) is dict and doc.get("object") == "chat.completion.chunk"


def merge(chunks: list[Any], path: str) -> dict[str, Any]:
    """One response out of the chunks of a stream, in the order logged. "[DONE]" is skipped. Raises Rejected."""
    if not chunks:
        return {"choices": []}
    choices: dict[int, _Choice] = {}
    merged: dict[str, Any] = {}
    for number, chunk in enumerate(chunks):
        if chunk == "[DONE]":
            continue
        if type(chunk) is not dict:
            raise wrong_type(f"{path}[{number}]", "a chunk object", chunk)
        for key in ("id", "model", "created", "error"):
            if chunk.get(key) and key not in merged:
                merged[key] = chunk[key]
        parts = chunk.get("choices")
        if parts is None:
            continue
        if type(parts) is not list:
            raise wrong_type(f"{path}[{number}].choices", "a list", parts)
        for place, part in enumerate(parts):
            where = f"{path}[{number}].choices[{place}]"
            if type(part) is not dict:
                raise wrong_type(where, "an object", part)
            index = part.get("index")
            choice = choices.setdefault(index if type(index) is int else place, _Choice())
            if len(choices) > MAX_PARTS:
                raise Rejected(Reason.TOO_MANY, f"{path}: more than {MAX_PARTS} choices")
            delta = part.get("delta")
            if type(delta) is dict:
                choice.take(delta, f"{where}.delta")
            elif delta is not None:
                raise wrong_type(f"{where}.delta", "an object", delta)
            reason = part.get("finish_reason")
            if type(reason) is str:
                choice.finish_reason = reason
    merged["choices"] = [choices[index].whole() for index in sorted(choices)]
    return merged
