"""A partition that is ours: what there is to do in it, by what was read and by what the broker says."""

from __future__ import annotations

from monitor.backoff import Backoff
from monitor.ledger import Ledger
from monitor.settings import RetrySettings
from tests.fakes.intake import FakeIntake, FakeMessage
from workers.partition import Partition


def partition(position: int = 10) -> Partition:
    return Partition("t", 0, position, Ledger(position), Backoff(RetrySettings()), still_since_s=0.0)


def test_what_the_broker_has_and_nobody_has_read_is_to_be_done() -> None:
    ours = partition()
    ours.heard_end(15, 3.0, read_to=10)
    assert (ours.lag, ours.status(5.0).still_s) == (5, 2.0)


def test_offsets_that_were_read_and_held_no_message_are_no_work() -> None:
    """A transaction's marker is an offset that no consumer is ever given."""
    ours = partition()
    ours.heard_end(11, 3.0, read_to=11)
    assert (ours.lag, ours.status(500.0).still_s) == (0, 0.0)


def test_what_was_read_and_is_not_durable_yet_is_work() -> None:
    buffered, outstanding, aside = partition(), partition(), partition()
    for ours in (buffered, outstanding):
        ours.buffer([FakeMessage(10, b"x")], 0.0)
    outstanding.take(FakeIntake())
    aside.aside_until_s = 9.0
    for ours in (buffered, outstanding, aside):
        ours.heard_end(11, 3.0, read_to=11)
    assert [ours.lag for ours in (buffered, outstanding, aside)] == [1, 1, 1]
