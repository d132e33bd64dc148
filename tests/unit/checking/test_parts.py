"""What the checks conclude from what Kafka says."""

from __future__ import annotations

import asyncio

import pytest

from monitor.adapters.kafka_admin import Commit, Range
from monitor.checking.judging import idle_group_check, lag
from monitor.checking.outcomes import PartCheck
from monitor.checking.parts import all_checks, group_check, limit_checks, topic_checks
from monitor.errors import Misconfigured, Retryable
from monitor.kafka_settings import KafkaSettings
from monitor.settings import load

KAFKA = KafkaSettings()
ALL = {
    **dict.fromkeys(
        ("chat.logs", "chat.logs.backfill", "safety.verdicts", "chat.logs.dlq", "safety.verdicts.dlq"), 4
    ),
    **dict.fromkeys(
        (
            "safety.judge_requests",
            "safety.judge_requests.backfill",
            "safety.judge_requests.dlq",
            "safety.judgements",
            "safety.judgements.dlq",
        ),
        4,
    ),
    **dict.fromkeys(
        (
            "safety.control",
            "safety.alerts",
            "safety.alert_actions",
            "safety.alert_deliveries",
            "safety.judge_policies",
            "safety.audits",
            "safety.audit_requests",
            "safety.calibrations",
        ),
        1,
    ),
}


def states(checks: list[PartCheck]) -> list[str]:
    return [check.state for check in checks]


def test_all_topics_with_as_many_partitions_are_well() -> None:
    assert states(topic_checks(KAFKA, ALL)) == ["ok"] * 18


def test_a_missing_topic_fails_with_how_to_make_it() -> None:
    checks = topic_checks(KAFKA, {"chat.logs": 4})
    assert {check.check: check.state for check in checks} == {
        "topic chat.logs": "ok",
        "topic chat.logs.backfill": "warning",
        "topic safety.verdicts": "failed",
        "topic chat.logs.dlq": "failed",
        "topic safety.verdicts.dlq": "failed",
        "topic safety.control": "warning",
        "topic safety.alerts": "warning",
        "topic safety.alert_actions": "warning",
        "topic safety.alert_deliveries": "warning",
        "topic safety.judge_requests": "warning",
        "topic safety.judge_requests.backfill": "warning",
        "topic safety.judge_requests.dlq": "warning",
        "topic safety.judgements": "warning",
        "topic safety.judgements.dlq": "warning",
        "topic safety.judge_policies": "warning",
        "topic safety.audits": "warning",
        "topic safety.audit_requests": "warning",
        "topic safety.calibrations": "warning",
    }
    assert all("start the workers" in check.remedy for check in checks[1:])


def test_a_topic_with_other_partitions_than_the_chat_logs_is_a_warning() -> None:
    checks = topic_checks(KAFKA, {**ALL, "safety.verdicts": 2})
    assert [check.check for check in checks if check.state == "warning"] == ["topic safety.verdicts"]
    assert states(checks).count("ok") == 17


def limits(chat: int, letters: int, stamp: str = "LogAppendTime") -> list[PartCheck]:
    return limit_checks(
        KAFKA,
        {
            "chat.logs": {"max.message.bytes": str(chat), "message.timestamp.type": stamp},
            "chat.logs.dlq": {"max.message.bytes": str(letters)},
        },
    )


def test_limits_that_fit_are_well() -> None:
    assert states(limits(1_000_000, 1_065_536)) == ["ok"]


def test_a_topic_that_takes_more_than_the_workers_fails_with_the_setting() -> None:
    (check, *_) = limits(50_000_000, 60_000_000)
    assert (check.state, "WATCHKEEPER_KAFKA__MAX_MESSAGE_BYTES=50000000" in check.remedy) == ("failed", True)


def test_a_dead_letter_topic_that_can_not_hold_the_largest_message_fails() -> None:
    (check,) = limits(1_000_000, 1_000_000)
    assert (check.state, check.remedy) == (
        "failed",
        "set max.message.bytes of chat.logs.dlq to at least 1065536",
    )


def test_arrival_by_the_producers_clock_is_a_warning() -> None:
    assert states(limits(1_000_000, 2_000_000, "CreateTime")) == ["ok", "warning"]


def test_a_group_nobody_is_in_fails_with_what_waits() -> None:
    check = group_check("storage", "watchkeeper.storage", members=0, lag=1_234)
    assert (check.state, check.facts) == (
        "failed",
        "group watchkeeper.storage has no member; 1,234 messages wait",
    )
    assert group_check("storage", "g", members=2, lag=0).facts == "group g: 2 members, 0 messages wait"


def test_a_backfill_topic_is_held_to_the_same_limits() -> None:
    configs = {
        "chat.logs": {"max.message.bytes": "1000000", "message.timestamp.type": "LogAppendTime"},
        "chat.logs.backfill": {"max.message.bytes": "2000000", "message.timestamp.type": "CreateTime"},
        "chat.logs.dlq": {"max.message.bytes": "1065536"},
    }
    assert [(check.state, check.check) for check in limit_checks(KAFKA, configs)] == [
        ("failed", "message size of chat.logs.dlq"),
        ("warning", "arrival times of chat.logs.backfill"),
    ]


def test_backfill_that_nobody_takes_is_a_warning_and_none_is_well() -> None:
    waits = idle_group_check("backfill", "g", members=0, lag=7)
    assert (waits.state, waits.facts, waits.remedy) == (
        "warning",
        "group g has no member; 7 messages wait",
        "start workers with the role: `python -m workers --roles backfill`",
    )
    assert idle_group_check("backfill", "g", members=0, lag=0).state == "ok"
    assert idle_group_check("backfill", "g", members=1, lag=7).facts == "group g: 1 member, 7 messages wait"


def test_lag_counts_what_is_still_there_and_unread() -> None:
    ranges = {0: Range(0, 10), 1: Range(5, 9), 2: Range(3, 3)}
    assert lag(ranges, {0: Commit(7, ""), 1: Commit(2, "")}) == 3 + 4


@pytest.mark.parametrize(
    "trouble", [Retryable("ClickHouse is away"), Misconfigured("ClickHouse is away", "do this")]
)
async def test_every_part_is_asked_whatever_fails(trouble: Exception) -> None:
    async def store() -> list[PartCheck]:
        raise trouble

    settings = load({"WATCHKEEPER_KAFKA__BOOTSTRAP": "127.0.0.1:9", "WATCHKEEPER_TRITON__URL": "127.0.0.1:9"})
    checks = await all_checks(settings, store)
    assert [(check.part, check.state) for check in checks] == [
        ("kafka", "failed"),
        ("triton", "failed"),
        ("clickhouse", "failed"),
    ]
    assert checks[2].facts == "ClickHouse is away"
    assert all(check.remedy for check in checks)


async def test_a_part_that_never_answers_is_given_up() -> None:
    async def store() -> list[PartCheck]:
        await asyncio.Event().wait()
        return []

    settings = load({"WATCHKEEPER_KAFKA__BOOTSTRAP": "127.0.0.1:9", "WATCHKEEPER_TRITON__URL": "127.0.0.1:9"})
    checks = await all_checks(settings, store, deadline_s=0.2)
    assert checks[-1].facts == "no answer within 0.2 s"
