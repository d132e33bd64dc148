"""Which part is slow, from two statuses of each worker."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.slow_part import Pair, pairs, slowness
from schemas.status import RoleStatus, WorkerStatus
from tests.unit.health.statuses import partition, role, worker

FULL: dict[str, Any] = {"in_flight": 4}
BEHIND: dict[str, Any] = {"position": 1_000, "end": 121_000}


def moderation(messages: int = 0, doing: dict[str, Any] | None = None, **given: Any) -> RoleStatus:
    return role("moderation", partition(**{**BEHIND, **(doing or {})}), messages=messages, **given)


def seen(before: RoleStatus, after: RoleStatus, cpu_s: float = 1.0, over_s: float = 15.0) -> list[Pair]:
    return [Pair(worker(before), worker(after, at_s=over_s, cpu_s=cpu_s), over_s)]


def test_a_role_at_its_limit_waits_for_the_stage_that_takes_the_time() -> None:
    before = moderation(0, spent_s={"decode": 10.0, "guard": 10.0, "write": 10.0, "turn": 10.0}, **FULL)
    after = moderation(
        2_000 * 15, spent_s={"decode": 11.0, "guard": 28.6, "write": 10.4, "turn": 99.0}, **FULL
    )
    told = slowness("moderation", seen(before, after))
    assert told.sentence == (
        "moderation is 120,000 messages behind (60 s at its pace) and waits for the guard: "
        "93% of its batches' time in the last 15 s"
    )
    assert {stage: round(share, 2) for stage, share in told.shares.items()} == {
        "guard": 0.93,
        "decode": 0.05,
        "write": 0.02,
    }


@pytest.mark.parametrize(
    ("name", "stage", "part"),
    [
        ("moderation", "write", "writing to Kafka"),
        ("moderation", "decode", "its worker's own processor (decoding)"),
        ("storage", "write", "ClickHouse"),
        ("storage", "decode", "its worker's own processor (decoding)"),
        ("backfill", "guard", "the guard"),
    ],
)
def test_each_stage_is_named_as_the_part_it_waits_for(name: str, stage: str, part: str) -> None:
    before = role(name, partition(**BEHIND), **FULL)
    after = role(name, partition(**BEHIND), spent_s={stage: 9.0, "turn": 50.0}, messages=10, **FULL)
    told = slowness(name, seen(before, after))
    assert (told.verdict, told.part) == ("stage", part)
    assert f"waits for {part}: 100%" in told.sentence


def test_a_worker_that_uses_a_whole_core_waits_for_that_whatever_its_batches_seem_to_wait_for() -> None:
    after = moderation(1_000, spent_s={"guard": 40.0}, **FULL)
    told = slowness("moderation", seen(moderation(0, **FULL), after, cpu_s=14.6))
    assert told.verdict == "cpu"
    assert told.sentence.endswith(
        "waits for its worker's own processor: 97% of a core in the last 15 s; run more workers"
    )


def test_a_role_that_is_behind_and_not_at_its_limit_waits_for_its_reading() -> None:
    after = moderation(1_000, spent_s={"guard": 2.0}, in_flight=1)
    told = slowness("moderation", seen(moderation(0, in_flight=1), after))
    assert told.sentence.endswith("has room for more batches: it waits for reading from Kafka")


def test_partitions_that_are_set_aside_say_why() -> None:
    aside: dict[str, Any] = {"trouble": "no answer of Triton at t:8001\n  → start it", "still_s": 30.0}
    told = slowness("moderation", seen(moderation(doing=aside), moderation(doing=aside)))
    assert told.sentence == (
        "moderation is 120,000 messages behind and tries again and again: no answer of Triton at t:8001"
    )


def test_batches_that_wait_for_their_next_try_say_why_the_last_one_failed() -> None:
    trying: dict[str, Any] = {
        "trouble": "ClickHouse is away",
        "in_flight": 2,
        "doing": "retry",
        "still_s": 9.0,
    }
    told = slowness(
        "moderation",
        seen(moderation(doing=trying, **FULL), moderation(doing=trying, spent_s={"retry": 30.0}, **FULL)),
    )
    assert (told.verdict, told.part) == ("trouble", "ClickHouse is away")


def test_a_role_that_works_off_what_waits_within_seconds_keeps_up() -> None:
    behind: dict[str, Any] = {"position": 0, "end": 4_000}
    told = slowness("moderation", seen(moderation(), moderation(15_000, behind)))
    assert told.sentence == "moderation keeps up; 4,000 messages are on their way"
    idle = slowness("moderation", seen(role("moderation", partition()), role("moderation", partition())))
    assert idle.sentence == "moderation keeps up"


def test_what_has_only_just_come_is_not_behind() -> None:
    just_come: dict[str, Any] = {"position": 0, "end": 900, "still_s": 0.4}
    assert slowness("moderation", seen(moderation(), moderation(doing=just_come))).verdict == "keeps up"


def test_messages_that_no_worker_owns_have_no_reason() -> None:
    assert (
        slowness("moderation", [], lag=7).sentence
        == "moderation is 7 messages behind, and no worker says why"
    )
    assert slowness("moderation", []).sentence == "moderation keeps up"


def test_all_workers_of_a_role_count_together() -> None:
    one, two = (
        Pair(worker(moderation(0, **FULL)), worker(moderation(150, spent_s=spent, **FULL)), 15.0)
        for spent in ({"guard": 3.0}, {"write": 1.0})
    )
    told = slowness("moderation", [one, two])
    assert (told.lag, told.per_s, told.shares) == (240_000, 20.0, {"guard": 0.75, "write": 0.25})


def test_the_first_and_the_last_word_of_each_worker_that_runs_are_compared() -> None:
    def said(name: str, at_s: float, state: str = "running") -> tuple[WorkerStatus, float]:
        return worker(worker=name, at_s=at_s, state=state), at_s

    words = [
        said("a", 0, "starting"),  # it had no roles then
        said("a", 1),
        said("b", 2),
        said("c", 3),
        said("a", 6),
        said("d", 7),
        said("b", 8, "leaving"),
        said("a", 11),
    ]
    (pair,) = pairs(words)
    assert (pair.before, pair.after, pair.over_s) == (words[1][0], words[-1][0], 10.0)
