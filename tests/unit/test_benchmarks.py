"""What the benchmarks compute from what they measured."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.scale_out.limits import Run, idle_limit, loaded_limit
from benchmarks.scale_out.outcome import Outcome
from benchmarks.throughput.measured import Figures
from benchmarks.throughput.profile import Shares, shares
from benchmarks.throughput.ratios import Bound, Spread, both_jobs, ours_to


def figures(cpu_s: float, wall_s: float = 1.0, peak_rss_mb: float = 50.0) -> Figures:
    return Figures(100, wall_s, cpu_s, peak_rss_mb)


def test_a_ratio_is_taken_within_its_round() -> None:
    rounds = [
        {"ours": figures(1.0), "plain": figures(2.0)},
        {"ours": figures(2.0), "plain": figures(6.0)},
        {"ours": figures(4.0), "plain": figures(4.0)},
    ]
    assert ours_to("plain", rounds, lambda run: run.per_cpu_s) == Spread(2.0, 1.0, 3.0)


def test_a_peer_that_was_not_run_has_no_ratio() -> None:
    assert ours_to("quix", [{"ours": figures(1.0)}], lambda run: run.per_cpu_s) is None
    assert ours_to("ours", [], lambda run: run.per_cpu_s) is None


def test_an_event_costs_the_time_of_both_jobs_and_the_memory_of_the_larger() -> None:
    moderated = [{"ours": figures(1.0, 2.0, 90.0), "faust": figures(9.0)}]
    stored = [{"ours": figures(0.5, 1.0, 160.0)}]
    assert both_jobs(moderated, stored) == [{"ours": figures(1.5, 3.0, 160.0)}]


def test_jobs_on_different_numbers_of_events_are_not_added_up() -> None:
    with pytest.raises(ValueError, match="100 events moderated and 7 stored"):
        both_jobs([{"ours": figures(1.0)}], [{"ours": Figures(7, 1.0, 1.0, 1.0)}])


@pytest.mark.parametrize(("ours_s", "outcome"), [(1.0, "held"), (1.01, "MISSED")])
def test_a_bound_is_held_from_its_own_value_on(ours_s: float, outcome: str) -> None:
    line = Bound("plain", 2.0).verdict([{"ours": figures(ours_s), "plain": figures(2.0)}])
    assert line is not None
    assert line.endswith(f"bound 2.0: {outcome}")


def test_a_profile_counts_what_runs_below_the_event_loop() -> None:
    stacks = [
        "main (a.py:1);_run_once (asyncio/base_events.py:9);decode (b.py:5) 3",
        "main (a.py:1);_run_once (asyncio/base_events.py:9);decode (b.py:6);loads (c.py:1) 1",
        "main (a.py:1);<module> (imported.py:1) 96",
    ]
    loop = "_run_once (asyncio/base_events.py)"
    assert shares(stacks) == Shares(
        4,
        itself=Counter({"decode (b.py)": 3, "loads (c.py)": 1}),
        total=Counter({"main (a.py)": 4, loop: 4, "decode (b.py)": 4, "loads (c.py)": 1}),
    )


def test_work_of_the_broker_on_the_same_cores_lowers_what_they_allow() -> None:
    one = Run(1, 100, wall_s=11.0, workers_s=10.0, broker_s=2.0, others_s=0.0)
    two = Run(2, 100, wall_s=6.5, workers_s=10.0, broker_s=2.0, others_s=0.0)
    assert idle_limit(one, two, 2, are_shared=True) == pytest.approx(10 / 6)
    assert idle_limit(one, two, 2, are_shared=False) == pytest.approx(2.0)
    assert loaded_limit(one, two, 2) == pytest.approx(11 / 6)


def test_where_the_system_does_not_say_who_used_the_cores_nothing_is_claimed() -> None:
    run = Run(2, 100, wall_s=6.0, workers_s=10.0, broker_s=None, others_s=None)
    assert idle_limit(run, run, 2, are_shared=True) is None
    assert loaded_limit(run, run, 2) is None


def test_a_run_is_whole_only_if_all_is_counted_and_committed() -> None:
    assert Outcome(lost=0, repeated=0, counted=9, is_committed=True).is_whole(9)
    assert not Outcome(lost=0, repeated=1, counted=9, is_committed=True).is_whole(9)
    assert not Outcome(lost=0, repeated=0, counted=8, is_committed=True).is_whole(9)
