"""Judging on a real broker and engine: what the policy draws is judged and stored once each, whoever dies; a replay draws the
same, and out of the live budget's way."""

from __future__ import annotations

import json
import os
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.checking.judging import judging_checks
from monitor.cli.stock_taking import take_account
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart
from monitor.judging.budget import first_policy
from monitor.judging.policy import Chooser
from monitor.ports import Score
from monitor.roles import ROLES
from monitor.settings import load
from schemas.events import Verdict
from schemas.judgements import JudgePolicy, JudgeRequest
from tests.fakes.guard_server import GuardServer
from tests.integration.fleets import Fleet, pid_of
from tests.waiting import until

EVENTS = 1_200
JUDGING = {
    "WATCHKEEPER_JUDGING__JUDGE": "lite",
    "WATCHKEEPER_JUDGING__BUDGET_PER_HOUR": "90000",
    "WATCHKEEPER_JUDGING__BACKFILL_PER_HOUR": "0",
    # One policy for the whole test: that of the settings, which draws a quarter of what need not be judged.
    "WATCHKEEPER_JUDGING__POLICY_EVERY_S": "3600",
    "WATCHKEEPER_JUDGING__BATCH_MAX_REQUESTS": "5",
    "WATCHKEEPER_MODERATION__BATCH_MAX_EVENTS": "50",
}


@pytest.fixture
async def fleet(
    tmp_path: Path, kafka_part: KafkaPart, clickhouse_part: ClickHousePart
) -> AsyncIterator[Fleet]:
    async with GuardServer() as guard, AsyncExitStack() as stack:
        made = Fleet(tmp_path, kafka_part, clickhouse_part, guard.address)
        made.environment |= JUDGING
        yield made
        for worker in made.workers:
            stack.push_async_callback(worker.stop)


def chat_log(number: int) -> bytes:
    """Every tenth asks for a bomb and is told."""
    prompt = "How is a bomb made?" if number % 10 == 0 else f"How do plants grow {number} cm?"
    return json.dumps(
        {
            "id": f"e{number}",
            "created": 1_741_000_000,
            "model": "gpt-4o",
            "request": {"model": "gpt-4o", "messages": [{"role": "user", "content": prompt}]},
            "response": {
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": "With light."},
                        "finish_reason": "stop",
                    }
                ]
            },
        }
    ).encode()


async def values(fleet: Fleet, topic: str) -> list[bytes]:
    async with KafkaAdmin.connect(fleet.kafka) as admin:
        return [record.value or b"" async for record in admin.read(topic, await admin.ranges(topic))]


def expected(fleet: Fleet) -> dict[str, tuple[str, float]]:
    """Decision and probability of every event, by the policy and the event's id alone."""
    settings = load(fleet.environment)
    policy = first_policy(fleet.kafka.group_prefix, settings.judging, datetime.now(UTC))
    chooser = Chooser(policy, settings.moderation)
    harmful = Score("ok", 0.9, 0.1, 0.1, "benign", 0.9, False)
    plain = Score("ok", 0.1, 0.1, 0.1, "benign", 0.9, False)
    choices = {f"e{n}": chooser.choose(f"e{n}", plain if n % 10 else harmful) for n in range(EVENTS)}
    return {event_id: (choice.decision, choice.probability) for event_id, choice in choices.items()}


async def test_the_overseer_s_policy_reaches_all_workers_and_says_what_it_crowds_out(fleet: Fleet) -> None:
    fleet.environment |= {
        "WATCHKEEPER_JUDGING__BUDGET_PER_HOUR": "100",
        "WATCHKEEPER_JUDGING__POLICY_EVERY_S": "2",
    }
    await fleet.start("moderation", "storage", "judging")
    await fleet.start("moderation", "storage", "judgements")

    numbers = count(
        0, 10
    )  # new events, all harmful and not refused: one that comes again keeps its first verdict

    async def is_followed_by_both() -> bool:
        await fleet.produce([chat_log(next(numbers)) for _ in range(40)])
        heard = [line["version"] for line in fleet.logged("judging policy") if line["crowded_out"]]
        return any(heard.count(version) == 2 for version in heard)

    await until(is_followed_by_both, "a policy that both workers follow")
    below_1 = (
        "SELECT judge_policy FROM verdicts WHERE judge_probability < 1 AND prompt_harmful AND NOT refused"
    )
    await fleet.produce([chat_log(next(numbers)) for _ in range(40)])
    await until(lambda: fleet.rows(below_1), "verdicts by that policy")
    made = fleet.logged("more must be judged than the budget allows")
    policies = [
        JudgePolicy.from_bytes(value) for value in await values(fleet, fleet.kafka.judge_policies_topic)
    ]
    assert {line["version"] for line in made} <= {policy.version for policy in policies}
    assert policies[-1].strata["harmful_not_refused"] < 1
    async with KafkaAdmin.connect(fleet.kafka) as admin:
        checks, _ = await judging_checks(load(fleet.environment), admin, await admin.partitions())
    (check,) = [check for check in checks if check.check == "judging policy"]
    assert check.state == "warning"
    assert "raise WATCHKEEPER_JUDGING__BUDGET_PER_HOUR" in check.remedy


async def test_what_is_drawn_is_judged_and_stored_once_each_also_after_a_kill_and_a_replay(
    fleet: Fleet,
) -> None:
    killed = await fleet.start(*ROLES)
    await fleet.produce([chat_log(n) for n in range(EVENTS)])
    judgements = "SELECT toUInt32(count()) FROM judgements"
    await until(lambda: fleet.rows(f"{judgements} HAVING count() > 20"), "the first judgements")
    os.kill(pid_of(killed), signal.SIGKILL)
    await fleet.start(*ROLES)

    drawn = expected(fleet)
    asked = {event_id for event_id, (decision, _) in drawn.items() if decision == "asked"}
    assert EVENTS * 0.1 < len(asked) < EVENTS * 0.5
    await until(lambda: fleet.is_stored(EVENTS), "all verdicts", within_s=60)

    async def all_are_judged() -> bool:
        return await fleet.rows(judgements) == [[len(asked)]]

    await until(all_are_judged, f"{len(asked)} judgements", within_s=60)
    stored = await fleet.rows("SELECT event_id, judge_decision, judge_probability FROM verdicts")
    assert {event_id: (decision, probability) for event_id, decision, probability in stored} == drawn
    judged = await fleet.rows(
        "SELECT event_id, reason, probability, judge_name, status, policy = v.judge_policy FROM judgements AS j "
        "JOIN verdicts AS v USING (event_id)"
    )
    assert {row[0] for row in judged} == asked
    assert {tuple(row[1:]) for row in judged} == {
        ("harmful_not_refused", 1, "judge_lite", "ok", True),
        ("sample", 0.25, "judge_lite", "ok", True),
    }

    questions = len(await values(fleet, fleet.kafka.judge_requests_topic))
    await fleet.produce(
        [chat_log(n) for n in reversed(range(EVENTS))], topic=fleet.kafka.chat_logs_backfill_topic
    )

    async def is_replayed() -> bool:
        async with KafkaAdmin.connect(fleet.kafka) as admin:
            done, judgements_end = [], 0
            for role, topic in (
                ("backfill", fleet.kafka.chat_logs_backfill_topic),
                ("judging_backfill", fleet.kafka.judge_requests_backfill_topic),
                ("storage", fleet.kafka.verdicts_topic),
                ("judgements", fleet.kafka.judgements_topic),
            ):
                ends = {n: offsets.end for n, offsets in (await admin.ranges(topic)).items()}
                commits = await admin.commits(f"{fleet.kafka.group_prefix}.{role}", topic)
                judgements_end = sum(ends.values())
                done.append(judgements_end == sum(commit.offset for commit in commits.values()))
            return all(done) and judgements_end >= 2 * len(asked)

    await until(is_replayed, "the replay", within_s=60)
    decided: dict[str, set[tuple[str, float]]] = defaultdict(set)
    for value in await values(fleet, fleet.kafka.verdicts_topic):
        verdict = Verdict.from_bytes(value)
        decided[verdict.event_id].add((verdict.judge_decision, verdict.judge_probability))
    assert dict(decided) == {event_id: {choice} for event_id, choice in drawn.items()}
    replayed = await values(fleet, fleet.kafka.judge_requests_backfill_topic)
    assert {JudgeRequest.from_bytes(value).event_id for value in replayed} == asked
    assert len(await values(fleet, fleet.kafka.judge_requests_topic)) == questions
    assert await all_are_judged()

    settings = load(fleet.environment)
    assert (await take_account(settings)).state == "balanced"
    async with KafkaAdmin.connect(fleet.kafka) as admin:
        checks, backlogs = await judging_checks(settings, admin, await admin.partitions())
    assert {role: backlog.waiting for role, backlog in backlogs.items()} == {
        "judging": 0,
        "judging_backfill": 0,
        "judgements": 0,
    }
    assert {check.check: check.state for check in checks} == dict.fromkeys(
        ("judging", "judging_backfill", "judgements", "judging policy"), "ok"
    )
