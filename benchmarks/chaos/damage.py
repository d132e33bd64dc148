"""What goes wrong with chat logs, and the reason that each is to be refused with."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

import orjson

from monitor.demo import rendering
from monitor.demo.traffic import Planned


def whole(one: Planned, dice: random.Random) -> tuple[bytes | None, str]:
    """A message of which nothing can be used, and why."""
    damage, reason = dice.choice(_WHOLE)
    return damage(one), reason


def without_texts(otlp: bytes, place: int) -> bytes:
    """The export, its span at `place` without any messages: content capture was off."""
    payload: dict[str, Any] = orjson.loads(otlp)
    span = payload["resourceSpans"][0]["scopeSpans"][0]["spans"][place]
    span["attributes"] = [a for a in span["attributes"] if not a["key"].endswith(".messages")]
    return orjson.dumps(payload)


def with_unknown_field(own: bytes) -> bytes:
    """The event with a field that its definition lacks."""
    return orjson.dumps({**orjson.loads(own), "prompt_tokens": 12})


def _cut(one: Planned) -> bytes:
    # As text: half a character would be no UTF-8, which is another reason.
    record = rendering.openai_record(one).decode()
    return record[: len(record) // 2].encode()


def _utf16(one: Planned) -> bytes:
    return rendering.openai_record(one).decode().encode("utf-16")


def _foreign(one: Planned) -> bytes:
    return orjson.dumps({"level": "info", "msg": "health check passed", "span": one.token})


def _newer(one: Planned) -> bytes:
    return rendering.own_event(one).replace(b"watchkeeper.chat/1", b"watchkeeper.chat/9")


def _number(one: Planned) -> bytes:
    return str(int(one.token[:12], 16)).encode()


def _without_messages(one: Planned) -> bytes:
    return orjson.dumps({"id": one.token, "request": {"temperature": 0.2}, "response": None})


def _without_user(one: Planned) -> bytes:
    record: dict[str, Any] = orjson.loads(rendering.openai_record(one))
    record["request"]["messages"] = [{"role": "system", "content": one.token}]
    return orjson.dumps(record)


_WHOLE: Final[tuple[tuple[Callable[[Planned], bytes | None], str], ...]] = (
    (_cut, "not_json"),
    (_utf16, "not_utf8"),
    (_foreign, "unknown_format"),
    (_newer, "unknown_version"),
    (_number, "not_an_object"),
    (_without_messages, "missing_field"),
    (_without_user, "no_user_turn"),
    (lambda _: b"", "empty"),
    (lambda _: None, "tombstone"),
)
