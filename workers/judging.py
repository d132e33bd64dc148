"""The judging agent: questions in, judgements out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import structlog

from monitor.errors import Retryable
from monitor.ledger import Ledger
from monitor.metrics import Metric, Metrics
from monitor.ports import Clock, Judge, Outbox, OutRecord
from schemas.judgements import JudgeAnswer, Judgement, JudgeRequest, JudgeStatus
from workers.batch import Batch
from workers.dead_letters import DeadLetters, Letter

log = structlog.get_logger("watchkeeper.judging")

TOMBSTONE: Final = "tombstone"
NOT_A_REQUEST: Final = "not_a_request"


@dataclass(frozen=True)
class Judging:
    """Has exchanges judged. `handle` is idempotent but for repeated judgements of the same event ids, of which one counts."""

    judge: Judge
    outbox: Outbox
    dead_letters: DeadLetters
    clock: Clock
    judgements_topic: str
    role: str = "judging"
    metrics: Metrics = field(default_factory=Metrics)

    async def consume(self, batches: AsyncIterable[Batch]) -> None:
        """Take a batch, handle it, say that it is durable."""
        async for batch in batches:
            await batch.settle(self.handle)

    async def handle(self, batch: Batch) -> Ledger:
        """Read, judge, write; returns what became of the questions. Raises Retryable, Misconfigured, Abandoned."""
        requests, letters, is_bad = _read(batch)
        batch.enter("guard")
        began_s = time.perf_counter()
        answers = await self._answers(requests)
        took_s = time.perf_counter() - began_s
        records = self._records(requests, answers)
        statuses = Counter(answer.status for answer in answers)
        batch.unanswered = len(answers) - statuses["ok"]

        await batch.turn()
        reasons = await self.dead_letters.write(batch, letters, is_bad)
        await self.outbox.publish(self.judgements_topic, batch.partition, records)
        self.dead_letters.record(batch, is_bad)
        self._count(requests, statuses, reasons, took_s)
        log.info(
            "batch judged by the judge",
            topic=batch.topic,
            partition=batch.partition,
            first_offset=batch.messages[0].offset,
            messages=len(batch.messages),
            bytes=batch.size_bytes,
            statuses=dict(statuses),
            dead=reasons,
            judge_ms=round(1000 * took_s, 1),
            attempts=batch.attempts + 1,
        )
        return Ledger(0, messages=len(batch.messages), exchanges=len(records), dead_messages=len(letters))

    async def _answers(self, requests: Sequence[JudgeRequest]) -> Sequence[JudgeAnswer]:
        """Answer i is about request i: one that says more or less than it was asked has to be asked again."""
        answers = await self.judge.judge(requests) if requests else ()
        if len(answers) != len(requests):
            raise Retryable(f"the judge gave {len(answers)} answers to {len(requests)} questions")
        return answers

    def _records(self, requests: Sequence[JudgeRequest], answers: Sequence[JudgeAnswer]) -> list[OutRecord]:
        identity, judged_at = self.judge.identity, self.clock.now()
        return [
            OutRecord(
                request.event_id.encode(),
                Judgement(
                    event_id=request.event_id,
                    tenant=request.tenant,
                    model=request.model,
                    occurred_at=request.occurred_at,
                    arrived_at=request.arrived_at,
                    source_topic=request.source_topic,
                    reason=request.reason,
                    probability=request.probability,
                    policy=request.policy,
                    judge_name=identity.name,
                    judge_version=identity.version,
                    rubric_hash=identity.rubric_hash,
                    judged_at=judged_at,
                    answer=answer,
                ).to_bytes(),
            )
            for request, answer in zip(requests, answers, strict=True)
        ]

    def _count(
        self,
        requests: Sequence[JudgeRequest],
        statuses: Counter[JudgeStatus],
        reasons: dict[str, int],
        took_s: float,
    ) -> None:
        metrics, role, now = self.metrics, self.role, self.clock.now()
        for status, exchanges in statuses.items():
            metrics.count(Metric.JUDGED, exchanges, role=role, status=status)
        for reason, letters in reasons.items():
            metrics.count(Metric.DEAD_LETTERS, letters, role=role, reason=reason)
        if requests:
            metrics.observe(Metric.JUDGE_SECONDS, took_s, role=role)
        for request in requests:
            delay_s = max(0.0, (now - request.arrived_at).total_seconds())
            metrics.observe(Metric.JUDGE_DELAY, delay_s, role=role)


def _read(batch: Batch) -> tuple[list[JudgeRequest], list[Letter], list[bool]]:
    """The questions, and those that are none."""
    requests: list[JudgeRequest] = []
    letters: list[Letter] = []
    is_bad: list[bool] = []
    for message in batch.messages:
        bad = len(letters)
        if message.value is None:
            letters.append(Letter(message, TOMBSTONE))
        else:
            try:
                requests.append(JudgeRequest.from_bytes(message.value))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
                # Its class alone: the message could quote what somebody wrote.
                letters.append(Letter(message, NOT_A_REQUEST, type(exc).__name__))
        is_bad.append(len(letters) > bad)
    return requests, letters, is_bad
