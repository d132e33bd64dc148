"""From a verdict that says so to the question for the judge: pure."""

from __future__ import annotations

from typing import Final

from monitor.judging.policy import Choice
from schemas.events import Exchange, Verdict
from schemas.judgements import JudgeRequest

MAX_CHARS: Final = 20_000
"""Of a prompt and of a response: what the guard was shown by default, and far below what a topic takes."""


def judge_request(exchange: Exchange, verdict: Verdict, choice: Choice) -> JudgeRequest:
    """The question about an exchange that was drawn. Long texts keep their head and tail halves."""
    response = exchange.response
    return JudgeRequest(
        event_id=verdict.event_id,
        tenant=verdict.tenant,
        model=verdict.model,
        conversation_id=verdict.conversation_id,
        occurred_at=verdict.occurred_at,
        arrived_at=verdict.arrived_at,
        source_topic=verdict.source_topic,
        prompt=_shortened(exchange.prompt),
        response=None if response is None else _shortened(response),
        truncated=max(len(exchange.prompt), len(response or "")) > MAX_CHARS,
        prompt_harm=verdict.prompt_harm,
        refusal=verdict.refusal,
        response_harm=verdict.response_harm,
        category=verdict.category,
        category_probability=verdict.category_probability,
        guard_name=verdict.guard_name,
        guard_version=verdict.guard_version,
        guard_prompt_hash=verdict.guard_prompt_hash,
        reason=choice.reason,
        probability=choice.probability,
        policy=choice.policy,
    )


def _shortened(text: str) -> str:
    """What JSON can carry: a lone surrogate becomes a question mark."""
    if len(text) > MAX_CHARS:
        tail = MAX_CHARS // 2
        text = text[: MAX_CHARS - tail - 1] + " " + text[len(text) - tail :]
    return text.encode("utf-8", "replace").decode()
