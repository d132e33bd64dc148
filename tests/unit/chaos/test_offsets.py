"""The watch over the committed offsets tells of a hole, of going back, and of a ledger that begins anew."""

from __future__ import annotations

import pytest

from benchmarks.chaos.offsets import Look, Offsets
from monitor.adapters.kafka_admin import Commit
from monitor.ledger import Ledger
from monitor.settings import load


def commit(offset: int, ledger: Ledger) -> Commit:
    return Commit(offset, ledger.to_metadata())


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (commit(10, Ledger(0, 10)), commit(25, Ledger(0, 25)), ""),
        (None, commit(25, Ledger(5, 20)), ""),
        (commit(10, Ledger(0, 10)), commit(25, Ledger(0, 24)), "a hole"),
        (commit(10, Ledger(0, 10)), commit(25, Ledger(0, 26)), "counted twice"),
        (commit(25, Ledger(0, 25)), commit(10, Ledger(0, 10)), "went back from 25 to 10"),
        (commit(10, Ledger(0, 10)), commit(25, Ledger(20, 5)), "began at 0 and now begins at 20"),
    ],
)
def test_a_commit_is_held_against_its_ledger_and_the_one_before(
    before: Commit | None, after: Commit, told: str
) -> None:
    offsets = Offsets(load({}), {})
    offsets.check("chat.logs/0", after, before)
    assert len(offsets.faults) == bool(told)
    assert told in "".join(offsets.faults)


def test_progress_is_every_partition_moving_or_having_nothing_to_do() -> None:
    a, b = ("chat.logs", 0), ("safety.verdicts", 1)
    first = Look(1.0, {a: 10, b: 10}, {a: 20, b: 20})
    assert not Look(2.0, {a: 11, b: 10}, {a: 30, b: 30}).has_gone_on_since(first)
    assert Look(2.0, {a: 11, b: 12}, {a: 30, b: 30}).has_gone_on_since(first)
    assert Look(2.0, {a: 11, b: 10}, {a: 30, b: 10}).has_gone_on_since(first)
    assert Look(2.0, {a: 11, b: 12}, {a: 30, b: 30}).lag == 37
