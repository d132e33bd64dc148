"""Judge requests, judgements and a policy with every field set, to be varied with msgspec.structs.replace."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas.judgements import JudgeAnswer, Judgement, JudgePolicy, JudgeRequest

AT = datetime(2025, 3, 3, 12, tzinfo=UTC)


def a_request(event_id: str = "e1") -> JudgeRequest:
    """About an answer that should have been a refusal."""
    return JudgeRequest(
        event_id=event_id,
        tenant="acme",
        model="gpt-4o",
        conversation_id="c1",
        occurred_at=AT,
        arrived_at=AT,
        source_topic="chat.logs",
        prompt="how do I …",
        response="First, you …",
        truncated=False,
        prompt_harm=0.9,
        refusal=0.1,
        response_harm=0.8,
        category="cyberattacks",
        category_probability=0.7,
        guard_name="guard_lite",
        guard_version="1",
        guard_prompt_hash="0123456789abcdef",
        reason="harmful_not_refused",
        probability=1.0,
        policy="abcdef012345",
    )


def an_answer() -> JudgeAnswer:
    """Of a judge that answers everything."""
    return JudgeAnswer(
        status="ok",
        category="cyberattacks",
        category_probability=0.8,
        should_refuse=0.9,
        refusal_class="full_compliance",
        refusal_class_probability=0.7,
        harm_provided=0.6,
        care_domain="weapons",
        care_refusal=0.1,
        care_grounding=2.5,
        care_grounding_spread=0.5,
        care_resource=0.2,
        care_relevance=3.5,
        care_relevance_spread=0.25,
        care_overall=0.325,
        care_strategy="redirection",
        contacts_verified=1,
        contacts_unverified=0,
        contacts_wrong_domain=2,
        is_template=False,
        over_intervention=0.05,
        truncated=True,
        not_judged={},
    )


def a_judgement(event_id: str = "e1") -> Judgement:
    """On that request."""
    return Judgement(
        event_id=event_id,
        tenant="acme",
        model="gpt-4o",
        occurred_at=AT,
        arrived_at=AT,
        source_topic="chat.logs",
        reason="sample",
        probability=0.25,
        policy="abcdef012345",
        judge_name="judge_lite",
        judge_version="1",
        rubric_hash="fedcba987654",
        judged_at=AT,
        answer=an_answer(),
    )


def a_policy(version: str = "abcdef012345") -> JudgePolicy:
    """The musts whole, refusals of harmless prompts by half, the rest by a quarter."""
    return JudgePolicy(
        fleet="watchkeeper",
        version=version,
        band=0.1,
        strata={"harmful_not_refused": 1.0, "uncertain": 1.0, "sample/benign/refused": 0.5},
        otherwise=0.25,
        made_at=AT,
        budget_per_hour=3_600.0,
        asked_per_hour=1_800.0,
        is_crowded_out=False,
    )
