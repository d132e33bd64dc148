"""A large store, made inside the engine: verdicts and judgements of five weeks, and what the product counts of them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from monitor.adapters.clickhouse import ClickHouse
from monitor.adapters.rollups import Rollups

SPAN: Final = timedelta(days=35)
BLOCK: Final = 1_000_000
END: Final = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


async def fill(store: ClickHouse, total: int) -> datetime:
    """`total` verdicts of the SPAN before the moment returned, and their judgements. A store that has some of them gets the rest."""
    rollups = Rollups(store)
    if not (await rollups.reach()).is_filled:
        await rollups.fill()
    began_s = time.perf_counter()
    statements = [
        (Path(__file__).parent / name).read_text(encoding="utf-8")
        for name in ("generate.sql", "generate_judgements.sql")
    ]
    for first in range(await _there(store), total, BLOCK):
        count = min(BLOCK, total - first)
        given = {"until": END, "span_s": int(SPAN.total_seconds()), "total": total, "first": first, "count": count}
        for statement in reversed(statements):
            await store._client.command(statement, parameters=given)
        print(f"{first + count:>13,} verdicts, {time.perf_counter() - began_s:,.0f} s", flush=True)
    return END


async def _there(store: ClickHouse) -> int:
    """How many are there: whole blocks, since an insert is all or nothing."""
    (row,) = (await store._client.query("SELECT count() FROM arrivals WHERE source_offset < 1000000000")).result_rows
    return int(row[0]) // BLOCK * BLOCK
