"""Where an agent's bad messages go: whole, to <topic>.dlq, and not without limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from monitor.dead_lettering import WHOLE_MESSAGE, DeadLetterLimit, Origin, dead_letter
from monitor.ports import Clock, LetterBox
from monitor.settings import DeadLetterSettings
from workers.batch import Batch, Message
from workers.written_letters import WrittenLetters

LOG_APPEND_TIME: Final = 1


def arrival(message: Message, taken_at: datetime) -> datetime:
    """The broker's append time where it stamps one; a producer's own clock can't say when something arrived."""
    if message.timestamp_type == LOG_APPEND_TIME:
        return datetime.fromtimestamp(message.timestamp / 1000, UTC)
    return taken_at


@dataclass(frozen=True, slots=True)
class Letter:
    """A bad message, or with `index` a bad exchange of one."""

    message: Message
    reason: str
    detail: str = ""
    index: int = WHOLE_MESSAGE


@dataclass(frozen=True)
class DeadLetters:
    """One agent's dead letters. `write` before the batch's good messages are written, `record` once all are."""

    outbox: LetterBox
    topic: str
    settings: DeadLetterSettings
    version: str
    clock: Clock
    _limits: dict[int, DeadLetterLimit] = field(default_factory=dict)
    _written: WrittenLetters = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_written", WrittenLetters(self.outbox, self.topic))

    async def write(self, batch: Batch, letters: Sequence[Letter], is_bad: Sequence[bool]) -> dict[str, int]:
        """Produce the letters that aren't written yet, and count all by reason. `is_bad` tells for each message of the batch whether none of it
        was usable. Raises Misconfigured, and writes none, where they are too many; Retryable."""
        reasons = Counter(letter.reason for letter in letters)
        if letters:
            self._limit(batch).check(
                is_bad,
                place=f"{batch.topic}/{batch.partition}",
                reasons=", ".join(f"{reason}: {count}" for reason, count in reasons.most_common(5)),
            )
            await self._publish(batch, letters)
        return dict(reasons)

    def record(self, batch: Batch, is_bad: Sequence[bool]) -> None:
        """Remember a batch that is durable, for the limit. One that was abandoned comes again, and counts then."""
        if not batch.is_abandoned:
            self._limit(batch).record(is_bad)
            self._written.acknowledged(batch)

    async def _publish(self, batch: Batch, letters: Sequence[Letter]) -> None:
        written = await self._written.of(batch)
        fresh = {
            (letter.message.offset, letter.index): dead_letter(
                self._origin(batch, letter.message),
                reason=letter.reason,
                detail=letter.detail,
                version=self.version,
                index=letter.index,
            )
            for letter in letters
            if (letter.message.offset, letter.index) not in written
        }
        try:
            await self.outbox.publish(self.topic, batch.partition, list(fresh.values()))
        except BaseException:
            self._written.forget(batch)
            raise
        written.update(fresh)

    def _limit(self, batch: Batch) -> DeadLetterLimit:
        return self._limits.setdefault(batch.partition, DeadLetterLimit(self.settings))

    def _origin(self, batch: Batch, message: Message) -> Origin:
        return Origin(
            batch.topic,
            batch.partition,
            message.offset,
            message.key,
            message.value,
            message.headers,
            arrival(message, self.clock.now()),
        )
