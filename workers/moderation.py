"""The moderation agent: chat logs in; verdicts and dead letters out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Final, Protocol

import structlog

from monitor.dead_lettering import WHOLE_MESSAGE
from monitor.errors import Rejected
from monitor.ingest.decoder import Decoded
from monitor.judging.policy import Choice, Chooser
from monitor.judging.requests import judge_request
from monitor.ledger import Ledger
from monitor.metrics import Metric, Metrics
from monitor.origin import event_id_stem, origin_in
from monitor.ports import Clock, Guard, Outbox, OutRecord, Score
from monitor.sampling import is_sampled
from monitor.verdicts import SAMPLED_OUT, Position, VerdictMaker
from schemas.events import Exchange, Status
from workers.batch import Batch
from workers.dead_letters import DeadLetters, Letter, arrival

log = structlog.get_logger("watchkeeper.moderation")

INTERNAL_ERROR: Final = "internal_error"
"""Reason of a dead letter that made our own decoder fail: a bug of ours, kept whole for when it is mended."""


class Decoder(Protocol):
    """Reads chat logs (monitor/ingest/decoder.py)."""

    def decode(
        self, value: bytes | None, headers: Sequence[tuple[str, bytes]], *, fallback_id: str
    ) -> Decoded:
        """The exchanges of one message. Raises Rejected."""
        ...


@dataclass(slots=True)
class _Work:
    """What one batch's messages turned into, in order."""

    exchanges: list[tuple[Exchange, int, Position]] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    is_bad: list[bool] = field(default_factory=list)
    not_chat: int = 0
    bad_refusal_tokens: int = 0


@dataclass(slots=True)
class _Judged:
    """What is to be written of a batch, and how many of it there are of each status and choice."""

    verdicts: list[OutRecord] = field(default_factory=list)
    requests: list[OutRecord] = field(default_factory=list)
    statuses: Counter[Status] = field(default_factory=Counter)
    choices: Counter[Choice] = field(default_factory=Counter)


def nobody() -> None:
    """Chooses no exchange: judging is off."""
    return


@dataclass(frozen=True)
class Moderation:
    """Scores chat logs. `handle` is idempotent but for repeated records with the same event ids.

    Questions for a judge are written before the verdicts that say that it is asked: whatever ends the worker in between, no
    verdict says so falsely. `chooser` gives the policy in force; a batch is chosen from by one.
    """

    decoder: Decoder
    guard: Guard
    outbox: Outbox
    dead_letters: DeadLetters
    maker: VerdictMaker
    clock: Clock
    verdicts_topic: str
    requests_topic: str = ""
    chooser: Callable[[], Chooser | None] = nobody
    role: str = "moderation"
    metrics: Metrics = field(default_factory=Metrics)

    async def consume(self, batches: AsyncIterable[Batch]) -> None:
        """Take a batch, handle it, say that it is durable."""
        async for batch in batches:
            await batch.settle(self.handle)

    async def handle(self, batch: Batch) -> Ledger:
        """Decode, score, write; returns what became of the messages. Raises Retryable, Misconfigured, Abandoned."""
        started_s = time.perf_counter()
        work = self._decode(batch)
        batch.enter("guard")
        decoded_s = time.perf_counter()
        judged = await self._judge(work)
        exchanges, sampled_out = len(judged.verdicts), judged.statuses["skipped"]
        batch.unanswered = exchanges - sampled_out - judged.statuses["ok"]
        batch.strata, batch.asked = _by_stratum(judged.choices), len(judged.requests)
        judged_s = time.perf_counter()

        await batch.turn()
        reasons = await self.dead_letters.write(batch, work.letters, work.is_bad)
        await self.outbox.publish(self.requests_topic, batch.partition, judged.requests)
        await self.outbox.publish(self.verdicts_topic, batch.partition, judged.verdicts)
        self.dead_letters.record(batch, work.is_bad)
        self._count(work, judged, reasons)
        log.info(
            "batch judged",
            topic=batch.topic,
            partition=batch.partition,
            first_offset=batch.messages[0].offset,
            messages=len(batch.messages),
            bytes=batch.size_bytes,
            exchanges=exchanges,
            not_chat=work.not_chat,
            asked=len(judged.requests),
            dead=reasons,
            bad_refusal_tokens=work.bad_refusal_tokens,
            decode_ms=round(1000 * (decoded_s - started_s), 1),
            judge_ms=round(1000 * (judged_s - decoded_s), 1),
            write_ms=round(1000 * (time.perf_counter() - judged_s), 1),
            attempts=batch.attempts + 1,
        )
        dead_messages = sum(letter.index == WHOLE_MESSAGE for letter in work.letters)
        return Ledger(
            0,
            messages=len(batch.messages),
            exchanges=exchanges,
            sampled_out=sampled_out,
            not_chat=work.not_chat,
            dead_messages=dead_messages,
            dead_exchanges=len(work.letters) - dead_messages,
        )

    def _count(self, work: _Work, judged: _Judged, reasons: Mapping[str, int]) -> None:
        count, role = self.metrics.count, self.role
        for choice, exchanges in judged.choices.items():
            if choice.stratum:
                count(
                    Metric.JUDGE_CHOICES,
                    exchanges,
                    role=role,
                    reason=choice.reason,
                    decision=choice.decision,
                )
        for status, exchanges in judged.statuses.items():
            if status != "skipped":
                count(Metric.EXCHANGES_JUDGED, exchanges, role=role, status=status)
        for reason, letters in reasons.items():
            count(Metric.DEAD_LETTERS, letters, role=role, reason=reason)
        count(Metric.SAMPLED_OUT, judged.statuses["skipped"], role=role)
        count(Metric.NOT_CHAT, work.not_chat, role=role)
        count(Metric.BAD_REFUSAL_TOKENS, work.bad_refusal_tokens, role=role)

    def _decode(self, batch: Batch) -> _Work:
        work = _Work()
        topic, partition = batch.topic, batch.partition
        prefix = f"{topic}-{partition}-"
        decode = self.decoder.decode
        taken_at = self.clock.now()
        stamp, arrived_at = -1, taken_at
        for message in batch.messages:
            if message.timestamp != stamp:  # a broker stamps a whole produced batch alike
                stamp, arrived_at = message.timestamp, arrival(message, taken_at)
            headers = message.headers
            origin = origin_in(headers) if headers else ""  # sent back: its ids are those of its first place
            fallback_id = event_id_stem(origin) if origin else f"{prefix}{message.offset}"
            try:
                decoded = decode(message.value, headers, fallback_id=fallback_id)
            except Rejected as exc:
                work.letters.append(Letter(message, exc.reason, exc.detail))
                work.is_bad.append(True)
                continue
            except Exception as exc:  # noqa: BLE001  # one message must not stop its partition
                error = type(exc).__name__
                log.error(
                    "decoder failed", topic=topic, partition=partition, offset=message.offset, error=error
                )
                work.letters.append(Letter(message, INTERNAL_ERROR, error))
                work.is_bad.append(True)
                continue
            position = Position(topic, partition, message.offset, arrived_at)
            for index, exchange in decoded.exchanges:
                work.exchanges.append((exchange, index, position))
            for part in decoded.rejected:
                work.letters.append(Letter(message, part.reason, part.detail, part.index))
            work.not_chat += decoded.not_chat
            work.bad_refusal_tokens += decoded.bad_refusal_tokens
            work.is_bad.append(bool(decoded.rejected) and not decoded.exchanges)
        return work

    async def _judge(self, work: _Work) -> _Judged:
        """The verdicts, and the questions for a judge."""
        probability = self.maker.settings.sample_probability
        exchanges = [exchange for exchange, _, _ in work.exchanges]
        taken, is_taken = exchanges, None
        if probability < 1.0:
            is_taken = [is_sampled(exchange.event_id, probability) for exchange in exchanges]
            taken = list(compress(exchanges, is_taken))
        answers: Sequence[Score] = ()
        if taken:
            answers = await self.guard.score([e.prompt for e in taken], [e.response for e in taken])
        judged = _Judged(statuses=Counter([answer.status for answer in answers]))
        judged.statuses["skipped"] = len(exchanges) - len(taken)
        if is_taken is not None:
            remaining = iter(answers)
            answers = [next(remaining) if is_in else SAMPLED_OUT for is_in in is_taken]
        chooser = self.chooser()
        if chooser is not None:
            self._choose(work, answers, chooser, judged)
            return judged
        identity = self.guard.identity
        verdict = self.maker.verdict
        judged.verdicts = [
            OutRecord(
                exchange.event_id.encode(),
                verdict(exchange, score, identity=identity, position=position, index=index).to_bytes(),
            )
            for (exchange, index, position), score in zip(work.exchanges, answers, strict=True)
        ]
        return judged

    def _choose(self, work: _Work, answers: Sequence[Score], chooser: Chooser, judged: _Judged) -> None:
        """The verdicts with what the policy says of each, and the questions about those that it draws."""
        identity, make = self.guard.identity, self.maker.verdict
        for (exchange, index, position), score in zip(work.exchanges, answers, strict=True):
            choice = chooser.choose(exchange.event_id, score)
            judged.choices[choice] += 1
            verdict = make(exchange, score, identity=identity, position=position, index=index, choice=choice)
            key = exchange.event_id.encode()
            judged.verdicts.append(OutRecord(key, verdict.to_bytes()))
            if choice.is_asked:
                judged.requests.append(OutRecord(key, judge_request(exchange, verdict, choice).to_bytes()))


def _by_stratum(choices: Mapping[Choice, int]) -> Counter[str]:
    """How many exchanges fell into each stratum; those in none left out."""
    strata: Counter[str] = Counter()
    for choice, exchanges in choices.items():
        if choice.stratum:
            strata[choice.stratum] += exchanges
    return strata
