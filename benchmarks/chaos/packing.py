"""One Kafka message of one or several exchanges, in every accepted format, and what is to become of it. Pure.

What a message holds is said here from how it was written, never by reading it back.
"""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from benchmarks.chaos import damage
from monitor.demo import rendering
from monitor.demo.traffic import Family, Planned
from schemas.events import ChatFormat

PARTITIONS: Final = 4
HALF_BAD_SHARE: Final = 0.02
"""Of the messages with several exchanges, those of which one is bad."""
WITHOUT_ID_SHARE: Final = 0.05
ENVELOPE_SHARE: Final = 0.1
CHOICES_SHARE: Final = 0.08
LIST_SHARE: Final = 0.15
MOST_TOGETHER: Final = 5
_FORMATS: Final[dict[Family, ChatFormat]] = {
    "openai": "openai",
    "litellm": "litellm",
    "watchkeeper": "watchkeeper",
    "otel_span": "otel",
    "otlp_json": "otel",
    "otlp_protobuf": "otel",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """An exchange in a message. `event_id` is "" where the source names none: then its place does."""

    index: int
    event_id: str
    format: ChatFormat
    tenant: str
    model: str
    occurred_at: datetime
    prompt: str
    response: str | None


@dataclass(frozen=True, slots=True)
class Bad:
    """What is to be dead-lettered: the exchange at `index`, or with -1 the whole message."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Message:
    """A record for chat.logs, and what is to become of it."""

    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    asked: tuple[Asked, ...]
    bad: tuple[Bad, ...]
    not_chat: int
    is_repeat: bool = False


def written(one: Planned, dice: random.Random) -> Message:
    """The message that logs one exchange, or several that belong to it; OTLP goes by `exported`."""
    if one.answer is not None and one.family == "watchkeeper" and dice.random() < LIST_SHARE:
        return _list(one, dice)
    if one.answer is not None and one.family == "openai" and dice.random() < CHOICES_SHARE:
        return _choices(one, dice)
    return _single(one, dice)


def spoilt(one: Planned, dice: random.Random) -> Message:
    """A message of which nothing can be used."""
    value, reason = damage.whole(one, dice)
    return _message(one, value, (), (Bad(-1, reason),))


def _single(one: Planned, dice: random.Random) -> Message:
    if one.family == "otel_span":
        return _message(one, rendering.otel_span(one), (_asked(one, 0),))
    if one.family == "litellm":
        value = rendering.litellm_payload(one)
    elif one.family == "openai":
        value = rendering.openai_record(one)
        if dice.random() < WITHOUT_ID_SHARE:
            return _message(one, _nameless(value), (_asked(one, 0, event_id=""),))
    else:
        value = rendering.own_event(one)
    headers: tuple[tuple[str, bytes], ...] = ()
    if dice.random() < ENVELOPE_SHARE:
        if dice.random() < 0.5:
            value = rendering.cloud_event(value, one)
        else:
            headers = rendering.cloud_event_headers(one)
    return _message(one, value, (_asked(one, 0),), headers=headers)


def exported(several: list[Planned], dice: random.Random) -> Message:
    """An OTLP export of one tenant: several chats, sometimes a span that is no chat, sometimes one without texts."""
    others = 1 if dice.random() < 0.1 else 0
    is_json = several[0].family == "otlp_json"
    value = (rendering.otlp_json if is_json else rendering.otlp_protobuf)(several, others)
    bad: tuple[Bad, ...] = ()
    if is_json and len(several) > 1 and dice.random() < HALF_BAD_SHARE:
        place = dice.randrange(len(several))
        value = damage.without_texts(value, place)
        bad = (Bad(place, "no_content"),)
    wanted = tuple(_asked(one, i) for i, one in enumerate(several) if i not in {b.index for b in bad})
    partition = dice.randrange(PARTITIONS)
    return Message(partition, None, value, (), wanted, bad, others)


def _list(one: Planned, dice: random.Random) -> Message:
    """A list of our own events that ask the same in turn; one of them may be bad."""
    parts = [_part(one, place) for place in range(dice.randint(2, MOST_TOGETHER))]
    documents = [rendering.own_event(part) for part in parts]
    bad: tuple[Bad, ...] = ()
    if dice.random() < HALF_BAD_SHARE:
        place = dice.randrange(len(parts))
        documents[place] = damage.with_unknown_field(documents[place])
        bad = (Bad(place, "unknown_field"),)
    value = b"[" + b",".join(documents) + b"]"
    wanted = tuple(_asked(part, i) for i, part in enumerate(parts) if i not in {b.index for b in bad})
    return _message(one, value, wanted, bad)


def _choices(one: Planned, dice: random.Random) -> Message:
    """A request with several answers, each an exchange; one of them may be bad."""
    record: dict[str, Any] = orjson.loads(rendering.openai_record(one))
    (first,) = record["response"]["choices"]
    count = dice.randint(2, 3)
    parts = [_part(one, place) for place in range(count)]
    record["response"]["choices"] = [
        {
            "index": place,
            "finish_reason": first["finish_reason"],
            "message": {"role": "assistant", "content": part.answer},
        }
        for place, part in enumerate(parts)
    ]
    bad: tuple[Bad, ...] = ()
    if dice.random() < HALF_BAD_SHARE:
        place = dice.randrange(count)
        record["response"]["choices"][place]["message"]["content"] = 12
        bad = (Bad(place, "wrong_type"),)
    name = _event_id(one)
    wanted = tuple(
        Asked(
            i,
            f"{name}-{i}",
            "openai",
            one.route.tenant,
            one.route.model,
            one.at,
            one.entry.prompt,
            part.answer,
        )
        for i, part in enumerate(parts)
        if i not in {b.index for b in bad}
    )
    return _message(one, orjson.dumps(record), wanted, bad)


def _part(one: Planned, place: int) -> Planned:
    """The same exchange with an id and an answer of its own."""
    token = f"{place:02x}{one.token[2:]}"
    answer = None if one.answer is None else f"{one.answer} ({place})"
    return Planned(
        one.number, one.at, one.route, one.entry, one.outcome, answer, one.family, token, one.conversation_id
    )


def _asked(one: Planned, index: int, *, event_id: str | None = None) -> Asked:
    """What a message that holds this exchange at `index` asks for."""
    return Asked(
        index,
        _event_id(one) if event_id is None else event_id,
        _FORMATS[one.family],
        one.route.tenant,
        one.route.model,
        one.at,
        one.entry.prompt,
        one.answer,
    )


def _event_id(one: Planned) -> str:
    token = one.token
    if one.family == "openai":
        return f"chatcmpl-{token[:24]}"
    if one.family == "litellm":
        return f"{token[:8]}-{token[8:12]}-{token[12:16]}-{token[16:20]}-{token[20:]}"
    return f"evt-{token}" if one.family == "watchkeeper" else f"{token}-{token[:16]}"


def _nameless(value: bytes) -> bytes:
    record: dict[str, Any] = orjson.loads(value)
    del record["id"], record["response"]["id"]
    return orjson.dumps(record)


def _message(
    one: Planned,
    value: bytes | None,
    wanted: tuple[Asked, ...],
    bad: tuple[Bad, ...] = (),
    headers: tuple[tuple[str, bytes], ...] = (),
) -> Message:
    key = one.conversation_id.encode()
    return Message(zlib.crc32(key) % PARTITIONS, key, value, headers, wanted, bad, 0)
