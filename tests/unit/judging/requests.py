"""Questions for a judge, made up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from schemas.judgements import JudgeRequest

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)

PLAIN = JudgeRequest(
    event_id="e1",
    tenant="t",
    model="m",
    conversation_id="c",
    occurred_at=AT,
    arrived_at=AT,
    source_topic="chat.logs",
    prompt="How do I bake bread?",
    response="Mix flour, water, salt and yeast.",
    truncated=False,
    prompt_harm=0.02,
    refusal=0.01,
    response_harm=0.01,
    category="benign",
    category_probability=0.97,
    guard_name="guard",
    guard_version="1",
    guard_prompt_hash="0" * 16,
    reason="sample",
    probability=0.1,
    policy="p1",
)


def a_request(**changes: Any) -> JudgeRequest:
    """PLAIN with other fields."""
    return msgspec.structs.replace(PLAIN, **changes)
