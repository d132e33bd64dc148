"""The breaker, by a clock of the test's own."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from monitor.adapters.breaker import Breaker
from monitor.errors import Retryable


@dataclass
class Seconds:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
def breaker(clock: Seconds) -> Breaker:
    return Breaker(3, 5.0, clock)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.admit()
        breaker.failed()


def refusal(breaker: Breaker) -> Retryable:
    with pytest.raises(Retryable) as caught:
        breaker.admit()
    return caught.value


def test_failures_in_a_row_open_it_and_tell_how_long_to_wait(breaker: Breaker, clock: Seconds) -> None:
    fail(breaker, 2)
    assert breaker.state == "closed"
    fail(breaker, 1)
    clock.now += 2
    assert (breaker.state, refusal(breaker).retry_after_s) == ("open", 3.0)


def test_a_success_between_failures_keeps_it_closed(breaker: Breaker) -> None:
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)
    assert breaker.state == "closed"


def test_after_the_wait_one_call_tries_and_the_others_wait(breaker: Breaker, clock: Seconds) -> None:
    fail(breaker, 3)
    clock.now += 5
    seen = [breaker.state]
    breaker.admit()
    assert refusal(breaker).retry_after_s == 0.5
    breaker.succeeded()
    breaker.admit()
    seen.append(breaker.state)
    assert seen == ["half-open", "closed"]


def test_a_failed_trial_opens_it_for_the_whole_wait_again(breaker: Breaker, clock: Seconds) -> None:
    fail(breaker, 3)
    clock.now += 5
    fail(breaker, 1)
    assert (breaker.state, refusal(breaker).retry_after_s) == ("open", 5.0)


def test_a_cancelled_trial_leaves_the_trial_to_the_next(breaker: Breaker, clock: Seconds) -> None:
    fail(breaker, 3)
    clock.now += 5
    breaker.admit()
    breaker.abandoned()
    breaker.admit()
    breaker.succeeded()
    assert breaker.state == "closed"


def test_late_failures_of_calls_let_through_before_do_not_prolong_it(
    breaker: Breaker, clock: Seconds
) -> None:
    for _ in range(4):
        breaker.admit()
    for _ in range(3):
        breaker.failed()
    clock.now += 4
    breaker.failed()
    assert refusal(breaker).retry_after_s == 1.0


def test_it_tells_whether_a_failure_has_opened_it(breaker: Breaker, clock: Seconds) -> None:
    said = [breaker.failed() for _ in range(4)]
    clock.now += 5
    breaker.admit()
    said.append(breaker.failed())
    assert said == [False, False, True, False, True]
