"""Which migrations are missing, and whether those applied are still what they were: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.errors import Misconfigured
from monitor.store.sql import Migration


def pending(known: Sequence[Migration], applied: Mapping[int, str]) -> list[Migration]:
    """The migrations to apply, in order. `applied` is checksum by version.

    Raises Misconfigured where an applied one was edited since, or the store is newer than this program.
    """
    edited = [m for m in known if m.version in applied and applied[m.version] != m.checksum]
    if edited:
        raise Misconfigured(
            f"migration {edited[0].version:04d}_{edited[0].name} was edited after it was applied",
            "restore the file; a change to the schema is a new migration",
        )
    newer = sorted(set(applied) - {m.version for m in known})
    if newer:
        raise Misconfigured(
            f"the store has schema version {newer[-1]}, this Watchkeeper knows {len(known)}",
            "run a Watchkeeper at least as new as the one that migrated the store",
        )
    return [m for m in known if m.version not in applied]
