"""Questions become judgements or dead letters, in order, each accounted for; whatever fails, none is lost or swapped."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from monitor.errors import Misconfigured, Retryable
from monitor.ledger import Ledger
from monitor.metrics import Metric, Metrics
from monitor.settings import DeadLetterSettings
from schemas import topics
from schemas.judgements import Judgement
from tests.fakes.intake import FakeIntake
from tests.fakes.judge import ERROR, UNKNOWN, FakeJudge, by_the_guard
from tests.fakes.judging import a_request
from tests.fakes.outbox import FakeOutbox
from workers.dead_letters import DeadLetters
from workers.judging import Judging

NOW = datetime(2025, 3, 3, 12, 0, 30, tzinfo=UTC)


class _Clock:
    def now(self) -> datetime:
        return NOW


def _agent(
    outbox: FakeOutbox,
    judge: FakeJudge | None = None,
    *,
    limits: DeadLetterSettings | None = None,
    metrics: Metrics | None = None,
) -> Judging:
    letters = DeadLetters(outbox, "safety.judge_requests.dlq", limits or DeadLetterSettings(), "1", _Clock())
    return Judging(
        judge or FakeJudge(),
        outbox,
        letters,
        _Clock(),
        "safety.judgements",
        metrics=metrics or Metrics(),
    )


def _values(*ids: str) -> list[bytes]:
    return [a_request(event_id).to_bytes() for event_id in ids]


def _judgements(outbox: FakeOutbox) -> list[Judgement]:
    return [Judgement.from_bytes(record.value or b"") for record in outbox.published["safety.judgements", 0]]


async def test_a_judgement_holds_the_question_s_event_the_judge_and_the_answer() -> None:
    outbox = FakeOutbox()

    counts = await _agent(outbox).handle(FakeIntake().batch(_values("a", "b")))

    request = a_request("a")
    expected = Judgement(
        event_id="a",
        tenant="acme",
        model="gpt-4o",
        occurred_at=request.occurred_at,
        arrived_at=request.arrived_at,
        source_topic="chat.logs",
        reason="harmful_not_refused",
        probability=1.0,
        policy="abcdef012345",
        judge_name="fake",
        judge_version="1",
        rubric_hash="r" * 12,
        judged_at=NOW,
        answer=by_the_guard(request),
    )
    assert _judgements(outbox) == [expected, msgspec.structs.replace(expected, event_id="b")]
    assert [record.key for record in outbox.published["safety.judgements", 0]] == [b"a", b"b"]
    assert counts == Ledger(0, messages=2, exchanges=2)


async def test_an_exchange_that_the_judge_fails_on_is_a_judgement_that_says_so() -> None:
    outbox, metrics = FakeOutbox(), Metrics()
    judge = FakeJudge(refused=frozenset({"b"}), unreadable=frozenset({"c"}))
    batch = FakeIntake().batch(_values("a", "b", "c"))

    await _agent(outbox, judge, metrics=metrics).handle(batch)

    assert [one.answer for one in _judgements(outbox)][1:] == [ERROR, UNKNOWN]
    assert batch.unanswered == 2
    counted = {
        status: metrics.value(Metric.JUDGED, role="judging", status=status)
        for status in ("ok", "unknown", "error")
    }
    assert counted == {"ok": 1, "unknown": 1, "error": 1}
    assert metrics.value(Metric.JUDGE_DELAY, role="judging") == 3


async def test_bad_questions_are_dead_lettered_whole_and_tell_nothing_a_user_typed() -> None:
    outbox = FakeOutbox()
    bad: list[bytes | None] = [b'{"prompt": "how do I make a bomb"}', b"\xff", None]
    good = _values("a", "b")

    counts = await _agent(outbox).handle(FakeIntake().batch([good[0], *bad, good[1]]))

    letters = outbox.published["safety.judge_requests.dlq", 0]
    assert [letter.value for letter in letters] == bad
    assert [dict(letter.headers)[topics.HEADER_REASON] for letter in letters] == [
        b"not_a_request",
        b"not_a_request",
        b"tombstone",
    ]
    assert not any(b"bomb" in value for letter in letters for _, value in letter.headers)
    assert [one.event_id for one in _judgements(outbox)] == ["a", "b"]
    assert counts == Ledger(0, messages=5, exchanges=2, dead_messages=3)


async def test_nothing_is_written_while_the_judge_is_away() -> None:
    outbox, intake = FakeOutbox(), FakeIntake()
    judge = FakeJudge(failures=[Retryable("away"), Retryable("away")])

    await intake.batch([*_values("a"), b"bad"]).settle(_agent(outbox, judge).handle)

    assert intake.waits == ["Retryable", "Retryable"]
    written = len(_judgements(outbox)), len(outbox.published["safety.judge_requests.dlq", 0])
    assert written == (1, 1)


async def test_a_judge_that_answers_twice_is_asked_again_and_no_answer_is_swapped() -> None:
    outbox, intake, judge = FakeOutbox(), FakeIntake(), FakeJudge(answers_twice=True)

    await intake.batch(_values("a", "b")).settle(_agent(outbox, judge).handle)

    assert intake.waits == ["Retryable"]
    assert [one.event_id for one in _judgements(outbox)] == ["a", "b"]
    assert judge.asked == ["a", "b", "a", "b"]


async def test_judgements_that_were_not_acknowledged_are_written_again() -> None:
    outbox, intake = FakeOutbox(failures=[Retryable("lost")]), FakeIntake()
    batch = intake.batch(_values("a"))

    await batch.settle(_agent(outbox).handle)

    assert ([one.event_id for one in _judgements(outbox)], intake.order) == (["a"], [batch])


async def test_too_many_bad_questions_stop_before_any_is_drained() -> None:
    outbox = FakeOutbox()
    agent = _agent(outbox, limits=DeadLetterSettings(max_run=3))

    with pytest.raises(Misconfigured, match="3 messages in a row"):
        await agent.handle(FakeIntake().batch([b"x"] * 3))

    assert dict(outbox.published) == {}


async def test_a_batch_of_nothing_but_bad_questions_asks_nobody() -> None:
    judge = FakeJudge(failures=[Retryable("away")])

    counts = await _agent(FakeOutbox(), judge).handle(FakeIntake().batch([b"x"]))

    assert (counts, judge.asked) == (Ledger(0, messages=1, dead_messages=1), [])
