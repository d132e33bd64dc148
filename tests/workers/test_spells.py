"""What is done once in the fleet: when a spell of it begins, how it ends, and how long a failure is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog
from structlog.testing import capture_logs

from monitor.errors import Misconfigured, Retryable
from monitor.settings import RetrySettings
from tests.fakes.membership import FakeMembership
from tests.waiting import until
from workers.leadership import Replaced
from workers.spells import CLOSE_WITHIN_S, POLL_S, SHOW_EVERY_S, Duty, Spell

RETRY = RetrySettings(first_s=1.0, max_s=64.0, halted_s=500.0)
NOON_S = 1_700_000_000.0
SECRET = "what a person typed"


class FakeDuty(Duty):
    """`outcomes` come one a spell, first to last: an exception is raised, a number of seconds goes by well before the one that follows
    it is raised; then each spell goes on until it is over. Time goes by as it is waited for."""

    def __init__(self, member: FakeMembership, outcomes: list[BaseException | float]) -> None:
        self.clock_s = 100.0
        super().__init__(
            member, RETRY, doing="minding", log=structlog.get_logger("test"), monotonic_s=lambda: self.clock_s
        )
        self.outcomes = outcomes
        self.spells: list[Spell] = []
        self.began_s: list[float] = []
        self.ended_s: list[float] = []
        self.opened = self.closed = 0
        self.shown: list[str] = []
        self.on_show: Callable[[], object] = lambda: None
        self.on_sleep: Callable[[], object] = lambda: None

    async def sleep(self, n: Any) -> None:
        if n == SHOW_EVERY_S:  # what is shown goes by a time of its own
            await super().sleep(0.001)
            return
        self.clock_s += float(n)
        self.on_sleep()
        await asyncio.sleep(0)

    async def act(self, spell: Spell, stack: AsyncExitStack) -> None:
        self.spells.append(spell)
        self.began_s.append(self.clock_s)
        self.opened += 1
        stack.callback(self._close)
        while self.outcomes:
            outcome = self.outcomes.pop(0)
            if isinstance(outcome, BaseException):
                raise outcome
            spell.went_well()
            self.clock_s += outcome
            spell.went_well()
        while spell.is_ours():
            await spell.sleep(POLL_S)

    def _close(self) -> None:
        self.closed += 1
        self.ended_s.append(self.clock_s)

    def show(self) -> None:
        self.on_show()
        self.shown.append("ours")

    def show_nothing(self) -> None:
        self.shown.append("another's")

    @property
    def waited_s(self) -> list[float]:
        """Between the end of a spell and the beginning of the next."""
        return [round(begin - end, 6) for begin, end in zip(self.began_s[1:], self.ended_s, strict=False)]


@asynccontextmanager
async def running(duty: FakeDuty) -> AsyncIterator[None]:
    await duty.start()
    try:
        yield
    finally:
        await duty.stop()
    assert duty.opened == duty.closed


def lines(logs: list[Any], level: str) -> list[str]:
    return [line["event"] for line in logs if line["log_level"] == level]


async def test_a_spell_begins_once_we_oversee_and_its_history_is_read_and_ends_with_the_term() -> None:
    member = FakeMembership(is_owner=False)
    duty = FakeDuty(member, [])
    async with running(duty):
        await until(lambda: duty.clock_s > 110, "some polls")
        member.is_owner, member.is_live = True, False
        await until(lambda: duty.clock_s > 120, "some more")
        assert duty.spells == []
        member.is_live = True
        await until(lambda: duty.spells, "a spell")
        member.term = 2
        await until(lambda: len(duty.spells) == 2, "a spell of the new term")
        assert [spell.is_ours() for spell in duty.spells] == [False, True]
        member.is_owner = False
        await until(lambda: duty.closed == 2, "its end")
    assert [spell.term for spell in duty.spells] == [1, 2]


async def test_failures_are_waited_for_longer_and_longer_and_their_messages_are_said_where_they_are_ours() -> (
    None
):
    duty = FakeDuty(FakeMembership(), [Retryable("away"), ValueError(SECRET), *[Retryable("away")] * 8])
    with capture_logs() as logs:
        async with running(duty):
            await until(lambda: len(duty.spells) == 11, "spells")
    for waited_s, most_s in zip(duty.waited_s, (1, 2, 4, 8, 16, 32, 64, 64, 64, 64), strict=True):
        assert most_s / 2 <= waited_s <= most_s
    assert set(lines(logs, "warning")) == {"minding failed, begun again"}
    assert [line["error"].partition(" at ")[0] for line in logs[:2]] == ["away", "ValueError"]
    assert SECRET not in str(logs)


async def test_what_fails_after_it_went_well_for_long_is_tried_again_soon() -> None:
    away = Retryable("away")
    duty = FakeDuty(FakeMembership(), [*[away] * 7, 86_400.0, away, away])
    async with running(duty):
        await until(lambda: len(duty.spells) == 10, "spells")
    assert duty.waited_s[6] >= 32
    assert duty.waited_s[7] <= 1
    assert 1 <= duty.waited_s[8] <= 2


async def test_what_fails_soon_after_it_went_well_is_waited_for_longer_and_longer() -> None:
    away = Retryable("away")
    duty = FakeDuty(FakeMembership(), [1.0, away] * 8)
    async with running(duty):
        await until(lambda: len(duty.spells) == 9, "spells")
    assert duty.waited_s[7] >= 32


async def test_a_new_term_begins_at_once_whatever_was_waited_for() -> None:
    member = FakeMembership()
    duty = FakeDuty(member, [*[Retryable("away")] * 9, Misconfigured("no table"), Retryable("away")])

    def replaced() -> None:
        if len(duty.spells) == 10:
            member.term = 2

    duty.on_sleep = replaced
    async with running(duty):
        await until(lambda: len(duty.spells) == 12, "spells")
    assert duty.waited_s[8] >= 32
    assert duty.waited_s[9] == POLL_S
    assert duty.waited_s[10] <= 1


async def test_what_waits_for_a_person_is_an_error_and_tried_again_later() -> None:
    duty = FakeDuty(FakeMembership(), [Misconfigured("no table", "make one")])
    with capture_logs() as logs:
        async with running(duty):
            await until(lambda: len(duty.spells) == 2, "another spell")
    assert duty.waited_s == [RETRY.halted_s]
    assert lines(logs, "error") == ["minding waits for a person, tried again"]
    assert logs[0]["error"] == "no table\n  → make one"


async def test_who_was_replaced_ends_quietly_and_goes_on_if_it_is_its_turn() -> None:
    duty = FakeDuty(FakeMembership(), [Replaced(), Replaced(), Retryable("away")])
    with capture_logs() as logs:
        async with running(duty):
            await until(lambda: len(duty.spells) == 4, "spells")
    assert duty.waited_s[:2] == [POLL_S, POLL_S]
    assert duty.waited_s[2] <= 1
    assert [line["log_level"] for line in logs] == ["info", "info", "warning"]


async def test_a_cancelling_that_is_not_ours_is_a_failure_as_any_other() -> None:
    duty = FakeDuty(FakeMembership(), [asyncio.CancelledError(), asyncio.CancelledError()])
    with capture_logs() as logs:
        async with running(duty):
            await until(lambda: len(duty.spells) == 3, "spells")
    assert 1 <= duty.waited_s[1] <= 2
    assert lines(logs, "warning") == ["minding failed, begun again"] * 2


async def test_the_figures_are_anothers_while_we_do_not_oversee_and_a_fault_in_them_ends_nothing() -> None:
    member = FakeMembership(is_owner=False)
    duty = FakeDuty(member, [Misconfigured("no table")] * 100)
    async with running(duty):
        await until(lambda: duty.shown, "figures")
        assert set(duty.shown) == {"another's"}
        member.is_owner = True
        await until(lambda: duty.shown[-1] == "ours", "ours, though nothing can be done")
        duty.on_show = lambda: 1 / 0
        with capture_logs() as logs:
            await until(lambda: lines(logs, "error"), "a fault")
        member.is_owner = False
        await until(lambda: duty.shown[-1] == "another's", "another's again")


class RealTime(FakeDuty):
    """Time goes by by itself."""

    async def sleep(self, n: Any) -> None:
        await Duty.sleep(self, n)


async def test_a_stop_ends_what_is_waited_for_at_once() -> None:
    owner, other = FakeMembership(), FakeMembership(is_owner=False)
    failed, acting, waiting = (
        RealTime(owner, [Misconfigured("no table")]),
        RealTime(owner, []),
        RealTime(other, []),
    )
    for duty in (failed, acting, waiting):
        await duty.start()
        await until(lambda duty=duty: duty.shown, "that it has begun")  # type: ignore[misc]  # inference of a lambda's default
        await asyncio.wait_for(duty.stop(), CLOSE_WITHIN_S / 2)
    assert [(duty.opened, duty.closed) for duty in (failed, acting, waiting)] == [(1, 1), (1, 1), (0, 0)]


async def test_a_duty_that_never_began_can_be_stopped() -> None:
    await FakeDuty(FakeMembership(), []).stop()


async def test_the_time_of_a_spell_is_known_after_we_have_left_the_group() -> None:
    member = FakeMembership()
    spell = Spell(FakeDuty(member, []), member)
    member.now_s += 5
    assert spell.now_s == NOON_S + 5
    member.is_owner, member.is_live, member.now_s = False, False, 0.0
    assert spell.now_s == NOON_S + 5
    assert spell.now.timestamp() == NOON_S + 5
    assert not spell.is_ours()


async def test_a_stop_ends_a_spell_though_nobody_else_may_act_yet() -> None:
    member = FakeMembership()
    duty = FakeDuty(member, [])
    spell = Spell(duty, member)
    await duty.stop()
    assert (spell.is_ours(), spell.is_held()) == (False, True)
