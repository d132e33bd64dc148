"""Which letters are in the dead-letter topic already, though the message they are about isn't acknowledged yet.

A worker that is killed, or loses a partition, between writing a letter and committing its message's offset leaves both to
the next owner. That one looks back in the dead-letter topic before it writes its first letter, and writes none twice. A
frozen worker that wakes up and writes on is not held back by this: nothing but a transaction could.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from monitor.ports import Headers, LetterBox
from schemas import topics
from workers.batch import Batch

LOOK_BACK: Final = 4_000
"""Letters looked at, once a partition has come and has one to write: more than two workers' batches in flight can hold."""

Place = tuple[int, int]
"""Offset of the bad message, and index of the bad exchange in it."""


@dataclass(slots=True)
class _Known:
    assignment: object
    places: set[Place]


@dataclass(frozen=True, slots=True)
class WrittenLetters:
    """Those of one agent's partitions, from the first unacknowledged message on."""

    outbox: LetterBox
    topic: str
    _known: dict[int, _Known] = field(default_factory=dict)

    async def of(self, batch: Batch) -> set[Place]:
        """The places of letters written before, for the batch whose turn it is. Raises Retryable."""
        known = self._known.get(batch.partition)
        if known is None or known.assignment is not batch.assignment:
            # Somebody else may have had the partition meanwhile.
            headers = await self.outbox.last_headers(self.topic, batch.partition, LOOK_BACK)
            known = _Known(batch.assignment, _places(headers, batch.topic, batch.partition))
            self._known[batch.partition] = known
        return known.places

    def forget(self, batch: Batch) -> None:
        """A write may have failed half-way: look again before the next."""
        self._known.pop(batch.partition, None)

    def acknowledged(self, batch: Batch) -> None:
        """Its messages don't come again."""
        known = self._known.get(batch.partition)
        if known is not None and known.places:
            known.places = {place for place in known.places if place[0] >= batch.next_offset}


def _places(letters: Sequence[Headers], topic: str, partition: int) -> set[Place]:
    wanted = (topic.encode(), str(partition).encode())
    places = set()
    for headers in letters:
        ours = dict(headers)
        if (ours.get(topics.HEADER_TOPIC), ours.get(topics.HEADER_PARTITION)) == wanted:
            offset, index = ours.get(topics.HEADER_OFFSET, b""), ours.get(topics.HEADER_INDEX, b"")
            if offset.isdigit() and index.removeprefix(b"-").isdigit():
                places.add((int(offset), int(index)))
    return places
