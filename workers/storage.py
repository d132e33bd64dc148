"""The storage agent: verdicts in, rows out; and the same for judgements."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import structlog

from monitor.errors import Rejected
from monitor.judging.rows import judgement_row
from monitor.ledger import Ledger
from monitor.metrics import Metric, Metrics
from monitor.ports import RowStore
from schemas.events import Verdict
from workers.batch import Batch, Message
from workers.dead_letters import DeadLetters, Letter

log = structlog.get_logger("watchkeeper.storage")

TOMBSTONE: Final = "tombstone"
NOT_A_VERDICT: Final = "not_a_verdict"
NOT_A_JUDGEMENT: Final = "not_a_judgement"
REFUSED_BY_STORE: Final = "refused_by_store"


@dataclass(frozen=True, slots=True)
class Kind:
    """What is stored: `row` makes a record's row, or raises msgspec.MsgspecError, and `unreadable` is the reason then."""

    role: str
    row: Callable[[bytes], bytes]
    unreadable: str
    stored: Metric


def verdict_row(value: bytes) -> bytes:
    """Validated but not rebuilt: the bytes on Kafka are the row."""
    Verdict.from_bytes(value)
    return value


VERDICTS: Final = Kind("storage", verdict_row, NOT_A_VERDICT, Metric.VERDICTS_STORED)
JUDGEMENTS: Final = Kind("judgements", judgement_row, NOT_A_JUDGEMENT, Metric.JUDGEMENTS_STORED)


@dataclass(frozen=True)
class Storage:
    """Writes records as rows, once per event id: the store takes the same row twice without counting it twice."""

    store: RowStore
    dead_letters: DeadLetters
    metrics: Metrics = field(default_factory=Metrics)
    kind: Kind = VERDICTS

    async def consume(self, batches: AsyncIterable[Batch]) -> None:
        """Take a batch, handle it, say that it is durable."""
        async for batch in batches:
            await batch.settle(self.handle)

    async def handle(self, batch: Batch) -> Ledger:
        """Validate, insert, dead-letter what can't be a row. Raises Retryable, Misconfigured, Abandoned."""
        started_s = time.perf_counter()
        good: list[tuple[Message, bytes]] = []
        letters: list[Letter] = []
        row = self.kind.row
        for message in batch.messages:
            if message.value is None:
                letters.append(Letter(message, TOMBSTONE))
                continue
            try:
                good.append((message, row(message.value)))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
                # Its class alone: the message could quote the value.
                letters.append(Letter(message, self.kind.unreadable, type(exc).__name__))
        decoded_s = time.perf_counter()

        await batch.turn()
        letters += await self._insert(good)
        letters.sort(key=lambda letter: letter.message.offset)
        bad_offsets = {letter.message.offset for letter in letters}
        is_bad = [message.offset in bad_offsets for message in batch.messages]
        reasons = await self.dead_letters.write(batch, letters, is_bad)
        self.dead_letters.record(batch, is_bad)
        rows = len(batch.messages) - len(letters)
        self.metrics.count(self.kind.stored, rows)
        for reason, count in reasons.items():
            self.metrics.count(Metric.DEAD_LETTERS, count, role=self.kind.role, reason=reason)
        log.info(
            "batch stored",
            topic=batch.topic,
            partition=batch.partition,
            first_offset=batch.messages[0].offset,
            messages=len(batch.messages),
            bytes=batch.size_bytes,
            rows=rows,
            dead=reasons,
            decode_ms=round(1000 * (decoded_s - started_s), 1),
            write_ms=round(1000 * (time.perf_counter() - decoded_s), 1),
            attempts=batch.attempts + 1,
        )
        return Ledger(0, messages=len(batch.messages), exchanges=rows, dead_messages=len(letters))

    async def _insert(self, rows: Sequence[tuple[Message, bytes]]) -> list[Letter]:
        """Insert all that the store takes; halve what it refuses until the bad rows stand alone."""
        if not rows:
            return []
        try:
            await self.store.insert([value for _, value in rows])
        except Rejected as exc:
            if len(rows) == 1:
                return [Letter(rows[0][0], REFUSED_BY_STORE, exc.detail)]
            middle = len(rows) // 2
            return await self._insert(rows[:middle]) + await self._insert(rows[middle:])
        return []
