"""Whoever acts beside the overseer's loop waits as that loop does."""

from __future__ import annotations

from tests.fakes.membership import FakeMembership
from workers.leadership import Leadership


class Scene:
    """A leadership and a clock."""

    def __init__(self) -> None:
        self.clock_s = 100.0
        self.leadership = Leadership(5.0, monotonic_s=lambda: self.clock_s)
        self.member = FakeMembership(term=0, is_owner=False, is_live=False)
        self.leadership.joined(self.member)

    def own(self) -> None:
        self.member.term += 1
        self.member.is_owner = self.member.is_live = True

    def turn(self, after_s: float = 1.0) -> bool:
        self.clock_s += after_s
        return self.leadership.turned()


def test_a_member_that_owns_nothing_does_not_oversee() -> None:
    scene = Scene()
    assert (scene.leadership.is_owner, scene.leadership.is_live) == (False, False)
    scene.own()
    assert (scene.leadership.is_owner, scene.leadership.is_live) == (True, True)
    assert scene.leadership.now_s == 1_700_000_000.0
    scene.leadership.left()
    assert (scene.leadership.is_owner, scene.leadership.is_live, scene.leadership.now_s) == (
        False,
        False,
        0.0,
    )


def test_who_was_frozen_does_not_act_before_there_was_time_to_hear_of_another() -> None:
    scene = Scene()
    scene.own()
    before = scene.leadership.term
    scene.clock_s += 60.0
    assert not scene.leadership.is_owner  # the overseer's loop hasn't come round
    assert scene.turn(0.1)
    assert not scene.leadership.is_owner  # it has, and may not have heard yet
    assert [scene.turn() for _ in range(5)] == [False] * 5
    assert scene.leadership.is_owner
    assert scene.leadership.term != before


def test_a_loop_that_waits_for_an_answer_is_not_frozen() -> None:
    scene = Scene()
    scene.own()
    before = scene.leadership.term
    scene.clock_s += 30.0
    assert not scene.leadership.is_owner
    scene.leadership.waited()
    assert scene.leadership.is_owner
    assert not scene.turn()
    assert scene.leadership.term == before


def test_no_term_comes_twice() -> None:
    scene = Scene()
    terms = []
    for _ in range(3):
        for _ in range(2):
            scene.own()
            terms.append(scene.leadership.term)
        scene.turn(60.0)
        terms.append(scene.leadership.term)
        scene.leadership.left()
        scene.member = FakeMembership(term=0, is_owner=False, is_live=False)
        scene.leadership.joined(scene.member)
    assert len(set(terms)) == len(terms)
