"""The storage agent: verdicts in, rows out; and the same for judgements, alerts, and where dead letters come from."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import structlog

from monitor.errors import Rejected
from monitor.judging.rows import judgement_row
from monitor.ledger import Ledger
from monitor.metrics import Metric, Metrics
from monitor.ports import RowStore
from monitor.recalibration.rows import calibration_row
from monitor.recording import alert_row, dead_letter_row
from schemas.audits import AuditRecord
from schemas.events import Verdict
from workers.batch import Batch, Message
from workers.dead_letters import DeadLetters, Letter

log = structlog.get_logger("watchkeeper.storage")

TOMBSTONE: Final = "tombstone"
NOT_A_VERDICT: Final = "not_a_verdict"
NOT_A_JUDGEMENT: Final = "not_a_judgement"
NOT_AN_ALERT: Final = "not_an_alert"
NOT_AN_AUDIT: Final = "not_an_audit"
NOT_A_DEAD_LETTER: Final = "not_a_dead_letter"
NOT_A_CALIBRATION: Final = "not_a_calibration"
REFUSED_BY_STORE: Final = "refused_by_store"


@dataclass(frozen=True, slots=True)
class Kind:
    """What is stored: `row` makes the row of a message of a batch, or raises msgspec.MsgspecError, and `unreadable` is the
    reason then."""

    role: str
    row: Callable[[Batch, Message], bytes]
    unreadable: str
    stored: Metric


class Tombstone(msgspec.ValidationError):
    """The record has no value."""


class Untrusted(msgspec.ValidationError):
    """The record isn't signed by anyone we know."""


def verdict_row(_: Batch, message: Message) -> bytes:
    """Validated but not rebuilt: the bytes on Kafka are the row."""
    value = _value(message)
    Verdict.from_bytes(value)
    return value


def _judgement_row(_: Batch, message: Message) -> bytes:
    return judgement_row(_value(message))


def _alert_row(batch: Batch, message: Message) -> bytes:
    return alert_row(
        _value(message), partition=batch.partition, offset=message.offset, timestamp_ms=message.timestamp
    )


def _audit_row(_: Batch, message: Message) -> bytes:
    """Validated; its rows are made by who stores them."""
    return AuditRecord.from_bytes(_value(message)).to_bytes()


def _dead_letter_row(batch: Batch, message: Message) -> bytes:
    """Of its headers: the value is what somebody typed, or nothing at all."""
    return dead_letter_row(
        message.headers,
        topic=batch.topic,
        partition=batch.partition,
        offset=message.offset,
        timestamp_ms=message.timestamp,
    )


def calibrations(secrets: Mapping[str, bytes]) -> Kind:
    """Calibrations that are signed with one of these secrets; all others are counted and left out."""

    def row(batch: Batch, message: Message) -> bytes:
        try:
            return calibration_row(
                _value(message),
                secrets,
                partition=batch.partition,
                offset=message.offset,
                timestamp_ms=message.timestamp,
            )
        except Rejected as exc:
            raise Untrusted from exc

    return Kind("calibration_rows", row, NOT_A_CALIBRATION, Metric.CALIBRATIONS_STORED)


def _value(message: Message) -> bytes:
    if message.value is None:
        raise Tombstone
    return message.value


VERDICTS: Final = Kind("storage", verdict_row, NOT_A_VERDICT, Metric.VERDICTS_STORED)
JUDGEMENTS: Final = Kind("judgements", _judgement_row, NOT_A_JUDGEMENT, Metric.JUDGEMENTS_STORED)
ALERTS: Final = Kind("alert_rows", _alert_row, NOT_AN_ALERT, Metric.ALERTS_STORED)
AUDITS: Final = Kind("audit_rows", _audit_row, NOT_AN_AUDIT, Metric.AUDITS_STORED)
DEAD_LETTERS: Final = Kind("dead_letter_rows", _dead_letter_row, NOT_A_DEAD_LETTER, Metric.LETTERS_STORED)


@dataclass(frozen=True)
class Storage:
    """Writes records as rows, once each: the store takes the same row twice without counting it twice.

    `dead_letters` None: what can't be a row is counted, logged and left out; it stays in its topic.
    """

    store: RowStore
    dead_letters: DeadLetters | None
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
            try:
                good.append((message, row(batch, message)))
            except Tombstone:
                letters.append(Letter(message, TOMBSTONE))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
                # Its class alone: the message could quote the value.
                letters.append(Letter(message, self.kind.unreadable, type(exc).__name__))
        decoded_s = time.perf_counter()

        await batch.turn()
        letters += await self._insert(good)
        letters.sort(key=lambda letter: letter.message.offset)
        reasons = await self._give_up(batch, letters)
        rows = len(batch.messages) - len(letters)
        self.metrics.count(self.kind.stored, rows)
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
        dead = 0 if self.dead_letters is None else len(letters)
        return Ledger(0, messages=len(batch.messages), exchanges=rows, dead_messages=dead)

    async def _give_up(self, batch: Batch, letters: Sequence[Letter]) -> dict[str, int]:
        """Dead-letter them, or say that they are left out; counts by reason. Raises as DeadLetters.write."""
        if self.dead_letters is None:
            left_out = Counter(letter.reason for letter in letters)
            for reason, count in left_out.items():
                self.metrics.count(Metric.LEFT_OUT, count, role=self.kind.role, reason=reason)
                log.warning(
                    "records left out: no row can be made of them",
                    topic=batch.topic,
                    partition=batch.partition,
                    reason=reason,
                    records=count,
                    first_offset=next(one.message.offset for one in letters if one.reason == reason),
                )
            return dict(left_out)
        bad_offsets = {letter.message.offset for letter in letters}
        is_bad = [message.offset in bad_offsets for message in batch.messages]
        reasons = await self.dead_letters.write(batch, letters, is_bad)
        self.dead_letters.record(batch, is_bad)
        for reason, count in reasons.items():
            self.metrics.count(Metric.DEAD_LETTERS, count, role=self.kind.role, reason=reason)
        return reasons

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
