"""A fleet in simulated time: a healthy one is never told of, and each thing that breaks is told within a minute, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.conditions import Condition
from monitor.fleet import LostWatch
from monitor.health import spans
from monitor.health_settings import HealthSettings
from tests.unit.health.simulation import START_S, Simulation

WITHIN_S = 60.0


def stall(sim: Simulation) -> None:
    sim.workers[1].breaks.add("stalled")


def halt(sim: Simulation) -> None:
    sim.workers[1].breaks.add("halted")


def forget_commits(sim: Simulation) -> None:
    sim.workers[1].breaks.add("forgetful")


def fall_mute(sim: Simulation) -> None:
    sim.workers[1].breaks.add("mute")


def stop_answering(sim: Simulation) -> None:
    for worker in sim.workers:
        worker.breaks.add("unknowing")


def feed_badly(sim: Simulation) -> None:
    for worker in sim.workers:
        worker.breaks.add("fed badly")


def stop_all_moderation(sim: Simulation) -> None:
    moderating, *others = reversed(sim.workers)
    for worker in others:
        worker.roles = ("storage",)
    sim.leave(moderating)


def lose_the_watch(sim: Simulation) -> None:
    sim.fleet.lost_watch = LostWatch(sim.now_s, "no state can be used", "`watchkeeper drift rebuild`")


CAUSES: dict[Condition, Callable[[Simulation], None]] = {
    Condition.WORKER_STALLED: stall,
    Condition.PARTITION_HALTED: halt,
    Condition.PARTITION_UNOWNED: stop_all_moderation,
    Condition.GROUP_STALLED: forget_commits,
    Condition.GUARD_UNANSWERING: stop_answering,
    Condition.DEAD_LETTER_SHARE: feed_badly,
    Condition.WORKER_SILENT: fall_mute,
    Condition.WATCH_STATE_DAMAGED: lose_the_watch,
}


def test_every_condition_has_a_cause_here() -> None:
    assert set(CAUSES) == set(Condition)


def kinds(sim: Simulation) -> Counter[str]:
    return Counter(due.alert.kind for due in sim.sent if due.news == "began")


@pytest.mark.parametrize("condition", Condition)
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), healthy_s=st.integers(60, 400), rate=st.sampled_from([1, 5, 500]))
def test_what_breaks_is_told_once_within_a_minute(
    condition: Condition, seed: int, healthy_s: int, rate: int
) -> None:
    sim = Simulation(seed=seed, rate=rate)
    sim.run(healthy_s)
    CAUSES[condition](sim)
    sim.run(150)

    (began_s,) = sim.began(condition)
    assert began_s - healthy_s <= WITHIN_S
    assert set(kinds(sim)) == {condition}


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_a_killed_worker_without_a_successor_is_told_though_its_session_must_end_first(seed: int) -> None:
    sim = Simulation(seed=seed)
    sim.workers[0].roles = ("storage",)
    sim.rebalance(1.0)
    sim.run(100)
    sim.kill(sim.workers[1])
    sim.run(150)

    assert sim.began(Condition.PARTITION_UNOWNED)[0] - 100 <= WITHIN_S
    assert sim.began(Condition.WORKER_SILENT)[0] - 100 <= WITHIN_S
    assert set(kinds(sim)) == {Condition.PARTITION_UNOWNED, Condition.WORKER_SILENT}


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_a_rebalance_that_does_not_end_is_told(seed: int) -> None:
    sim = Simulation(seed=seed)
    sim.run(100)
    sim.rebalance(1_000.0)
    sim.run(100)

    assert max(sim.began(Condition.PARTITION_UNOWNED)) - 100 <= WITHIN_S
    assert set(kinds(sim)) == {Condition.PARTITION_UNOWNED}


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 10_000),
    workers=st.integers(1, 4),
    rate=st.sampled_from([0, 1, 5, 500]),
    rebalances=st.lists(st.tuples(st.integers(1, 90), st.integers(1, 34)), max_size=8),
    leaders=st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_a_healthy_fleet_is_not_told_of_whatever_rebalances_and_leaders_it_has(
    seed: int, workers: int, rate: int, rebalances: list[tuple[int, int]], leaders: list[bool]
) -> None:
    sim = Simulation(workers, rate=rate, seed=seed)
    for (quiet_s, rebalance_s), is_led_anew in zip(rebalances, leaders, strict=False):
        sim.run(quiet_s)
        sim.rebalance(rebalance_s)
        if is_led_anew:
            sim.lead("w0")
        sim.run(rebalance_s + 1)
    sim.run(200)

    assert sim.sent == []


def test_a_worker_that_leaves_with_a_goodbye_while_another_takes_over_is_no_alert() -> None:
    sim = Simulation(2)
    sim.run(100)
    sim.leave(sim.workers[1], rebalance_s=20.0)
    sim.run(400)

    assert sim.sent == []


def test_a_killed_worker_whose_partitions_move_on_is_told_as_silent_and_forgotten_in_time() -> None:
    sim = Simulation(2)
    sim.run(100)
    sim.kill(sim.workers[1])
    sim.run(600)

    assert [(due.alert.kind, due.news) for due in sim.sent if due.news != "goes on"] == [
        (Condition.WORKER_SILENT, "began"),
        (Condition.WORKER_SILENT, "over"),
    ]


@pytest.mark.parametrize("condition", Condition)
def test_what_was_mended_is_over_once_and_keeps_its_id(condition: Condition) -> None:
    sim = Simulation(2)
    sim.run(200)
    CAUSES[condition](sim)
    sim.run(400)
    sim.fleet.lost_watch = None
    for worker in sim.workers:
        worker.breaks.clear()
        worker.roles, worker.has_left = ("moderation", "storage"), False
    sim.rebalance(2.0)
    sim.run(300)

    told = [due for due in sim.sent if due.alert.kind == condition and due.news != "goes on"]
    assert [(due.news, due.alert.state) for due in told] == [("began", "firing"), ("over", "resolved")]
    assert len({due.alert.id for due in told}) == 1
    assert {due.alert.kind for due in sim.sent} == {condition}


@pytest.mark.parametrize("condition", Condition)
@pytest.mark.parametrize("handed_over_after_s", [1, 30, 90])
def test_a_new_overseer_neither_loses_nor_repeats_an_alert(
    condition: Condition, handed_over_after_s: int
) -> None:
    sim = Simulation(3)
    sim.run(200)
    CAUSES[condition](sim)
    sim.run(handed_over_after_s)
    sim.lead("w0")
    sim.run(200)
    sim.fleet.lost_watch = None
    for worker in sim.workers:
        worker.breaks.clear()
        worker.roles, worker.has_left = ("moderation", "storage"), False
    sim.rebalance(2.0)
    sim.run(20)
    sim.lead("w2")
    sim.run(200)

    told = [due for due in sim.sent if due.alert.kind == condition]
    assert [due.news for due in told if due.news != "goes on"] == ["began", "over"]
    assert len({due.alert.id for due in told}) == 1


def test_after_a_time_in_which_nothing_could_be_seen_nothing_is_counted_from_it() -> None:
    sim = Simulation(2)
    sim.run(100)
    sim.now_s += 300  # the broker was away, and nobody could say or ask anything
    for log in sim.logs.values():
        log.moved_s = sim.now_s
    sim.fleet.sighted(sim.now_s)
    sim.run(200)

    assert sim.sent == []


@settings(deadline=None, max_examples=25)
@given(every_s=st.integers(20, 38))
def test_a_slow_guard_that_finishes_a_batch_now_and_then_is_no_alert(every_s: int) -> None:
    sim = Simulation(2)
    sim.run(50)
    for _ in range(20):
        stall(sim)
        sim.run(every_s - 1)
        sim.workers[1].breaks.clear()
        sim.run(1)

    assert sim.sent == []


def test_a_partition_that_falls_later_is_news_of_the_same_alert() -> None:
    sim = Simulation(3)
    sim.run(100)
    sim.workers[1].breaks.add("halted")
    sim.run(60)
    sim.workers[2].breaks.add("halted")
    sim.run(60)

    halted = [due for due in sim.sent if due.alert.kind == "partition_halted"]
    assert [(due.news, due.alert.facts["partitions"]) for due in halted] == [("began", "1"), ("grew", "1-2")]
    assert halted[1].alert.at.timestamp() - START_S - 160 <= 20


def test_the_defaults_leave_room_within_the_minute() -> None:
    health = HealthSettings()
    slack_s = health.status_every_s + 2 * health.look_every_s
    session_s = 30.0
    for longest_s in (
        health.stalled_after_s,
        health.uncommitted_after_s,
        session_s + health.unowned_after_s,
        health.rebalance_within_s,
        health.leader_session_timeout_s + health.silent_after_s,
        health.window_s + 5.0,
    ):
        assert longest_s + slack_s <= WITHIN_S


@given(st.sets(st.integers(0, 60)))
def test_spans_name_all_numbers_or_say_how_many_more(numbers: set[int]) -> None:
    text, _, more = spans(numbers).partition(" and ")
    named: set[int] = set()
    for part in text.split(", ") if text else []:
        low, _, high = part.partition("-")
        named |= set(range(int(low), int(high or low) + 1))
    assert named <= numbers
    assert len(numbers) - len(named) == int(more.split()[0] if more else 0)
