"""The messages of a run in the order in which they are sent: exchanges, repeats, bad ones. Pure, seeded."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from heapq import heappop, heappush
from typing import Final

from benchmarks.chaos.exchanges import exchanges
from benchmarks.chaos.packing import MOST_TOGETHER, PARTITIONS, Message, exported, spoilt, written
from monitor.demo.traffic import Family, Planned

REPEAT_SHARE: Final = 0.02
BAD_SHARE: Final = 0.008
"""Messages of which nothing can be used; with those of which a part can't, one in a hundred is bad."""
REPEAT_WITHIN: Final = 5_000
"""Messages that may lie between a message and its repeat."""
ELSEWHERE_SHARE: Final = 0.5
"""Of the repeats, those that go to a partition drawn anew."""


def messages(seed: int, count: int) -> Iterator[Message]:
    """The messages that hold `count` exchanges and a few more (several answers to one request, lists)."""
    dice = random.Random(f"{seed} messages")
    repeats: list[tuple[int, int, Message]] = []
    for place, message in enumerate(_once(seed, count, dice)):
        while repeats and repeats[0][0] <= place:
            yield heappop(repeats)[2]
        yield message
        has_ids = all(asked.event_id for asked in message.asked)
        if message.asked and has_ids and dice.random() < REPEAT_SHARE:
            heappush(repeats, (place + dice.randint(1, REPEAT_WITHIN), place, _again(message, dice)))
    while repeats:
        yield heappop(repeats)[2]


def _again(message: Message, dice: random.Random) -> Message:
    partition = dice.randrange(PARTITIONS) if dice.random() < ELSEWHERE_SHARE else message.partition
    return replace(message, partition=partition, is_repeat=True)


def _once(seed: int, count: int, dice: random.Random) -> Iterator[Message]:
    exports: dict[tuple[str, Family], list[Planned]] = {}
    for one in exchanges(seed, count):
        if dice.random() < BAD_SHARE:
            yield spoilt(one, dice)
        if one.family not in ("otlp_json", "otlp_protobuf"):
            yield written(one, dice)
            continue
        key = (one.route.tenant, one.family)
        exports.setdefault(key, []).append(one)
        if len(exports[key]) >= dice.randint(1, MOST_TOGETHER):
            yield exported(exports.pop(key), dice)
    for several in exports.values():
        yield exported(several, dice)
