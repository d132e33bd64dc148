"""From an exchange and a guard's score to the verdict: pure, no I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import msgspec

from monitor.judging.policy import OFF, Choice
from monitor.ports import GuardIdentity, Score
from monitor.settings import ModerationSettings
from schemas.events import VERDICT_SCHEMA, ExcerptPolicy, Exchange, Verdict
from schemas.refusal_tokens import RefusalToken

EARLIEST_BELIEVED: Final = datetime(2000, 1, 1, tzinfo=UTC)
CLOCK_AHEAD: Final = timedelta(days=1)

SAMPLED_OUT: Final = Score("skipped", None, None, None, "", None, truncated=False)
"""The score of an exchange that the sample left out."""


class Excerpts(Protocol):
    """What is kept of what people wrote (monitor/redaction.py)."""

    @property
    def excerpt(self) -> Callable[[str], str]:
        """Gives the bounded text to keep, by policy."""
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
        self,
        exchange: Exchange,
        score: Score,
        *,
        identity: GuardIdentity,
        position: Position,
        index: int,
        choice: Choice = OFF,
    ) -> Verdict:
        """The verdict on `exchange`. Labels are probability >= threshold; None where there is no probability. `choice`: what
        the judging policy says of it."""
        settings = self.settings
        occurred_at = exchange.occurred_at
        arrived_at = position.arrived_at
        is_believed = occurred_at is not None and EARLIEST_BELIEVED <= occurred_at <= arrived_at + CLOCK_AHEAD
        response = exchange.response
        prompt_harm = refusal = response_harm = category_probability = None
        category = ""
        if score.status == "ok":
            prompt_harm, refusal, response_harm = score.prompt_harm, score.refusal, score.response_harm
            category, category_probability = score.category, score.category_probability
        excerpt = self.excerpts.excerpt
        # By position, in the order of schemas/events.py: msgspec looks each keyword up among all 44 names.
        return Verdict(
            exchange.event_id,
            exchange.tenant,
            exchange.model,
            exchange.conversation_id,
            exchange.format,
            occurred_at if is_believed and occurred_at is not None else arrived_at,
            "log" if is_believed else "arrival",
            arrived_at,
            position.topic,
            position.partition,
            position.offset,
            index,
            identity.name,
            identity.version,
            identity.prompt_hash,
            score.status,
            prompt_harm,
            None if prompt_harm is None else prompt_harm >= settings.prompt_harm_threshold,
            refusal,
            None if refusal is None else refusal >= settings.refusal_threshold,
            response_harm,
            None if response_harm is None else response_harm >= settings.response_harm_threshold,
            category,
            category_probability,
            response is not None,
            score.truncated,
            exchange.provider_refusal,
            exchange.content_filtered,
            exchange.tool_calls,
            len(exchange.context),
            "sampled_out" if score.status == "skipped" else "scored",
            settings.sample_probability,
            _calibration_version(exchange.refusal_token),
            exchange.refusal_token,
            self.excerpts.content_hash(exchange.prompt, response),
            self.excerpt_policy,
            excerpt(exchange.prompt),
            excerpt(response) if response else "",
            choice.decision,
            choice.probability,
            choice.policy,
            VERDICT_SCHEMA,
        )


def _calibration_version(token: RefusalToken | None) -> int:
    """That which whoever served the model logged; 0 where nothing was logged."""
    return 0 if token is None or token.calibration_version is None else token.calibration_version
