"""What is remembered of a fleet: enough to judge by, and no more, however long and large it gets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from monitor.alert_kind import AlertKind
from monitor.conditions import Condition
from monitor.fleet import MOST_WORKERS, REACHES_BACK_S, Fleet, GroupView, Offsets
from monitor.health import fleet_findings, worker_findings
from monitor.health_settings import HealthSettings
from tests.unit.health.statuses import partition, role, worker

T = 1_741_000_000.0
HEALTH = HealthSettings()
STILL: dict[str, Any] = {"position": 10, "end": 20, "still_s": 50.0}


def fleet() -> Fleet:
    return Fleet("watchkeeper", HEALTH)


def view(name: str = "moderation") -> GroupView:
    topic = role(name).topic
    offsets = {0: Offsets(0, 20, 10)}
    return GroupView(name, topic, f"watchkeeper.{name}", True, frozenset({0}), offsets)


def found(known: Fleet, now_s: float) -> list[AlertKind]:
    return [finding.condition for finding in fleet_findings(known, now_s)]


def test_workers_of_another_fleet_are_passed_over() -> None:
    known = fleet()
    known.hear(worker(role("moderation", partition(**STILL)), fleet="staging"), T)
    known.look([view()], T)
    assert (known.workers, found(known, T + 30)) == ({}, [])


def test_a_stalled_partition_is_told_with_its_worker_and_what_it_waits_for() -> None:
    known = fleet()
    stuck = partition(**STILL, in_flight=1, doing="guard", trouble="the guard failed 5 calls in a row")
    known.hear(worker(role("moderation", stuck, breaker="open")), T)
    known.look([view()], T)
    (finding,) = fleet_findings(known, T)
    assert finding.title == (
        "moderation has made no progress in partition 0 of chat.logs for 50 s, waiting for the guard"
    )
    assert finding.facts == {
        "partitions": "0",
        "workers": "host-1-abcd",
        "waiting": 10,
        "still_s": 50.0,
        "waits_for": "the guard",
        "trouble": "the guard failed 5 calls in a row",
        "breaker": "open",
    }
    assert finding.since_s == T - 50


@pytest.mark.parametrize("doing", ["", "retry", "decode"])
def test_a_stalled_partition_between_two_tries_waits_for_what_the_last_one_failed_at(doing: str) -> None:
    known = fleet()
    stuck = partition(**STILL, doing=doing, failed_at="guard", trouble="the guard didn't answer")
    known.hear(worker(role("moderation", stuck)), T)
    known.look([view()], T)
    (finding,) = fleet_findings(known, T)
    assert finding.facts["waits_for"] == "the guard"


def test_one_cause_is_one_finding_however_many_workers_and_partitions_it_stops() -> None:
    known = fleet()
    for number in range(40):
        stuck = partition(number, **STILL, doing="guard")
        known.hear(worker(role("moderation", stuck), worker=f"host-{number:02}"), T)
    known.look([view()], T)
    (finding,) = fleet_findings(known, T)
    assert len(finding.concerned) == 40
    assert finding.facts["partitions"] == "0-39"
    assert finding.facts["workers"] == "host-00, host-01, host-02, host-03, host-04 and 35 more"


def test_backfill_that_gives_way_is_not_stalled_unless_it_has_begun() -> None:
    known = fleet()
    known.hear(worker(role("backfill", partition(**STILL))), T)
    known.look([view("backfill")], T)
    assert found(known, T) == []
    known.hear(worker(role("backfill", partition(**STILL, in_flight=1, doing="guard"))), T + 5)
    assert found(known, T + 5) == [Condition.WORKER_STALLED]


def test_offsets_without_messages_at_the_logs_end_are_no_stall() -> None:
    known = fleet()
    for second in range(0, 300, 5):
        known.hear(worker(role("moderation", partition(position=10, end=10))), T + second)
        known.look([view()], T + second)
    assert found(known, T + 295) == []


def test_a_worker_that_comes_back_from_a_long_freeze_does_not_speak_for_what_another_has_taken_over() -> None:
    known = fleet()
    known.hear(worker(role("moderation", partition(position=15, end=20, still_s=1)), worker="b"), T)
    known.hear(worker(role("moderation", partition(**STILL)), worker="a"), T + 1)
    known.look([view()], T + 1)
    assert found(known, T + 1) == []


def test_who_takes_over_what_nobody_owned_for_long_has_time_to_commit() -> None:
    known = fleet()
    for second in range(0, 300, 3):
        owned = frozenset({0}) if second > 250 else frozenset[int]()
        known.look([replace(view(), owned=owned)], T + second)
    assert found(known, T + 297) == [Condition.GROUP_STALLED]
    assert known.uncommitted_s("watchkeeper.moderation", 0) == 48


def test_a_stall_is_not_counted_from_a_silence_of_its_worker() -> None:
    known = fleet()
    known.hear(worker(role("moderation", partition())), T)
    for second in range(100, 141, 5):  # it was frozen, or Kafka was away, since T
        known.hear(worker(role("moderation", partition(position=10, end=20, still_s=second))), T + second)
        known.look([view()], T + second)
        assert found(known, T + second) == ([] if second < 140 else [Condition.WORKER_STALLED])


def test_the_first_commit_after_a_long_stall_has_its_time_too() -> None:
    known = fleet()
    for second in range(0, 100, 5):
        known.hear(worker(role("moderation", partition(position=10, end=20, still_s=second))), T + second)
        known.look([view()], T + second)
    known.hear(worker(role("moderation", partition(position=20, end=20))), T + 100)
    known.look([view()], T + 100)  # done, and its commit is on the way
    assert found(known, T + 100) == []


def test_partitions_of_a_member_that_says_nothing_and_commits_nothing_are_stalled() -> None:
    known = fleet()
    for second in range(0, 60, 3):
        known.look([view()], T + second)
    (finding,) = fleet_findings(known, T + 57)
    assert finding.condition == Condition.GROUP_STALLED
    assert "its owner says nothing of itself" in finding.title
    assert finding.facts == {"partitions": "0", "without_status": "0", "waiting": 10}


def test_a_worker_that_can_not_start_is_named_where_nobody_owns_its_partitions() -> None:
    known = fleet()
    nobody = GroupView(
        "moderation", "chat.logs", "watchkeeper.moderation", True, frozenset(), {0: Offsets(0, 5, 0)}
    )
    for second in range(0, 21, 3):
        known.hear(worker(state="starting", waits_for="Triton"), T + second)
        known.look([nobody], T + second)
    (finding,) = fleet_findings(known, T + 18)
    assert finding.title == "nobody owns partition 0 of chat.logs for moderation; 5 messages wait"
    assert "host-1-abcd waits for Triton" in finding.remedy


def test_a_role_that_nobody_needs_may_be_unowned_until_something_waits() -> None:
    known = fleet()
    for waiting in (0, 5):
        nobody = GroupView(
            "backfill",
            "b",
            "watchkeeper.backfill",
            True,
            frozenset(),
            {0: Offsets(0, waiting, None)},
            must_be_owned=False,
        )
        for second in range(0, 21, 3):
            known.look([nobody], T + second)
        assert found(known, T + 18) == ([Condition.PARTITION_UNOWNED] if waiting else [])


def test_a_guard_that_fails_at_a_few_exchanges_a_minute_is_noticed_too() -> None:
    known = fleet()
    for minute in range(11):
        known.hear(worker(role(exchanges=minute, unanswered=minute)), T + 60 * minute)
    known.look([], T + 600)
    assert found(known, T + 600) == [Condition.GUARD_UNANSWERING]
    known.look([], T + 600 + REACHES_BACK_S)
    assert found(known, T + 600 + REACHES_BACK_S) == []


def test_counts_go_on_from_the_first_word_of_a_worker_and_begin_anew_with_a_new_one() -> None:
    known = fleet()
    known.hear(worker(role(messages=1_000, dead=900)), T)  # how it stood before we listened
    known.hear(worker(role(messages=1_100, dead=900)), T + 5)
    known.hear(worker(role(messages=0, dead=0), worker="new"), T + 5)
    known.hear(worker(role(messages=100, dead=50), worker="new"), T + 10)
    counts = known.lately(["moderation"], T + 10, least=1, of="messages")
    assert counts is not None
    assert (counts.messages, counts.dead) == (200, 50)


def test_what_is_remembered_is_bounded() -> None:
    known = fleet()
    for number in range(MOST_WORKERS + 50):
        known.hear(worker(worker=str(number)), T)
    assert len(known.workers) == MOST_WORKERS
    for second in range(0, 5_000, 5):
        known.hear(worker(role(messages=second)), T + second)
    assert len(known._counts["moderation"]) <= REACHES_BACK_S / 5 + 2
    known.look([view()], T + 5_000)
    known.look([], T + 5_003)
    assert set(known.workers) == {"host-1-abcd"}
    assert (known._unowned_s, known._uncommitted) == ({}, {})


def test_a_worker_judges_itself_by_the_same_rules() -> None:
    own = worker(
        role(
            "moderation", partition(0, **STILL), partition(1, is_halted=True, trouble="x\n  → do y", **STILL)
        ),
        role("storage", partition(0)),
    )
    assert [
        (finding.condition, finding.facts["partitions"], finding.remedy)
        for finding in worker_findings(HEALTH, own, T)
    ] == [
        (Condition.PARTITION_HALTED, "1", "do y"),
        (
            Condition.WORKER_STALLED,
            "0",
            "run `watchkeeper check`, and look for `batch waits` in the worker's log",
        ),
    ]
