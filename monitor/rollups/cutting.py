"""How much is counted at once: slices of what was written, batches of quarters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

Span = tuple[datetime, datetime]


def slices(written: Sequence[tuple[datetime, int]], until: datetime, *, most_rows: int) -> list[Span]:
    """Spans of time of writing that hold all rows of `written`, at most `most_rows` each, but for a single second with more.

    `written`: seconds and how many rows were written in each, in order; `until`: where the last one ends.
    """
    found: list[Span] = []
    begin: datetime | None = None
    rows = 0
    for second, count in written:
        if begin is None or rows + count > most_rows:
            if begin is not None:
                found.append((begin, second))
            begin, rows = second, 0
        rows += count
    if begin is not None:
        found.append((begin, max(until, begin + timedelta(seconds=1))))
    return found


def batches(
    quarters: Iterable[datetime], sizes: Mapping[datetime, int], *, most_rows: int
) -> Iterator[list[datetime]]:
    """The quarters in the order given, in batches of at most so many rows, but for a single larger one."""
    batch: list[datetime] = []
    rows = 0
    for quarter in quarters:
        size = sizes.get(quarter, 0)
        if batch and rows + size > most_rows:
            yield batch
            batch, rows = [], 0
        batch.append(quarter)
        rows += size
    if batch:
        yield batch
