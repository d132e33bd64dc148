"""The day as Kafka messages: exchanges in their formats, with what real traffic has besides: repeats and bad ones."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Final, Literal

from monitor.demo import rendering
from monitor.demo.traffic import Day, Planned

Kind = Literal["chat", "repeat", "bad"]

REPEAT_SHARE: Final = 0.005
BAD_SHARE: Final = 0.001
ENVELOPE_SHARE: Final = 0.03
EXPORT_WITHIN: Final = timedelta(minutes=2)
"""A Collector's batch closes at this age, or at `EXPORT_SPANS`."""
EXPORT_SPANS: Final = 4


@dataclass(frozen=True, slots=True)
class Message:
    """A record of chat.logs. `at`: the event time of its (last) exchange. `exchanges` and `not_chat`: what is in it."""

    at: datetime
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    kind: Kind
    exchanges: int
    not_chat: int


def messages(day: Day) -> Iterator[Message]:
    """The messages of the day in the order of their event times, a repeat up to ten minutes after its first."""
    dice = random.Random(f"{day.seed} messages")
    repeats: list[tuple[datetime, int, Message]] = []
    for number, message in enumerate(_once(day, dice)):
        while repeats and repeats[0][0] <= message.at:
            yield heappop(repeats)[2]
        yield message
        if message.kind == "chat" and dice.random() < REPEAT_SHARE:
            at = message.at + timedelta(seconds=dice.uniform(1, 600))
            again = Message(
                at, message.key, message.value, message.headers, "repeat", message.exchanges, message.not_chat
            )
            heappush(repeats, (at, number, again))
    while repeats:
        yield heappop(repeats)[2]


def _once(day: Day, dice: random.Random) -> Iterator[Message]:
    exports: dict[tuple[str, str], list[Planned]] = {}
    for one in day.planned():
        if dice.random() < BAD_SHARE:
            yield _bad(one, dice)
        if one.family in ("otlp_json", "otlp_protobuf"):
            exports.setdefault((one.route.tenant, one.family), []).append(one)
        else:
            yield _single(one, dice)
        for key, waiting in list(exports.items()):
            if len(waiting) >= EXPORT_SPANS or one.at - waiting[0].at > EXPORT_WITHIN:
                yield _export(exports.pop(key), dice, one.at)
    for waiting in exports.values():
        yield _export(waiting, dice, day.ends_at)


def _single(one: Planned, dice: random.Random) -> Message:
    headers: tuple[tuple[str, bytes], ...] = ()
    if one.family == "litellm":
        value = rendering.litellm_payload(one)
    elif one.family == "otel_span":
        value = rendering.otel_span(one)
    else:
        value = rendering.openai_record(one) if one.family == "openai" else rendering.own_event(one)
        if dice.random() < ENVELOPE_SHARE:
            if dice.random() < 0.5:
                value = rendering.cloud_event(value, one)
            else:
                headers = rendering.cloud_event_headers(one)
    return Message(one.at, one.conversation_id.encode(), value, headers, "chat", 1, 0)


def _export(several: list[Planned], dice: random.Random, at: datetime) -> Message:
    others = 1 if dice.random() < 0.1 else 0
    is_json = several[0].family == "otlp_json"
    value = (rendering.otlp_json if is_json else rendering.otlp_protobuf)(several, others)
    return Message(at, None, value, (), "chat", len(several), others)


def _bad(one: Planned, dice: random.Random) -> Message:
    """What goes wrong in production: a cut message, a foreign one, a missing field, a wrong charset, a new version."""
    record = rendering.openai_record(one)
    value = dice.choice(
        (
            record[: len(record) // 2],
            b'{"level":"info","msg":"health check passed","status":200}',
            b'{"id":"chatcmpl-demo","model":"atlas-mini","request":{"temperature":0.2},"response":null}',
            record[:-2].decode().encode("utf-16"),
            rendering.own_event(one).replace(b"watchkeeper.chat/1", b"watchkeeper.chat/9"),
        )
    )
    return Message(one.at, one.conversation_id.encode(), value, (), "bad", 0, 0)
