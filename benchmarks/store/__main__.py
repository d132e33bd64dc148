"""`python -m benchmarks.store`: what counting each event once costs on the real engine, reading and writing.

Reading: a store of 2,000,000 verdicts with random ids over 7 days, made inside the engine. The rates of a window by
looking its events up (rates_of_window.sql) and by reading through with FINAL (rates.sql), in time and rows read; what
`monitor.rates` makes of the two; and, as the limit, the same sums over the bare rows without FINAL, which count a
repeat twice. Writing: Kafka's bytes inserted as they are, against the same bytes decoded, turned into columns and
inserted by clickhouse_connect, and against columns that were ready before the clock started.

Rounds alternate between the contestants, the best of each counts: the machine may be busy. Exits 1 where the last
15 minutes aren't at least LEAST_GAIN times faster than reading through, or a window takes longer than MOST_LOSS times
reading through.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from monitor.adapters.clickhouse import TABLE, ClickHouse, connect
from monitor.embedded.clickhouse import ClickHousePart
from monitor.rates import rates
from monitor.settings import ClickHouseSettings
from monitor.store import sql
from schemas.events import Verdict
from tests.fakes.verdicts import a_verdict
from tests.waiting import until

ROWS: Final = 2_000_000
SPAN: Final = timedelta(days=7)
BLOCK: Final = 100_000
WINDOWS: Final = {
    "15 minutes": timedelta(minutes=15),
    "1 hour": timedelta(hours=1),
    "6 hours": timedelta(hours=6),
    "1 day": timedelta(days=1),
    "3 days": timedelta(days=3),
    "7 days": SPAN,
}
ROUNDS: Final = 5
LEAST_GAIN: Final = 2.0
MOST_LOSS: Final = 1.25
INSERT_ROWS: Final = 50_000
INSERT_BLOCK: Final = 5_000
CELLS: Final[Mapping[str, Any]] = {
    "window_s": 60,
    "by_window": False,
    "by_tenant": True,
    "by_model": True,
    "by_category": True,
}


@dataclass(slots=True)
class Best:
    """The best of several rounds. `cpu_s` is this process's, `rows` what the engine read."""

    wall_s: float = float("inf")
    cpu_s: float = float("inf")
    rows: int = 0

    async def of(self, once: Callable[[], Awaitable[int]]) -> None:
        """One more round of `once`, which gives the rows read."""
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        self.rows = await once()
        self.wall_s = min(self.wall_s, time.perf_counter() - wall_s)
        self.cpu_s = min(self.cpu_s, time.process_time() - cpu_s)


async def fill(store: ClickHouse, end: datetime) -> None:
    """ROWS verdicts that arrived evenly in the SPAN before `end`; returns when no merge runs any more."""
    statement = (Path(__file__).parent / "generate.sql").read_text(encoding="utf-8")
    for first in range(0, ROWS, BLOCK):
        given = {
            "until": end,
            "span_s": int(SPAN.total_seconds()),
            "total": ROWS,
            "first": first,
            "count": BLOCK,
        }
        await store._client.command(statement, parameters=given)
    merging = "SELECT count() FROM system.merges"

    async def is_quiet() -> bool:
        return int(str(await store._client.command(merging))) == 0

    await until(is_quiet, "the end of merges", within_s=120)


async def read(store: ClickHouse, end: datetime) -> bool:
    """Print the table of windows. Whether both limits were kept."""
    parts = await store._client.command(
        "SELECT count() FROM system.parts WHERE active AND table = 'verdict_rows' AND database = currentDatabase()"
    )
    print(f"rates of {ROWS:,} verdicts over {SPAN.days} days in {parts} parts, by tenant, model and category")
    print(
        f"{'window':<12}{'events':>11} | {'look up':>9}{'rows read':>11} | {'through':>9}{'rows read':>11} | "
        f"{'gain':>6}{'rows':>7} | {'chosen':>9}{'of through':>11} | {'no FINAL':>9}"
    )
    gains, losses = [], []
    for name, window in WINDOWS.items():
        given = {"since": end - window, "until": end, **CELLS}
        looked_up, through, chosen, bare = Best(), Best(), Best(), Best()
        found: dict[str, object] = {}

        async def ask(statement: str, label: str) -> int:
            result = await store._client.query(statement, parameters=given)  # noqa: B023  # awaited in this round
            found[label] = result.result_rows  # noqa: B023
            return int(result.summary["read_rows"])

        async def choose() -> int:
            cells = await rates(store, by=("tenant", "model", "category"), since=end - window, until=end)  # noqa: B023
            return sum(cell.events for cell in cells)

        for _ in range(ROUNDS):
            await looked_up.of(lambda: ask(sql.query("rates_of_window"), "look up"))
            await through.of(lambda: ask(sql.query("rates"), "through"))
            await chosen.of(choose)
            await bare.of(lambda: ask(sql.query("rates").replace(" FINAL", ""), "bare"))
        if found["look up"] != found["through"]:
            raise RuntimeError(f"the two ways differ over {name}")
        gains.append(through.wall_s / chosen.wall_s)
        losses.append(chosen.wall_s / through.wall_s)
        print(
            f"{name:<12}{chosen.rows:>11,} | {1000 * looked_up.wall_s:>6.0f} ms{looked_up.rows:>11,} | "
            f"{1000 * through.wall_s:>6.0f} ms{through.rows:>11,} | {through.wall_s / looked_up.wall_s:>6.2f}"
            f"{through.rows / looked_up.rows:>7.2f} | {1000 * chosen.wall_s:>6.0f} ms{losses[-1]:>11.2f} | "
            f"{1000 * bare.wall_s:>6.0f} ms"
        )
    kept = gains[0] >= LEAST_GAIN and max(losses) <= MOST_LOSS
    print(
        f"limits: the first window at least {LEAST_GAIN:g} times faster than reading through ({gains[0]:.2f}), none "
        f"slower than {MOST_LOSS:g} of it ({max(losses):.2f}): {'kept' if kept else 'BROKEN'}"
    )
    return kept


def columns(values: list[bytes]) -> list[list[Any]]:
    """The rows of these records for clickhouse_connect, decoded as a worker would have to."""
    rows = []
    for value in values:
        row = list(msgspec.structs.astuple(Verdict.from_bytes(value)))
        row[TOKEN] = None if row[TOKEN] is None else msgspec.json.encode(row[TOKEN]).decode()
        rows.append(row)
    return rows


TOKEN: Final = Verdict.__struct_fields__.index("refusal_token")


async def write(store: ClickHouse, now: datetime) -> None:
    """Print the table of inserts."""
    fields = list(Verdict.__struct_fields__)
    plain = Best(), Best(), Best()

    def blocks(label: str) -> list[list[bytes]]:
        verdicts = [
            msgspec.structs.replace(
                a_verdict(),
                event_id=f"{label}-{n:x}-{n * 2654435761 % 2**32:08x}",
                arrived_at=now,
                source_offset=n,
            ).to_bytes()
            for n in range(INSERT_ROWS)
        ]
        return [verdicts[at : at + INSERT_BLOCK] for at in range(0, INSERT_ROWS, INSERT_BLOCK)]

    async def as_they_are(given: list[list[bytes]]) -> int:
        for block in given:
            await store.insert(block)
        return INSERT_ROWS

    async def by_columns(given: list[list[bytes]]) -> int:
        for block in given:
            await store._client.insert(TABLE, columns(block), column_names=fields)
        return INSERT_ROWS

    async def ready(given: list[list[list[Any]]]) -> int:
        for block in given:
            await store._client.insert(TABLE, block, column_names=fields)
        return INSERT_ROWS

    for round_ in range(ROUNDS):
        first, second = blocks(f"a{round_}"), blocks(f"b{round_}")
        third = [columns(block) for block in blocks(f"c{round_}")]
        await plain[0].of(lambda: as_they_are(first))  # noqa: B023
        await plain[1].of(lambda: by_columns(second))  # noqa: B023
        await plain[2].of(lambda: ready(third))  # noqa: B023
    size = len(blocks("d")[0][0])
    print(
        f"\ninserts of {INSERT_ROWS:,} verdicts of {size} bytes in blocks of {INSERT_BLOCK:,}, fsynced, one at a time"
    )
    names = ("Kafka's bytes as they are", "decoded, clickhouse_connect's columns", "columns that were ready")
    for name, best in zip(names, plain, strict=True):
        print(
            f"{name:<40}{INSERT_ROWS / best.wall_s:>10,.0f} rows/s {best.cpu_s / INSERT_ROWS * 1e6:>7.2f} µs of this "
            f"process a row | ratio: speed {best.wall_s and plain[1].wall_s / best.wall_s:.2f}, "
            f"processor {plain[1].cpu_s / best.cpu_s:.2f}"
        )


async def main() -> int:
    """Start an engine, fill it, measure. Returns the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        async with ClickHousePart(Path(folder)) as part:
            settings = ClickHouseSettings(url=part.address)
            end = datetime.now(UTC).replace(microsecond=0)
            async with await connect(settings) as store:
                await store.migrate()
                await fill(store, end)
                kept = await read(store, end)
            # In a database of its own: merges of the large table are none of the inserts' business.
            async with await connect(settings.model_copy(update={"database": "inserts"})) as store:
                await store.migrate()
                await write(store, end)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
