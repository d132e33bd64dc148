"""The question for a judge is the exchange as the verdict has it; the row of a judgement is flat."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest

from monitor.judging.policy import Choice
from monitor.judging.requests import MAX_CHARS, judge_request
from monitor.judging.rows import judgement_row
from schemas.events import Exchange
from schemas.judgements import JudgeRequest
from tests.fakes.judging import a_judgement
from tests.fakes.verdicts import a_verdict

CHOICE = Choice("asked", 0.25, "abcdef012345", "sample/cyberattacks/refused", "sample")


def exchange(prompt: str, response: str | None) -> Exchange:
    return Exchange(
        event_id="chatcmpl-1",
        format="openai",
        tenant="acme",
        model="gpt-4o",
        conversation_id="c1",
        occurred_at=datetime(2025, 3, 3, tzinfo=UTC),
        prompt=prompt,
        response=response,
    )


def test_a_question_holds_the_texts_what_the_guard_said_and_why_it_is_asked() -> None:
    verdict = a_verdict()

    assert judge_request(exchange("how?", "no"), verdict, CHOICE) == JudgeRequest(
        event_id="chatcmpl-1",
        tenant="acme",
        model="gpt-4o",
        conversation_id="c1",
        occurred_at=verdict.occurred_at,
        arrived_at=verdict.arrived_at,
        source_topic="chat.logs",
        prompt="how?",
        response="no",
        truncated=False,
        prompt_harm=0.9,
        refusal=0.8,
        response_harm=0.1,
        category="cyberattacks",
        category_probability=0.7,
        guard_name="guard_lite",
        guard_version="1",
        guard_prompt_hash="0123456789abcdef",
        reason="sample",
        probability=0.25,
        policy="abcdef012345",
    )


def test_a_long_text_keeps_head_and_tail_and_says_so() -> None:
    """Else one huge chat log would be a record that the topic refuses, and stop its partition."""
    request = judge_request(exchange("a" * 500_000 + "z" * 500_000, None), a_verdict(), CHOICE)

    assert (len(request.prompt), request.prompt[0], request.prompt[-1]) == (MAX_CHARS, "a", "z")
    assert (request.truncated, request.response) == (True, None)


def test_a_text_that_no_json_can_carry_is_asked_about_all_the_same() -> None:
    request = judge_request(exchange("half \ud83d a pair", ""), a_verdict(), CHOICE)

    assert JudgeRequest.from_bytes(request.to_bytes()).prompt == "half ? a pair"


def test_a_row_holds_the_judgement_with_the_answer_s_fields_beside_the_others() -> None:
    judgement = a_judgement()
    row = json.loads(judgement_row(judgement.to_bytes()))

    whole = json.loads(judgement.to_bytes())
    assert row == {**{k: v for k, v in whole.items() if k != "answer"}, **whole["answer"]}


def test_what_is_no_judgement_is_no_row() -> None:
    with pytest.raises(msgspec.MsgspecError):
        judgement_row(b'{"event_id": "e1"}')
