"""`python -m benchmarks.rollup_refresh [--stored N] [--live S] [--backfill S]`: what keeping the quarters counted costs, in real time.

A store with N verdicts of five weeks. Then, for S seconds, live traffic of LIVE verdicts a second, one in a hundred of them up to a day late;
then, for S seconds, a backfill beside it: BACKFILL a second that happened at any time of the five weeks, so that each refresh finds all 3,360
quarters touched. Every EVERY_S seconds what has come is inserted, as workers do, and the quarters are refreshed as a worker does it.

Prints of each refresh the time, the engine's processor time, and what it counted; of each phase the share of the interval and of one core,
rows read by all statements of a refresh and rows counted, each by verdicts that came, and how far behind the mark is. Last, against counting
everything again each time, and whether the quarters are what the verdicts say.

Exits 1 where counting takes SHARE of a core's time or of the interval or more in a phase, the mark is further behind than BEHIND_S, or the
counts differ. The interval's share is of use on a machine without other work alone: a refresh that is slowed down ends at half of it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import benchmarks.report_speed
from benchmarks.report_speed.asking import Engine
from benchmarks.report_speed.filling import SPAN, fill
from monitor.adapters.clickhouse import ClickHouse, connect
from monitor.adapters.rollups import Rollups
from monitor.embedded.clickhouse import ClickHousePart
from monitor.rollups.waiting import REST
from monitor.settings import ClickHouseSettings
from workers.rollups import SHARE as COUNTING

EVERY_S: Final = 30
LIVE: Final = 2_000
LATE_SHARE: Final = 0.01
BACKFILL: Final = 5_000
BLOCK_S: Final = 5
SHARE: Final = 0.5
BEHIND_S: Final = REST.total_seconds() + 6 * EVERY_S
READ: Final = "SELECT sum(value) FROM system.events WHERE event = 'SelectedRows'"
SUMS: Final = """
SELECT (SELECT sum(events) FROM quarters) = (SELECT uniqExact(event_hash) FROM occurrences),
       (SELECT sum(places) FROM quarters) = (SELECT count() FROM occurrences FINAL)
"""


@dataclass
class Traffic:
    """Makes verdicts and their judgements inside the engine; `next` is the number of the next one."""

    store: ClickHouse
    next: int

    async def add(self, count: int, until: datetime, over: timedelta) -> None:
        """So many, that happened evenly over that time before `until`."""
        total = self.next + count
        given = {
            "until": until,
            "span_s": round(over.total_seconds() * total / count),
            "total": total,
            "first": self.next,
            "count": count,
        }
        folder = Path(benchmarks.report_speed.__file__).parent
        for name in ("generate_judgements.sql", "generate.sql"):
            await self.store._client.command((folder / name).read_text(encoding="utf-8"), parameters=given)
        self.next = total

    async def interval(self, backfill: int) -> None:
        """What comes in EVERY_S."""
        for _ in range(EVERY_S // BLOCK_S):
            now = datetime.now(UTC)
            await self.add(LIVE * BLOCK_S, now, timedelta(seconds=BLOCK_S))
            await self.add(round(LIVE * BLOCK_S * LATE_SHARE), now, timedelta(days=1))
            if backfill:
                await self.add(backfill * BLOCK_S, now, SPAN)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one refresh."""

    took_s: float
    cpu_s: float
    read: int
    rows: int
    quarters: int
    waiting: int
    behind_s: float
    came: int


async def refresh(traffic: Traffic, rollups: Rollups, engine: Engine, came: int) -> Cost:
    """Refresh once, with nothing else to do."""
    ((before,),) = (await traffic.store._client.query(READ)).result_rows
    began_s, began_cpu_s = time.perf_counter(), engine.cpu_s()
    counted = await rollups.refresh()
    took_s, cpu_s = time.perf_counter() - began_s, engine.cpu_s() - began_cpu_s
    ((after,),) = (await traffic.store._client.query(READ)).result_rows
    if counted is None:
        raise RuntimeError("nobody else counts here")
    return Cost(
        took_s,
        cpu_s,
        int(after) - int(before),
        counted.rows,
        counted.quarters,
        counted.waiting,
        counted.behind_s,
        came,
    )


async def phase(traffic: Traffic, rollups: Rollups, engine: Engine, seconds: int, backfill: int) -> bool:
    """Traffic and refreshes for so long. Prints all; whether the limits were kept."""
    speed = f"{LIVE:,} a second" + (f" and {backfill:,} old ones a second" if backfill else "")
    print(
        f"\n{speed}\n{'refresh s':>10}{'processor s':>13}{'quarters':>10}{'rows':>12}{'waiting':>9}{'behind s':>10}{'rows read':>14}"
    )
    costs: list[Cost] = []
    for number in range(seconds // EVERY_S):
        began_s = time.monotonic()
        first = traffic.next
        await traffic.interval(backfill)
        one = await refresh(traffic, rollups, engine, traffic.next - first)
        print(
            f"{one.took_s:>10.2f}{one.cpu_s:>13.2f}{one.quarters:>10,}{one.rows:>12,}{one.waiting:>9,}{one.behind_s:>10.0f}{one.read:>14,}",
            flush=True,
        )
        if number:  # the first has what came before
            costs.append(one)
        await asyncio.sleep(max(0.0, EVERY_S - (time.monotonic() - began_s)))
    every_s, came = len(costs) * EVERY_S, sum(one.came for one in costs)
    share = sum(one.cpu_s for one in costs) / every_s
    of_interval = sum(one.took_s for one in costs) / every_s
    behind_s = max(one.behind_s for one in costs)
    print(
        f"of one core {share:.2f} ({share / SHARE:.2f} of the limit), of the interval {of_interval:.2f} ({of_interval / SHARE:.2f}); "
        f"for each verdict that came {sum(one.rows for one in costs) / came:.1f} rows counted, {sum(one.read for one in costs) / came:.0f} read; "
        f"behind by at most {behind_s:.0f} s ({behind_s / BEHIND_S:.2f} of the limit)"
    )
    return max(share, of_interval) < SHARE and behind_s < BEHIND_S


async def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rollup_refresh")
    parser.add_argument("--stored", type=int, default=3_000_000)
    parser.add_argument("--live", type=int, default=300, metavar="S")
    parser.add_argument("--backfill", type=int, default=900, metavar="S")
    parser.add_argument("--folder", type=Path, help="keep the store there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        async with ClickHousePart(asked.folder or Path(temporary)) as part:
            settings = ClickHouseSettings(url=part.address, timeout_s=600)
            async with await connect(settings) as store:
                await store.migrate()
                await fill(store, asked.stored, within_s=float("inf"))
                first = Rollups(store)
                await first.refresh()
                engine, traffic = Engine(part.pid or 0), Traffic(store, asked.stored)
                rollups = Rollups(store, at_most_s=COUNTING * EVERY_S, waiting=first.waiting)
                is_kept = [
                    await phase(traffic, rollups, engine, asked.live, 0),
                    await phase(traffic, rollups, engine, asked.backfill, BACKFILL),
                ]
                await Rollups(store).refresh()
                (same,) = (await store._client.query(SUMS)).result_rows
                began_s = time.perf_counter()
                counted = await Rollups(store).rebuild(datetime(1970, 1, 1, tzinfo=UTC))
    rows = 0 if counted is None else counted.rows
    print(
        f"\nall of the {rows:,} rows counted again: {time.perf_counter() - began_s:.0f} s, what each refresh would take that counts whatever is "
        f"touched\nquarters add up to the verdicts: {'yes' if all(same) else 'NO'}; limits: {'kept' if all(is_kept) else 'BROKEN'}"
    )
    return 0 if all(is_kept) and all(same) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
