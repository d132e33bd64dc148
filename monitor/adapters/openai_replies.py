"""What an OpenAI-compatible endpoint answers, read: pure. Nothing of it is believed to be there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from monitor.judging.chat_questions import Token
from monitor.judging.reasons import NotJudged

_LONGEST_WAIT_S: Final = 3_600.0


class Completion(msgspec.Struct, frozen=True):
    """A reply: its text with its tokens where they came along, or why there is none. `model`: "" where it isn't named."""

    model: str = ""
    content: str = ""
    tokens: tuple[Token, ...] = ()
    failure: NotJudged | None = None
    total_tokens: int = 0


class _Usage(msgspec.Struct):
    total_tokens: int = 0


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Logprobs(msgspec.Struct):
    content: tuple[Token, ...] | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Body(msgspec.Struct):
    choices: tuple[_Choice, ...]
    model: str | None = None
    usage: _Usage | None = None


class _Fault(msgspec.Struct):
    code: str | int | None = None
    type: str | None = None


class _FaultBody(msgspec.Struct):
    error: _Fault | None = None
    code: str | int | None = None
    type: str | None = None


def completion_of(content: bytes) -> Completion:
    """The first choice of a successful answer; unread where there is none."""
    try:
        body = msgspec.json.decode(content, type=_Body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Completion(failure=NotJudged.UNREAD)
    used = 0 if body.usage is None else body.usage.total_tokens
    model = body.model or ""
    if not body.choices:
        return Completion(model, failure=NotJudged.UNREAD, total_tokens=used)
    choice = body.choices[0]
    if choice.message.refusal or choice.finish_reason == "content_filter":
        return Completion(model, failure=NotJudged.DECLINED, total_tokens=used)
    tokens = () if choice.logprobs is None else choice.logprobs.content or ()
    return Completion(model, choice.message.content or "", tokens, total_tokens=used)


def fault_of(status: int, content: bytes) -> tuple[str, NotJudged]:
    """The code of a refused request, and what that says of the exchange. The message isn't read: it may quote the texts."""
    try:
        body = msgspec.json.decode(content, type=_FaultBody)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        body = _FaultBody()
    fault = body.error or body
    code = str(fault.code or fault.type or "")
    code = code if code.replace("_", "").isalnum() and len(code) <= 60 else ""
    if status == 413 or code in ("context_length_exceeded", "string_above_max_length"):
        return code, NotJudged.TOO_LONG
    if code in ("content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"):
        return code, NotJudged.DECLINED
    return code, NotJudged.FAILED


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The wait that a server asks for, in seconds (a number, or a date against the server's own); None: it asks for none."""
    given = headers.get("retry-after", "")
    try:
        wait = float(given)
    except ValueError:
        try:
            wait = (
                parsedate_to_datetime(given) - parsedate_to_datetime(headers.get("date", ""))
            ).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(wait, 0.0), _LONGEST_WAIT_S) if math.isfinite(wait) else None
