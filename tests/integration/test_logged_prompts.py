"""Logged prompts from the store: by the guard's labels and by the judge's, with what each stands for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from monitor.adapters.clickhouse import ClickHouse
from monitor.adapters.logged_prompts import StoredPrompts
from monitor.embedded.clickhouse import ClickHousePart
from monitor.recalibration import desk
from monitor.recalibration.ports import Logs
from schemas.events import Verdict
from tests.stores import NOW, new_store, unanswered, verdict
from tests.unit.recalibration.logs import ONE, token
from tests.unit.recalibration.policies import a_policy

NAME = "m'; DROP TABLE verdict_rows --\n\\\t\x00☃"
HOUR = timedelta(hours=1)
TOKEN_OF_FIXTURE = verdict("x").refusal_token
TOKEN = token(ONE, [1.0, 0.5], emitted="[refuse]", calibration_version=4)


def of(event_id: str, minutes: float, **given: Any) -> Verdict:
    return verdict(
        event_id, minutes, **{"model": NAME, "refusal_token": TOKEN, "calibration_version": 4, **given}
    )


def judged(one: Verdict, probability: float, decision: str = "asked") -> bytes:
    return json.dumps(
        json.loads(one.to_bytes()) | {"judge_decision": decision, "judge_probability": probability}
    ).encode()


def judgement(event_id: str, should_refuse: float, refusal_class: str, category: str) -> bytes:
    at = NOW.isoformat()
    return json.dumps(
        {
            "event_id": event_id, "tenant": "t", "model": NAME, "occurred_at": at, "arrived_at": at, "judged_at": at,
            "source_topic": "chat.logs", "reason": "sample", "probability": 0.5, "policy": "p", "judge_name": "j",
            "judge_version": "1", "rubric_hash": "h", "status": "ok", "category": category, "should_refuse": should_refuse,
            "refusal_class": refusal_class, "truncated": False, "not_judged": {}, "schema_version": 1,
        }
    ).encode()  # fmt: skip


@pytest.fixture
async def store(clickhouse_part: ClickHousePart) -> AsyncIterator[ClickHouse]:
    async with new_store(clickhouse_part.address) as made:
        yield made


async def test_prompts_are_those_of_the_model_and_the_time_each_with_what_it_stands_for(
    store: ClickHouse,
) -> None:
    await store.insert(
        [
            judged(
                of("a", 1, prompt_harmful=True, refused=True, category="cyberattacks", context_turns=2), 0.5
            ),
            judged(of("b", 2, prompt_harmful=False, refused=False, sampling_probability=0.25), 0.5),
            judged(of("c", 3, prompt_harmful=False, refused=False), 0.5, "sampled_out"),
            judged(of("d", 4, refusal_token=None), 0.5),
            unanswered("e", 5, model=NAME).to_bytes(),
            of("out", 6, sampling_decision="sampled_out").to_bytes(),
            of("replayed", 7, source_topic="chat.logs.backfill").to_bytes(),
            of("other", 8, model="m").to_bytes(),
            of("early", -1).to_bytes(),
            of("late", 60).to_bytes(),
            judged(
                of("a", 1, prompt_harmful=True, refused=True, category="cyberattacks", context_turns=2), 0.5
            ),
        ]
    )
    await store.insert_into(
        "judgement_rows",
        [
            judgement("a", 0.2, "direct_refusal", "benign"),
            judgement("b", 0.9, "full_compliance", "violence_physical_harm"),
        ],
    )
    guard, judge = (
        a_policy(logged_as=NAME, context_turns=10, labels=by, severity={"violence_physical_harm": 0.25})
        for by in ("guard", "judge")
    )
    prompts = StoredPrompts(store, "chat.logs", 100)

    by_guard = await prompts.logged(guard, NOW, NOW + HOUR)
    assert (by_guard.rows[-1].at, by_guard.rows[-1].context_turns) == (NOW + timedelta(minutes=1), 2)
    assert [(row.is_harmful, row.is_refused, row.inclusion) for row in by_guard.rows] == [
        (None, None, 1.0), (True, True, 1.0), (False, False, 1.0), (False, False, 0.25), (True, True, 1.0),
    ]  # fmt: skip
    assert [row.token for row in by_guard.rows] == [TOKEN_OF_FIXTURE, None, TOKEN, TOKEN, TOKEN]
    assert (by_guard.since, by_guard.until, by_guard.is_cut) == (NOW, NOW + HOUR, False)

    by_judge = await prompts.logged(judge, NOW, NOW + HOUR)
    assert [(row.is_harmful, row.is_refused, row.inclusion, row.severity) for row in by_judge.rows] == [
        (None, None, 0.25, 1.0), (None, None, 0.5, 1.0), (True, False, 0.125, 0.25), (False, True, 0.5, 1.0),
    ]  # fmt: skip

    cut = await StoredPrompts(store, "chat.logs", 2).logged(guard, NOW, NOW + HOUR)
    assert cut == Logs(by_guard.rows[:2], NOW + timedelta(minutes=4), NOW + HOUR, is_cut=True)

    assert [line.split(":")[1].split("(")[1] for line in desk.missing(guard, by_guard)] == [
        "other_model",
        "record",
    ]
