"""A verdict with every field set, to be varied with msgspec.structs.replace."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas.events import Verdict
from schemas.refusal_tokens import RefusalToken


def a_verdict() -> Verdict:
    """A refusal of a harmful request."""
    return Verdict(
        event_id="chatcmpl-1",
        tenant="acme",
        model="gpt-4o",
        conversation_id="c1",
        format="openai",
        occurred_at=datetime(2025, 3, 3, 12, 0, 0, 123000, tzinfo=UTC),
        occurred_at_source="log",
        arrived_at=datetime(2025, 3, 3, 12, 0, 1, 456000, tzinfo=UTC),
        source_topic="chat.logs",
        source_partition=0,
        source_offset=7,
        source_index=0,
        guard_name="guard_lite",
        guard_version="1",
        guard_prompt_hash="0123456789abcdef",
        status="ok",
        prompt_harm=0.9,
        prompt_harmful=True,
        refusal=0.8,
        refused=True,
        response_harm=0.1,
        response_harmful=False,
        category="cyberattacks",
        category_probability=0.7,
        has_response=True,
        truncated=False,
        provider_refusal=False,
        content_filtered=False,
        tool_calls=0,
        context_turns=2,
        sampling_decision="scored",
        sampling_probability=1.0,
        calibration_version=0,
        refusal_token=RefusalToken(threshold=0.5, emitted="[refuse]"),
        content_hash="ab" * 16,
        excerpt_policy="redacted",
        prompt_excerpt="how do I …",
        response_excerpt="I can't help with that.",
        judge_decision="asked",
        judge_probability=0.25,
        judge_policy="abcdef012345",
    )
