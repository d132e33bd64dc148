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
    outstanding.take(FakeIntake(), 500, 0.0)
    aside.aside_until_s = 9.0
    for ours in (buffered, outstanding, aside):
        ours.heard_end(11, 3.0, read_to=11)
    assert [ours.lag for ours in (buffered, outstanding, aside)] == [1, 1, 1]


def test_a_batch_holds_no_more_than_it_may_and_what_is_left_over_comes_next() -> None:
    ours = partition(0)
    ours.buffer([FakeMessage(offset, b"four") for offset in range(8)], 0.0)
    first = ours.take(FakeIntake(), 5, 1.0)
    assert ([m.offset for m in first.messages], first.size_bytes) == ([0, 1, 2, 3, 4], 20)
    assert (ours.buffered_bytes, ours.buffered_since_s, ours.next_offset) == (12, 1.0, 8)
    ours.buffer([FakeMessage(8, b"four")], 2.0)
    second = ours.take(FakeIntake(), 5, 3.0)
    assert ([m.offset for m in second.messages], second.size_bytes) == ([5, 6, 7, 8], 16)
    assert second.previous is first
    assert (ours.buffered, ours.buffered_bytes) == ([], 0)
