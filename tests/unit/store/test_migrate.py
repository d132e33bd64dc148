"""Which migrations are missing, and what is said where the store isn't what it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import Misconfigured
from monitor.store.migrate import pending
from monitor.store.sql import Migration

KNOWN = tuple(Migration(n, f"create_t{n}", f"CREATE TABLE t{n}", f"{n:016x}") for n in range(1, 5))
APPLIED = {m.version: m.checksum for m in KNOWN}


@given(st.sets(st.sampled_from(KNOWN)))
def test_what_is_missing_is_applied_in_order(applied: set[Migration]) -> None:
    missing = pending(KNOWN, {m.version: m.checksum for m in applied})

    assert missing == [m for m in KNOWN if m not in applied]


def test_a_migration_edited_after_it_was_applied_is_named() -> None:
    with pytest.raises(Misconfigured) as caught:
        pending(KNOWN, {1: KNOWN[0].checksum, 2: "another"})

    assert str(caught.value) == (
        "migration 0002_create_t2 was edited after it was applied\n"
        "  → restore the file; a change to the schema is a new migration"
    )


def test_a_store_newer_than_the_program_is_refused() -> None:
    with pytest.raises(Misconfigured) as caught:
        pending(KNOWN, {**APPLIED, 7: "f" * 16})

    assert str(caught.value) == (
        "the store has schema version 7, this Watchkeeper knows 4\n"
        "  → run a Watchkeeper at least as new as the one that migrated the store"
    )
