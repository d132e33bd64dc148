"""What the worker tells of its life and of its readiness, by a clock of the test's own."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.fakes.taker import HALTED, RESTING, WELL, FakeTaker
from workers.vitals import Check, State, Vitals


@dataclass
class Seconds:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
def vitals(clock: Seconds) -> Vitals:
    return Vitals(["Kafka", "Triton"], live_within_s=30.0, now_s=clock)


def states(checks: tuple[Check, ...]) -> dict[str, State]:
    return {check.name: check.state for check in checks}


def working(vitals: Vitals, *takers: FakeTaker) -> None:
    for part in ("Kafka", "Triton"):
        vitals.reached(part)
    vitals.watch(takers)


def test_a_worker_that_waits_for_a_part_lives_and_says_which_one_it_waits_for(
    vitals: Vitals, clock: Seconds
) -> None:
    vitals.reached("Kafka")
    clock.now += 7.5
    vitals.away("Triton", "Triton doesn't answer at triton:8001")

    assert states(vitals.live()) == {"event_loop": "ok"}
    assert vitals.ready() == (
        Check("event_loop", "ok", {"silent_s": 0.0, "limit_s": 30.0}),
        Check("Kafka", "ok"),
        Check("Triton", "waiting", {"error": "Triton doesn't answer at triton:8001", "waited_s": 7.5}),
        Check("roles", "waiting"),
    )


def test_it_is_ready_once_all_answer_and_every_role_has_joined_its_group(
    vitals: Vitals, clock: Seconds
) -> None:
    joined, joining = FakeTaker(), FakeTaker("storage", has_joined=False)
    working(vitals, joined, joining)
    before = states(vitals.ready())
    joining.has_joined = True
    vitals.beat()

    well: dict[str, State] = {"event_loop": "ok", "Kafka": "ok", "Triton": "ok", "moderation": "ok"}
    assert before == {**well, "storage": "waiting"}
    assert states(vitals.ready()) == {**well, "storage": "ok"}


def test_a_worker_without_partitions_stands_by_and_is_ready(vitals: Vitals) -> None:
    working(vitals, FakeTaker(partitions=()))
    assert states(vitals.ready())["moderation"] == "ok"


def test_trouble_that_passes_is_told_and_is_no_reason_to_be_unready(vitals: Vitals) -> None:
    working(vitals, FakeTaker(partitions=(WELL, RESTING, HALTED), breaker="open"))
    assert vitals.ready()[-1] == Check(
        "moderation",
        "ok",
        {"joined": True, "partitions": 3, "set_aside": 2, "halted": 1, "in_flight": 1, "breaker": "open"},
    )


def test_it_is_unready_where_every_partition_waits_for_a_person(vitals: Vitals, clock: Seconds) -> None:
    taker = FakeTaker(partitions=(HALTED, HALTED), last_turn_s=clock.now)
    working(vitals, taker)
    before = states(vitals.ready())["moderation"]
    taker.partitions = (HALTED, WELL)
    vitals.beat()
    assert (before, states(vitals.ready())["moderation"]) == ("failed", "ok")
    assert set(states(vitals.live()).values()) == {"ok"}


def test_an_event_loop_that_has_not_turned_in_time_is_neither_live_nor_ready(
    vitals: Vitals, clock: Seconds
) -> None:
    working(vitals, FakeTaker(last_turn_s=clock.now))
    clock.now += 30.0
    at_the_limit = states(vitals.live())["event_loop"]
    clock.now += 0.1
    late = (states(vitals.live())["event_loop"], states(vitals.ready())["event_loop"])
    vitals.beat()
    assert (at_the_limit, late) == ("ok", ("failed", "failed"))
    assert states(vitals.live())["event_loop"] == "ok"


def test_a_loop_that_takes_messages_and_no_longer_turns_is_dead(vitals: Vitals, clock: Seconds) -> None:
    stuck, turning = FakeTaker(last_turn_s=clock.now), FakeTaker("storage")
    working(vitals, stuck, turning)
    clock.now += 30.1
    turning.last_turn_s = clock.now
    vitals.beat()
    assert states(vitals.live()) == {"event_loop": "ok", "moderation": "failed", "storage": "ok"}


def test_while_it_joins_its_group_it_waits_for_kafka_and_lives(vitals: Vitals, clock: Seconds) -> None:
    working(vitals, FakeTaker(last_turn_s=clock.now, has_joined=False))
    clock.now += 300
    vitals.beat()
    assert states(vitals.live()) == {"event_loop": "ok", "moderation": "ok"}


def test_a_task_that_crashed_is_dead_at_once(vitals: Vitals, clock: Seconds) -> None:
    working(vitals, FakeTaker(last_turn_s=clock.now, crashed=True))
    assert states(vitals.live())["moderation"] == "failed"


def test_a_worker_that_drains_lives_and_is_unready(vitals: Vitals, clock: Seconds) -> None:
    working(vitals, FakeTaker(last_turn_s=clock.now))
    vitals.stopping()
    clock.now += 100
    vitals.beat()
    assert states(vitals.live()) == {"event_loop": "ok"}
    assert states(vitals.ready())["stopping"] == "waiting"


def test_a_loop_that_turns_lives_though_nothing_new_is_known(vitals: Vitals, clock: Seconds) -> None:
    working(vitals, FakeTaker(last_turn_s=clock.now))
    before = vitals.ready()[1:]
    clock.now += 100
    vitals.turned()
    assert states(vitals.live())["event_loop"] == "ok"
    assert vitals.ready()[1:] == before
