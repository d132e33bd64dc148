"""The count in the commit survives the trip, and a foreign commit starts afresh."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.ledger import Ledger

COUNTS = st.integers(0, 2**62)


@given(st.builds(Ledger, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS))
def test_a_ledger_survives_the_commit(ledger: Ledger) -> None:
    assert Ledger.from_metadata(ledger.to_metadata(), 7) == ledger
    assert len(ledger.to_metadata()) < 4096


@given(st.text())
def test_a_commit_that_somebody_else_wrote_starts_a_fresh_ledger(metadata: str) -> None:
    assert Ledger.from_metadata(metadata, 7) == Ledger(7)


def test_a_broken_ledger_of_ours_starts_afresh() -> None:
    assert Ledger.from_metadata("watchkeeper/1 [1,", 7) == Ledger(7)


def test_ledgers_add_up() -> None:
    total = Ledger(5, 1, 2, 0, 3, 0, 1).plus(Ledger(0, 1, 1, 1, 1, 1, 1))
    assert total == Ledger(5, 2, 3, 1, 4, 1, 2)
