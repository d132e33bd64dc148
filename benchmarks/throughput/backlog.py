"""Peak memory of a moderation worker that finds a backlog: reading on, and with a stalled guard."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Final

from rich.table import Table

from benchmarks.throughput import topics
from benchmarks.throughput.events import EVENT_BYTES
from benchmarks.throughput.peers import OUR_PYTHON, figures_of, our_environment
from monitor.embedded.kafka import KafkaPart

PARTITIONS: Final = 2
LIMIT_MB: Final = 600
SOURCE: Final = "bench.chat.logs"


async def backlog(count: int, folder: Path) -> Table:
    """Run both guards on `count` messages that wait."""
    table = Table(title=f"Memory of a worker at a backlog of {count:,} events of about {EVENT_BYTES} bytes")
    for column in ("guard", "peak MB", f"of the limit of {LIMIT_MB} MB"):
        table.add_column(column, justify="left" if column == "guard" else "right")
    async with KafkaPart(folder / "kafka") as kafka:
        await topics.create(kafka.address, SOURCE, PARTITIONS)
        await topics.fill(kafka.address, SOURCE, count, PARTITIONS)
        for guard, extra in (("instant", ()), ("stalled for 20 s, then instant", ("--stalled-s", "20"))):
            run = f"bench-{uuid.uuid4().hex[:8]}"
            await topics.create(kafka.address, f"{run}.out", PARTITIONS)
            figures = await figures_of(
                [str(OUR_PYTHON), "-m", "benchmarks.throughput.ours", "moderate", str(count), *extra],
                our_environment(kafka.address, run, chat_logs=SOURCE, verdicts=f"{run}.out"),
            )
            table.add_row(guard, f"{figures.peak_rss_mb:.0f}", f"{figures.peak_rss_mb / LIMIT_MB:.2f}")
    return table
