"""`python -m benchmarks.report_speed [--verdicts N] [--folder DIR] [--within S]`: the weekly report and the dashboard on a large store.

Makes N verdicts of five weeks inside the real engine (20 tenants, 3 models, 14 categories, a repeat in 500, one in a hundred late,
some unknown, one tenant sampled) and their judgements; has the product count its quarters; asks every query of the report and of the
dashboards with two threads, three times each; asks the counts by day once of the rows themselves. Last, what one refresh costs once
a batch more has come. With --folder the store is kept there, and a second call goes on from what is there.

Exits 1 where the report's queries take 5 s or more in all, or a view of the dashboard takes 200 ms or more (medians).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.report_speed.asking import (
    HEADING,
    Asked,
    Engine,
    ask,
    ask_dashboard,
    ask_report,
    report_parameters,
)
from benchmarks.report_speed.filling import fill, made
from monitor.adapters.clickhouse import ClickHouse, connect
from monitor.adapters.rollups import Rollups
from monitor.embedded.clickhouse import ClickHousePart
from monitor.settings import ClickHouseSettings
from tests.stores import verdict

REPORT_S: Final = 5.0
VIEW_S: Final = 0.2
BATCH: Final = 5_000
SIZES: Final = """
SELECT table, sum(rows), count(), sum(bytes_on_disk) FROM system.parts
WHERE active AND database = currentDatabase() AND table NOT LIKE 'schema%'
GROUP BY table
ORDER BY sum(bytes_on_disk) DESC
"""


async def measure(store: ClickHouse, engine: Engine, total: int, within_s: float) -> int:
    """Fill, count, ask. Returns the exit code."""
    await fill(store, total, within_s=within_s)
    began_s = time.perf_counter()
    counted = await Rollups(store).refresh()
    if counted is None:
        raise RuntimeError("nobody else counts here")
    took_s = time.perf_counter() - began_s
    there = await made(store)
    print(f"\n{there.verdicts:,} verdicts, {there.since:%Y-%m-%d} to {there.until:%Y-%m-%d %H:%M} UTC")
    if counted.quarters:
        speed = counted.rows / took_s
        print(
            f"counted {counted.quarters:,} quarters from {counted.rows:,} rows in {took_s:,.1f} s: {speed:,.0f} rows a second"
        )
    for table, rows, parts, size in (await store._client.query(SIZES)).result_rows:
        print(
            f"  {table:<24}{rows:>15,} rows in {parts:>3} parts{size / 1e6:>12,.1f} MB{size / there.verdicts:>9.2f} B a verdict"
        )

    print(f"\n{HEADING}")
    report = await ask_report(store, engine, there.until)
    views = await ask_dashboard(store, engine, there.until)
    for one in (*report, *views):
        print(one.line(), flush=True)
    raw = await ask(
        store,
        engine,
        "by day, of the rows themselves",
        raw_days(),
        {**report_parameters(there.until), "since": there.since},
        runs=1,
    )
    print(raw.line())
    await refresh_after_a_batch(store)
    return verdict_on(report, views, raw)


def raw_days() -> str:
    """report_days on the rows."""
    return (Path(__file__).parent / "raw_days.sql").read_text(encoding="utf-8")


async def refresh_after_a_batch(store: ClickHouse) -> None:
    """What a refresh costs while little is new."""
    await Rollups(store).refresh()  # once more, so that what was made is settled
    rows = [verdict(f"new-{n}", n / BATCH * 30, source_offset=n).to_bytes() for n in range(BATCH)]
    await store.insert(rows)
    began_s = time.perf_counter()
    counted = await Rollups(store).refresh()
    if counted is not None:
        print(
            f"\none refresh after a batch of {BATCH:,} over half an hour: {time.perf_counter() - began_s:.2f} s, "
            f"{counted.quarters:,} quarters counted anew from {counted.rows:,} rows"
        )


def verdict_on(report: list[Asked], views: list[Asked], raw: Asked) -> int:
    """Print both limits and the ratio. Returns the exit code."""
    whole_s = sum(one.median_s for one in report)
    first_s = sum(one.first_s for one in report)
    cpu_s = sum(one.cpu_s for one in report)
    slowest = max(views, key=lambda one: one.median_s)
    days = next(one for one in report if one.name == "report_days")
    is_kept = whole_s < REPORT_S and slowest.median_s < VIEW_S
    print(
        f"\nthe report's queries: {whole_s:.2f} s in all (asked first: {first_s:.2f} s; processor time {cpu_s:.2f} s), limit {REPORT_S:g} s\n"
        f"the slowest view of a dashboard: {1000 * slowest.median_s:.0f} ms ({slowest.name}; processor time {1000 * slowest.cpu_s:.0f} ms), limit {1000 * VIEW_S:g} ms\n"
        f"counts by day from quarters, of those from rows: {days.median_s / raw.first_s:.4f} of the time "
        f"({raw.first_s / days.median_s:,.0f} times faster), {days.rows / max(1, raw.rows):.4f} of the rows read, "
        f"{days.bytes / max(1, raw.bytes):.4f} of the bytes\n"
        f"limits: {'kept' if is_kept else 'BROKEN'}"
    )
    return 0 if is_kept else 1


async def main() -> int:
    """Start an engine, measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report_speed")
    parser.add_argument("--verdicts", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="keep the store there")
    parser.add_argument(
        "--within",
        type=float,
        default=float("inf"),
        metavar="S",
        help="stop making verdicts after so many seconds",
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        async with ClickHousePart(asked.folder or Path(temporary)) as part:
            settings = ClickHouseSettings(url=part.address, timeout_s=600)
            async with await connect(settings) as store:
                await store.migrate()
                return await measure(store, Engine(part.pid or 0), asked.verdicts, asked.within)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
