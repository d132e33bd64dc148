"""From an exchange and a guard's score to the verdict: pure, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import msgspec

from monitor.ports import GuardIdentity, Score
from monitor.settings import ModerationSettings
from schemas.events import ExcerptPolicy, Exchange, Verdict

EARLIEST_BELIEVED: Final = datetime(2000, 1, 1, tzinfo=UTC)
CLOCK_AHEAD: Final = timedelta(days=1)

SAMPLED_OUT: Final = Score("skipped", None, None, None, "", None, truncated=False)
"""The score of an exchange that the sample left out."""


class Excerpts(Protocol):
    """What is kept of what people wrote (monitor/redaction.py)."""

    def excerpt(self, text: str) -> str:
        """The bounded text to keep, by policy."""
        ...

    def content_hash(self, prompt: str, response: str | None) -> str:
        """A keyed hash of both texts."""
        ...


class Position(msgspec.Struct, frozen=True, gc=False):
    """Where an exchange stood: record, index in it, and when the record arrived."""

    topic: str
    partition: int
    offset: int
    arrived_at: datetime


@dataclass(frozen=True, slots=True)
class VerdictMaker:
    """Builds verdicts under one set of thresholds and one privacy policy."""

    settings: ModerationSettings
    excerpts: Excerpts
    excerpt_policy: ExcerptPolicy

    def verdict(
        self, exchange: Exchange, score: Score, *, identity: GuardIdentity, position: Position, index: int
    ) -> Verdict:
        """The verdict on `exchange`. Labels are probability >= threshold; None where there is no probability."""
        settings = self.settings
        occurred_at = exchange.occurred_at
        arrived_at = position.arrived_at
        is_believed = occurred_at is not None and EARLIEST_BELIEVED <= occurred_at <= arrived_at + CLOCK_AHEAD
        is_ok = score.status == "ok"
        prompt_harm = score.prompt_harm if is_ok else None
        refusal = score.refusal if is_ok else None
        response_harm = score.response_harm if is_ok else None
        return Verdict(
            event_id=exchange.event_id,
            tenant=exchange.tenant,
            model=exchange.model,
            conversation_id=exchange.conversation_id,
            format=exchange.format,
            occurred_at=occurred_at if is_believed and occurred_at is not None else arrived_at,
            occurred_at_source="log" if is_believed else "arrival",
            arrived_at=arrived_at,
            source_topic=position.topic,
            source_partition=position.partition,
            source_offset=position.offset,
            source_index=index,
            guard_name=identity.name,
            guard_version=identity.version,
            guard_prompt_hash=identity.prompt_hash,
            status=score.status,
            prompt_harm=prompt_harm,
            prompt_harmful=None if prompt_harm is None else prompt_harm >= settings.prompt_harm_threshold,
            refusal=refusal,
            refused=None if refusal is None else refusal >= settings.refusal_threshold,
            response_harm=response_harm,
            response_harmful=None
            if response_harm is None
            else response_harm >= settings.response_harm_threshold,
            category=score.category if is_ok else "",
            category_probability=score.category_probability if is_ok else None,
            has_response=exchange.response is not None,
            truncated=score.truncated,
            provider_refusal=exchange.provider_refusal,
            content_filtered=exchange.content_filtered,
            tool_calls=exchange.tool_calls,
            context_turns=len(exchange.context),
            sampling_decision="sampled_out" if score.status == "skipped" else "scored",
            sampling_probability=settings.sample_probability,
            calibration_version=0,
            refusal_token=exchange.refusal_token,
            content_hash=self.excerpts.content_hash(exchange.prompt, exchange.response),
            excerpt_policy=self.excerpt_policy,
            prompt_excerpt=self.excerpts.excerpt(exchange.prompt),
            response_excerpt=self.excerpts.excerpt(exchange.response) if exchange.response else "",
        )
