"""What a run left on the broker: whether anything was lost, or written more than once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.throughput import topics
from benchmarks.throughput.peers import our_group
from monitor.ledger import Ledger


@dataclass(frozen=True)
class Outcome:
    """`lost`: events without a verdict. `repeated`: verdicts beyond the first of an event. `counted`: by the ledgers."""

    lost: int
    repeated: int
    counted: int
    is_committed: bool

    def is_whole(self, count: int) -> bool:
        """Every event once, all of them counted, the end of every partition committed."""
        return self == Outcome(lost=0, repeated=0, counted=count, is_committed=True)


async def outcome(bootstrap: str, run: str, source: str, out: str, ends: Mapping[int, int]) -> Outcome:
    """Read all that was written, and what was committed with the offsets."""
    written = Counter(await topics.keys(bootstrap, out))
    count = sum(ends.values())
    expected = {f"event-{number}".encode() for number in range(count)}
    committed = await topics.commits(bootstrap, our_group("moderate", run), source)
    return Outcome(
        lost=len(expected - written.keys()),
        repeated=written.total() - len(written),
        counted=sum(Ledger.from_metadata(at.metadata, at.offset).messages for at in committed.values()),
        is_committed={number: at.offset for number, at in committed.items()} == dict(ends),
    )
