"""The schedule of faults is a function of its seed, holds every kind, and never asks for what can't be."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from benchmarks.chaos.kinds import Kind
from benchmarks.chaos.schedule import LASTS_S, MOST_TIMES, SLOWER_BY_S, schedule
from benchmarks.chaos.timeouts import SECONDS, SESSION_TIMEOUT_S


def test_the_same_seed_gives_the_same_faults_and_another_gives_others() -> None:
    assert schedule(3, 50, workers=2, most_workers=3) == schedule(3, 50, workers=2, most_workers=3)
    assert schedule(3, 50, workers=2, most_workers=3) != schedule(4, 50, workers=2, most_workers=3)


@pytest.mark.parametrize("seed", range(20))
def test_every_kind_comes_about_equally_often(seed: int) -> None:
    kinds = Counter(injection.kind for injection in schedule(seed, 200, workers=2, most_workers=3))
    assert set(kinds) == set(Kind)
    assert max(kinds.values()) - min(kinds.values()) <= 3


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("first", "most"), [(1, 1), (1, 2), (2, 3)])
def test_there_are_never_too_many_workers_and_never_none(seed: int, first: int, most: int) -> None:
    there = first
    for injection in schedule(seed, 200, workers=first, most_workers=most):
        there += {Kind.WORKER_ADD: 1, Kind.WORKER_REMOVE: -1}.get(injection.kind, 0)
        assert 1 <= there <= most


@pytest.mark.parametrize("seed", range(20))
def test_only_faults_on_different_targets_overlap(seed: int) -> None:
    injections = schedule(seed, 200, workers=2, most_workers=3)
    overlapping = [later for before, later in pairwise(injections) if later.overlaps]
    assert len(overlapping) > 20
    assert not injections[0].overlaps
    assert not [
        later
        for before, later in pairwise(injections)
        if later.overlaps and before.kind.target is later.kind.target
    ]


def test_a_kind_that_takes_no_time_and_delays_nothing_has_no_parameters_for_it() -> None:
    for injection in schedule(5, 300, workers=2, most_workers=3):
        assert (injection.lasts_s > 0) <= (injection.kind in LASTS_S)
        assert (injection.slower_by_s > 0) == (injection.kind in SLOWER_BY_S)
        assert 1 <= injection.times <= MOST_TIMES.get(injection.kind, 1)


def test_a_worker_is_frozen_past_its_session_time_out() -> None:
    assert LASTS_S[Kind.WORKER_FREEZE][0] > SESSION_TIMEOUT_S


def test_each_kind_says_what_it_is_and_what_bounds_its_recovery() -> None:
    assert all(kind.meaning.endswith(".") and SECONDS[kind.bound] > 0 for kind in Kind)
    assert len({kind.meaning for kind in Kind}) == len(Kind) == len({kind.value for kind in Kind})
