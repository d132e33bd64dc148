"""Chat logs become verdicts or dead letters, in order, each message accounted for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from monitor.errors import Misconfigured, Retryable
from monitor.ingest.decoder import Decoded, Decoder
from monitor.judging.policy import Chooser
from monitor.ledger import Ledger
from monitor.ports import GuardIdentity, OutRecord, Score
from monitor.redaction import Redactor
from monitor.settings import DeadLetterSettings, ModerationSettings, PrivacySettings
from monitor.verdicts import VerdictMaker
from schemas import topics
from schemas.events import Verdict
from schemas.judgements import JudgePolicy, JudgeRequest
from tests.fakes.intake import FakeIntake, FakeMessage
from tests.fakes.judging import a_policy
from tests.fakes.outbox import FakeOutbox
from workers.dead_letters import DeadLetters
from workers.moderation import Moderation


class _Clock:
    def now(self) -> datetime:
        return datetime(2026, 3, 3, tzinfo=UTC)


@dataclass
class _Guard:
    """Says of each exchange how long its prompt is, so that a swapped answer shows."""

    failures: list[Exception] = field(default_factory=list)
    identity: GuardIdentity = field(default_factory=lambda: GuardIdentity("fake", "1", "h"))

    async def score(self, prompts: Sequence[str], responses: Sequence[str | None]) -> Sequence[Score]:
        if self.failures:
            raise self.failures.pop(0)
        return [
            Score("ok", len(prompt) / 1000, 0.0, 0.0, "benign", 1.0, truncated=False) for prompt in prompts
        ]


class _BrokenDecoder:
    def decode(
        self, value: bytes | None, headers: Sequence[tuple[str, bytes]], *, fallback_id: str
    ) -> Decoded:
        raise ZeroDivisionError("secret user text")


def _agent(
    outbox: FakeOutbox,
    guard: _Guard | None = None,
    *,
    sample: float = 1.0,
    limits: DeadLetterSettings | None = None,
    decoder: Decoder | _BrokenDecoder | None = None,
    policy: JudgePolicy | None = None,
    requests_topic: str = "safety.judge_requests",
) -> Moderation:
    settings = ModerationSettings(sample_probability=sample)
    return Moderation(
        decoder=decoder or Decoder(default_tenant="default", max_context_turns=20),
        guard=guard or _Guard(),
        outbox=outbox,
        dead_letters=DeadLetters(outbox, "chat.logs.dlq", limits or DeadLetterSettings(), "1", _Clock()),
        maker=VerdictMaker(settings, Redactor(PrivacySettings()), "redacted"),
        clock=_Clock(),
        verdicts_topic="safety.verdicts",
        requests_topic=requests_topic,
        chooser=lambda: None if policy is None else Chooser(policy, settings),
    )


def _log(event_id: str, prompt: str = "hello") -> bytes:
    record = {
        "id": event_id,
        "model": "m",
        "created": 1_741_000_000,
        "request": {"messages": [{"role": "user", "content": prompt}]},
        "response": {
            "choices": [{"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]
        },
    }
    return json.dumps(record).encode()


def _verdicts(outbox: FakeOutbox) -> list[Verdict]:
    return [Verdict.from_bytes(r.value or b"") for r in outbox.published["safety.verdicts", 0]]


async def test_each_exchange_gets_its_own_verdict_in_order() -> None:
    outbox = FakeOutbox()
    batch = FakeIntake().batch([_log(f"e{n}", "x" * n) for n in range(1, 6)], first_offset=10)

    counts = await _agent(outbox).handle(batch)

    assert [(v.event_id, v.source_offset, v.prompt_harm) for v in _verdicts(outbox)] == [
        (f"e{n}", 9 + n, n / 1000) for n in range(1, 6)
    ]
    assert [r.key for r in outbox.published["safety.verdicts", 0]] == [f"e{n}".encode() for n in range(1, 6)]
    assert counts == Ledger(0, messages=5, exchanges=5)


async def test_bad_messages_are_dead_lettered_among_good_ones_and_all_are_counted() -> None:
    outbox = FakeOutbox()
    spans = {
        "resourceSpans": [
            {"scopeSpans": [{"spans": [{"traceId": "a" * 32, "spanId": "b" * 16, "name": "db"}]}]}
        ]
    }

    counts = await _agent(outbox).handle(
        FakeIntake().batch([_log("a"), b"\xff", None, json.dumps(spans).encode(), _log("b")])
    )

    letters = outbox.published["chat.logs.dlq", 0]
    assert [v.event_id for v in _verdicts(outbox)] == ["a", "b"]
    assert [(letter.value, dict(letter.headers)[topics.HEADER_OFFSET]) for letter in letters] == [
        (b"\xff", b"1"),
        (None, b"2"),
    ]
    assert counts == Ledger(0, messages=5, exchanges=2, not_chat=1, dead_messages=2)


async def test_a_sample_is_scored_and_the_rest_has_rows_that_say_so() -> None:
    outbox = FakeOutbox()

    counts = await _agent(outbox, sample=0.5).handle(FakeIntake().batch([_log(f"e{n}") for n in range(400)]))

    verdicts = _verdicts(outbox)
    skipped = [v for v in verdicts if v.status == "skipped"]
    assert len(verdicts) == 400
    assert 120 < len(skipped) < 280
    assert {(v.sampling_decision, v.sampling_probability, v.prompt_harm) for v in skipped} == {
        ("sampled_out", 0.5, None)
    }
    assert counts == Ledger(0, messages=400, exchanges=400, sampled_out=len(skipped))


async def test_nothing_is_written_while_the_guard_is_away() -> None:
    outbox = FakeOutbox()
    intake = FakeIntake()
    batch = intake.batch([_log("a"), b"bad"])
    away = [Retryable("away"), Retryable("away")]

    await batch.settle(_agent(outbox, _Guard(list(away))).handle)

    assert intake.waits == ["Retryable", "Retryable"]
    assert ([v.event_id for v in _verdicts(outbox)], len(outbox.published["chat.logs.dlq", 0])) == (["a"], 1)


async def test_too_many_bad_messages_stop_before_any_is_drained() -> None:
    outbox = FakeOutbox()

    with pytest.raises(Misconfigured, match="3 messages in a row"):
        await _agent(outbox, limits=DeadLetterSettings(max_run=3)).handle(FakeIntake().batch([b"x"] * 3))

    assert dict(outbox.published) == {}


async def test_a_letter_that_another_owner_has_written_is_not_written_again() -> None:
    """A worker that was killed between its letters and its commit leaves the messages to the next."""
    outbox = FakeOutbox()
    values = [b"bad", _log("a"), b"worse"]
    killed = FakeIntake().batch(values, first_offset=7)
    killed.assignment = "of the first owner"
    await _agent(outbox).handle(killed)
    again = FakeIntake().batch([*values, b"worst"], first_offset=7)
    again.assignment = "of the second"
    counts = await _agent(outbox).handle(again)

    letters = outbox.published["chat.logs.dlq", 0]
    assert [dict(letter.headers)[topics.HEADER_OFFSET] for letter in letters] == [b"7", b"9", b"10"]
    assert counts == Ledger(0, messages=4, exchanges=1, dead_messages=3)


async def test_letters_of_a_write_that_failed_are_looked_for_before_they_are_written_again() -> None:
    outbox = FakeOutbox()
    agent = _agent(outbox)
    await agent.handle(FakeIntake().batch([b"bad"], first_offset=1))
    written_half = FakeIntake().batch([b"bad", b"worse"], first_offset=2)

    def first_half_arrives() -> None:
        outbox.on_publish = lambda: None
        half = outbox.published["chat.logs.dlq", 0][-1]
        headers = dict(half.headers) | {topics.HEADER_OFFSET: b"2"}
        outbox.published["chat.logs.dlq", 0].append(OutRecord(None, b"bad", tuple(headers.items())))
        raise Retryable("the answer was lost")

    outbox.on_publish = first_half_arrives
    intake = FakeIntake()
    written_half.intake = intake
    await written_half.settle(agent.handle)

    letters = outbox.published["chat.logs.dlq", 0]
    assert [dict(letter.headers)[topics.HEADER_OFFSET] for letter in letters] == [b"1", b"2", b"3"]
    assert (intake.waits, intake.order) == (["Retryable"], [written_half])


async def test_a_batch_that_comes_again_counts_once_for_the_limit() -> None:
    outbox, intake = FakeOutbox(), FakeIntake()
    agent = _agent(outbox, limits=DeadLetterSettings(max_run=3))
    taken_away, again = intake.batch([b"x"] * 2), intake.batch([b"x"] * 2)
    outbox.on_publish = taken_away.abandon

    await taken_away.settle(agent.handle)
    await again.settle(agent.handle)

    assert (intake.halted, intake.order) == ([], [again])


async def test_a_defect_of_the_decoder_costs_its_message_alone_and_tells_nothing_a_user_typed() -> None:
    outbox = FakeOutbox()

    counts = await _agent(outbox, decoder=_BrokenDecoder()).handle(FakeIntake().batch([_log("a")]))

    (letter,) = outbox.published["chat.logs.dlq", 0]
    assert letter.value == _log("a")
    assert dict(letter.headers)[topics.HEADER_DETAIL] == b"ZeroDivisionError"
    assert counts == Ledger(0, messages=1, dead_messages=1)


async def test_exchanges_of_a_message_that_was_sent_back_keep_the_ids_of_its_first_place() -> None:
    outbox = FakeOutbox()
    nameless = json.dumps(
        {key: value for key, value in json.loads(_log("e")).items() if key != "id"}
    ).encode()
    origin = [(topics.HEADER_ORIGIN, b"chat.logs/2/17")]
    batch = FakeIntake().batch([nameless] * 4, first_offset=5)
    batch.messages = [
        FakeMessage(5, nameless),
        FakeMessage(6, nameless, headers=origin),
        FakeMessage(7, nameless, headers=origin),
        FakeMessage(8, nameless, headers=[(topics.HEADER_ORIGIN, b"no place")]),
    ]

    await _agent(outbox).handle(batch)

    assert [(v.event_id, v.source_offset) for v in _verdicts(outbox)] == [
        ("chat.logs-0-5", 5),
        ("chat.logs-2-17", 6),
        ("chat.logs-2-17", 7),
        ("chat.logs-0-8", 8),
    ]


def _requests(outbox: FakeOutbox, topic: str = "safety.judge_requests") -> list[JudgeRequest]:
    return [JudgeRequest.from_bytes(r.value or b"") for r in outbox.published[topic, 0]]


async def test_while_nobody_judges_no_text_is_put_aside_and_every_verdict_says_so() -> None:
    outbox = FakeOutbox()
    batch = FakeIntake().batch([_log("a", "x" * 900)])

    await _agent(outbox).handle(batch)

    (verdict,) = _verdicts(outbox)
    assert (verdict.judge_decision, verdict.judge_probability, verdict.judge_policy) == ("off", 0.0, "")
    assert (_requests(outbox), batch.strata, batch.asked) == ([], {}, 0)


async def test_every_verdict_says_whether_a_judge_is_asked_and_those_that_say_so_have_their_question() -> (
    None
):
    outbox = FakeOutbox()
    values = [_log(f"e{n}", "x" * (900 if n % 10 == 0 else 10)) for n in range(200)]
    batch = FakeIntake().batch(values)

    await _agent(outbox, policy=a_policy()).handle(batch)

    verdicts, requests = _verdicts(outbox), _requests(outbox)
    said = {v.event_id: v for v in verdicts}
    assert [r.event_id for r in requests] == [v.event_id for v in verdicts if v.judge_decision == "asked"]
    assert {v.judge_policy for v in verdicts} == {"abcdef012345"}
    assert {v.judge_probability for v in verdicts if v.prompt_harmful} == {1.0}
    assert {v.judge_probability for v in verdicts if not v.prompt_harmful} == {0.25}
    assert {said[r.event_id].judge_probability == r.probability for r in requests} == {True}
    assert {r.reason for r in requests if r.probability == 1} == {"harmful_not_refused"}
    assert batch.strata == {"harmful_not_refused": 20, "sample/benign/answered": 180}
    assert batch.asked == len(requests)


async def test_a_retry_and_a_replay_decide_the_same_and_a_replay_asks_elsewhere() -> None:
    live, replayed = FakeOutbox(), FakeOutbox()
    values = [_log(f"e{n}") for n in range(100)]
    agent = _agent(live, policy=a_policy())
    await agent.handle(FakeIntake().batch(values))
    first = list(_requests(live))
    await agent.handle(FakeIntake().batch(values))
    backfill = _agent(replayed, policy=a_policy(), requests_topic="safety.judge_requests.backfill")
    await backfill.handle(FakeIntake().batch(list(reversed(values)), first_offset=5_000))

    assert _requests(live) == first * 2
    assert {r.event_id for r in _requests(replayed, "safety.judge_requests.backfill")} == {
        r.event_id for r in first
    }
    assert _requests(replayed) == []


async def test_a_question_is_written_before_the_verdict_that_says_it_is_asked() -> None:
    """A worker that dies between the two leaves a question without a verdict, never a verdict that says what isn't so."""
    outbox = FakeOutbox()
    batch = FakeIntake().batch([_log("a", "x" * 900)])

    def dies() -> None:
        if outbox.published["safety.judge_requests", 0]:
            raise Retryable("gone")

    outbox.on_publish = dies
    with pytest.raises(Retryable):
        await _agent(outbox, policy=a_policy()).handle(batch)

    assert ([r.event_id for r in _requests(outbox)], _verdicts(outbox)) == (["a"], [])


async def test_what_was_not_scored_is_not_judged_and_says_so() -> None:
    outbox = FakeOutbox()

    await _agent(outbox, sample=1e-9, policy=a_policy()).handle(FakeIntake().batch([_log("a")]))

    (verdict,) = _verdicts(outbox)
    assert (verdict.status, verdict.judge_decision, verdict.judge_probability) == ("skipped", "unscored", 0.0)
