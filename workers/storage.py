"""The storage agent: verdicts in, rows out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import structlog

from monitor.dead_lettering import DeadLetterLimit, Origin, dead_letter
from monitor.errors import Rejected
from monitor.ledger import Ledger
from monitor.ports import Clock, Outbox, OutRecord, VerdictStore
from monitor.settings import DeadLetterSettings
from schemas.events import Verdict
from workers.batch import Batch, Message

log = structlog.get_logger("watchkeeper.storage")

TOMBSTONE: Final = "tombstone"
NOT_A_VERDICT: Final = "not_a_verdict"
REFUSED_BY_STORE: Final = "refused_by_store"


@dataclass(frozen=True)
class Storage:
    """Writes verdicts as rows, once per event id: the store takes the same row twice without counting it twice.

    Records are validated but not rebuilt: the bytes on Kafka are the row.
    """

    store: VerdictStore
    outbox: Outbox
    clock: Clock
    dlq_topic: str
    dead_letter_settings: DeadLetterSettings
    version: str
    _limits: dict[int, DeadLetterLimit] = field(default_factory=dict)

    async def consume(self, batches: AsyncIterable[Batch]) -> None:
        """Take a batch, handle it, say that it is durable."""
        async for batch in batches:
            await batch.settle(self.handle)

    async def handle(self, batch: Batch) -> Ledger:
        """Validate, insert, dead-letter what can't be a row. Raises Retryable, Misconfigured, Abandoned."""
        started_s = time.perf_counter()
        good: list[tuple[Message, bytes]] = []
        dead: list[tuple[Message, str, str]] = []
        decode = Verdict.from_bytes
        for message in batch.messages:
            value = message.value
            if value is None:
                dead.append((message, TOMBSTONE, ""))
                continue
            try:
                decode(value)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
                # The message of a msgspec error names the expected type and the path, which a hostile key can't be in:
                # unknown fields are ignored. Only the class is kept all the same.
                dead.append((message, NOT_A_VERDICT, type(exc).__name__))
            else:
                good.append((message, value))
        decoded_s = time.perf_counter()

        await batch.turn()
        refused = await self._insert(good)
        dead += [(message, REFUSED_BY_STORE, detail) for message, detail in refused]
        dead.sort(key=lambda letter: letter[0].offset)
        bad_offsets = {message.offset for message, _, _ in dead}
        is_bad = [message.offset in bad_offsets for message in batch.messages]
        limit = self._limits.setdefault(batch.partition, DeadLetterLimit(self.dead_letter_settings))
        reasons = Counter(reason for _, reason, _ in dead)
        if dead:
            place = f"{batch.topic}/{batch.partition}"
            limit.check(
                is_bad, place=place, reasons=", ".join(f"{r}: {n}" for r, n in reasons.most_common(5))
            )
            await self.outbox.publish(self.dlq_topic, batch.partition, [self._dead(batch, *d) for d in dead])
        limit.record(is_bad)
        log.info(
            "batch stored",
            topic=batch.topic,
            partition=batch.partition,
            first_offset=batch.messages[0].offset,
            messages=len(batch.messages),
            bytes=batch.size_bytes,
            rows=len(batch.messages) - len(dead),
            dead=dict(reasons),
            decode_ms=round(1000 * (decoded_s - started_s), 1),
            write_ms=round(1000 * (time.perf_counter() - decoded_s), 1),
            attempts=batch.attempts + 1,
        )
        return Ledger(
            0,
            messages=len(batch.messages),
            exchanges=len(batch.messages) - len(dead),
            dead_messages=len(dead),
        )

    async def _insert(self, rows: Sequence[tuple[Message, bytes]]) -> list[tuple[Message, str]]:
        """Insert all that the store takes; halve what it refuses until the bad rows stand alone."""
        if not rows:
            return []
        try:
            await self.store.insert([value for _, value in rows])
        except Rejected as exc:
            if len(rows) == 1:
                return [(rows[0][0], exc.reason)]
            middle = len(rows) // 2
            return await self._insert(rows[:middle]) + await self._insert(rows[middle:])
        return []

    def _dead(self, batch: Batch, message: Message, reason: str, detail: str) -> OutRecord:
        origin = Origin(
            batch.topic,
            batch.partition,
            message.offset,
            message.key,
            message.value,
            message.headers,
            message.timestamp,
            self.clock.now(),
        )
        return dead_letter(origin, reason=reason, detail=detail, version=self.version)
