"""From score to verdict: unknown is never safe, and times that can't be are not believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from monitor.judging.policy import Choice
from monitor.ports import GuardIdentity, Score
from monitor.settings import ModerationSettings
from monitor.verdicts import SAMPLED_OUT, Position, VerdictMaker
from schemas.events import JUDGING_OFF, VERDICT_SCHEMA, Exchange, Turn, Verdict

ARRIVED = datetime(2025, 3, 3, 12, tzinfo=UTC)
POSITION = Position("chat.logs", 1, 7, ARRIVED)
IDENTITY = GuardIdentity("guard_lite", "3", "abcd")
SCORE = Score("ok", 0.9, 0.5, 0.49, "cyberattacks", 0.7, truncated=True)
EXCHANGE = Exchange(
    event_id="e1",
    format="openai",
    tenant="acme",
    model="m",
    conversation_id="c",
    occurred_at=ARRIVED - timedelta(hours=1),
    prompt="p",
    response="r",
    context=(Turn("user", "before"),),
)


class _Excerpts:
    def excerpt(self, text: str) -> str:
        return f"<{text}>"

    def content_hash(self, prompt: str, response: str | None) -> str:
        return f"{prompt}|{response}"


def _verdict(exchange: Exchange = EXCHANGE, score: Score = SCORE) -> Verdict:
    maker = VerdictMaker(ModerationSettings(), _Excerpts(), "redacted")
    return maker.verdict(exchange, score, identity=IDENTITY, position=POSITION, index=2)


WHOLE = Verdict(
    event_id="e1",
    tenant="acme",
    model="m",
    conversation_id="c",
    format="openai",
    occurred_at=ARRIVED - timedelta(hours=1),
    occurred_at_source="log",
    arrived_at=ARRIVED,
    source_topic="chat.logs",
    source_partition=1,
    source_offset=7,
    source_index=2,
    guard_name="guard_lite",
    guard_version="3",
    guard_prompt_hash="abcd",
    status="ok",
    prompt_harm=0.9,
    prompt_harmful=True,
    refusal=0.5,
    refused=True,
    response_harm=0.49,
    response_harmful=False,
    category="cyberattacks",
    category_probability=0.7,
    has_response=True,
    truncated=True,
    provider_refusal=False,
    content_filtered=False,
    tool_calls=0,
    context_turns=1,
    sampling_decision="scored",
    sampling_probability=1.0,
    calibration_version=0,
    refusal_token=None,
    content_hash="p|r",
    excerpt_policy="redacted",
    prompt_excerpt="<p>",
    response_excerpt="<r>",
)
UNSCORED = msgspec.structs.replace(
    WHOLE,
    prompt_harm=None,
    prompt_harmful=None,
    refusal=None,
    refused=None,
    response_harm=None,
    response_harmful=None,
    category="",
    category_probability=None,
    truncated=False,
)


def test_a_label_is_true_from_its_threshold_up() -> None:
    assert _verdict() == WHOLE


def test_where_nobody_judges_a_record_says_nothing_of_it_and_is_read_so() -> None:
    written = _verdict().to_bytes()
    assert not any(name.startswith("judge_") for name in msgspec.json.decode(written))
    assert msgspec.json.decode(written)["schema_version"] == VERDICT_SCHEMA
    read = Verdict.from_bytes(written)
    assert (read, (read.judge_decision, read.judge_probability, read.judge_policy)) == (WHOLE, JUDGING_OFF)


def test_an_unknown_answer_has_no_label_even_if_the_guard_filled_some_fields() -> None:
    unknown = Score("unknown", 0.9, 0.9, 0.9, "cyberattacks", 0.7, truncated=False)
    assert _verdict(score=unknown) == msgspec.structs.replace(UNSCORED, status="unknown")


def test_a_sampled_out_exchange_has_a_row_and_no_label() -> None:
    assert _verdict(score=SAMPLED_OUT) == msgspec.structs.replace(
        UNSCORED, status="skipped", sampling_decision="sampled_out"
    )


@pytest.mark.parametrize(
    "occurred_at",
    [
        None,
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2100, 1, 1, tzinfo=UTC),
        ARRIVED + timedelta(days=1, seconds=1),
    ],
)
def test_a_time_that_cannot_be_is_replaced_by_arrival_and_says_so(occurred_at: datetime | None) -> None:
    exchange = msgspec.structs.replace(EXCHANGE, occurred_at=occurred_at)
    assert _verdict(exchange) == msgspec.structs.replace(
        WHOLE, occurred_at=ARRIVED, occurred_at_source="arrival"
    )


def test_a_prompt_only_exchange_has_no_response_labels() -> None:
    exchange = msgspec.structs.replace(EXCHANGE, response=None)
    score = Score("ok", 0.9, None, None, "cyberattacks", 0.7, truncated=True)
    assert _verdict(exchange, score) == msgspec.structs.replace(
        WHOLE,
        has_response=False,
        refusal=None,
        refused=None,
        response_harm=None,
        response_harmful=None,
        content_hash="p|None",
        response_excerpt="",
    )


def test_a_verdict_from_before_judging_is_read_as_one_that_nobody_judges() -> None:
    judged = msgspec.structs.replace(WHOLE, judge_decision="asked", judge_probability=0.5, judge_policy="p")
    whole = msgspec.json.decode(judged.to_bytes())
    old = {name: value for name, value in whole.items() if not name.startswith("judge_")}

    assert len(whole) - len(old) == 3
    assert Verdict.from_bytes(msgspec.json.encode(old)) == WHOLE


def test_what_the_policy_says_is_on_the_verdict() -> None:
    maker = VerdictMaker(ModerationSettings(), _Excerpts(), "redacted")
    choice = Choice("sampled_out", 0.25, "abcdef012345", "sample/cyberattacks/refused", "sample")

    verdict = maker.verdict(EXCHANGE, SCORE, identity=IDENTITY, position=POSITION, index=2, choice=choice)

    assert verdict == msgspec.structs.replace(
        WHOLE, judge_decision="sampled_out", judge_probability=0.25, judge_policy="abcdef012345"
    )
