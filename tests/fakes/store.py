"""A verdict store in memory, by the rules of the real one, that can be told to fail, to be slow, or to apply and then
fail."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

import msgspec

from monitor.errors import Rejected, Retryable
from schemas.events import Verdict

Trouble = Literal["away", "applied but not acknowledged"]


class FakeStore:
    """Implements ports.VerdictStore. `inserts` counts the calls that were applied."""

    def __init__(self) -> None:
        self.inserts = 0
        self.open = asyncio.Event()
        """Cleared: inserts wait until it is set again."""
        self.open.set()
        self.kept: dict[str, Verdict] = {}
        """What counts, by event id: each once."""
        self._troubles: list[Trouble] = []

    def will(self, *troubles: Trouble) -> None:
        """What happens to the next inserts, one each; after these all is well."""
        self._troubles.extend(troubles)

    async def insert(self, verdicts: Sequence[bytes]) -> None:
        """See ports.VerdictStore."""
        await self.open.wait()
        trouble = self._troubles.pop(0) if self._troubles else None
        if trouble == "away":
            raise Retryable("the store is away, as told")
        try:
            rows = [Verdict.from_bytes(verdict) for verdict in verdicts]
        except msgspec.MsgspecError as exc:
            raise Rejected("refused_by_store") from exc
        for row in rows:
            kept = self.kept.get(row.event_id)
            if kept is None or precedence(row) > precedence(kept):
                self.kept[row.event_id] = row
        self.inserts += 1
        if trouble == "applied but not acknowledged":
            raise Retryable("the store applied it and the answer was lost, as told")


def precedence(row: Verdict) -> tuple[object, ...]:
    """Which row of an event counts: the highest (schemas/clickhouse/0001). The last part only keeps different rows
    from tying; the engine uses a hash there."""
    return (
        row.status == "ok",
        -row.arrived_at.timestamp(),
        -row.source_partition,
        -row.source_offset,
        -row.source_index,
        row.to_bytes(),
    )
