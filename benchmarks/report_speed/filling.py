"""A large store, made inside the engine: verdicts and judgements of five weeks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from monitor.adapters.clickhouse import ClickHouse
from monitor.adapters.rollups import Rollups

SPAN: Final = timedelta(days=35)
BLOCK: Final = 1_000_000
AGAIN_FROM: Final = 1_000_000_000
"""Offsets of producers' repeats begin there: one exchange in 500 stands at a second place."""


@dataclass(frozen=True, slots=True)
class Made:
    """What is there: `verdicts` that happened in [since, until)."""

    verdicts: int
    since: datetime
    until: datetime


async def fill(store: ClickHouse, total: int, *, within_s: float) -> None:
    """Add blocks until `total` verdicts are there, evenly over the SPAN before today, the oldest first; or until the time is up. What
    an earlier call has begun with the same `total` goes on."""
    rollups = Rollups(store)
    if not (await rollups.reach()).is_filled:
        await rollups.fill()
    began_s = time.perf_counter()
    statements = [
        (Path(__file__).parent / name).read_text(encoding="utf-8")
        for name in ("generate_judgements.sql", "generate.sql")
    ]
    until = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found = await there(store)
    if found:
        until = (await made(store)).since + SPAN
    for first in range(found, total, BLOCK):
        if time.perf_counter() - began_s >= within_s:
            return
        count = min(BLOCK, total - first)
        given = {
            "until": until,
            "span_s": int(SPAN.total_seconds()),
            "total": total,
            "first": first,
            "count": count,
        }
        for statement in statements:
            await store._client.command(statement, parameters=given)
        print(f"{first + count:>13,} verdicts, {time.perf_counter() - began_s:,.0f} s", flush=True)


async def there(store: ClickHouse) -> int:
    """How many are there: the last one's place says so."""
    statement = "SELECT maxOrNull(source_offset * 16 + source_partition) FROM arrivals WHERE source_offset < {from:Int64}"
    (row,) = (await store._client.query(statement, parameters={"from": AGAIN_FROM})).result_rows
    return 0 if row[0] is None else int(row[0]) + 1


async def made(store: ClickHouse) -> Made:
    """What was made, by now."""
    statement = "SELECT min(begins_at), max(begins_at) FROM occurrences WHERE source_offset < {from:Int64} AND guard_name = 'wildguard'"
    ((first, last),) = (await store._client.query(statement, parameters={"from": AGAIN_FROM})).result_rows
    return Made(await there(store), first, last + timedelta(minutes=15))
