"""Whoever watches for drift is killed at random, 50 times: the alerts are those of an undisturbed run.

`python -m benchmarks.watch_kills` starts a broker, an engine and two workers with all roles, lets the refusals of the traffic shift
and go back, and sends SIGKILL to the worker that watches, again and again, at a random moment after it began; now and then what
fires is acknowledged. In the end the windows that stand must be what a recount of the rows says, without a gap, and the alerts
on safety.alerts (ids, states, severities and times) those that the same windows and actions give without any crash.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import structlog

from benchmarks.watch_kills.killing import Outcome, run
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart


async def measure(kills: int, seed: int) -> Outcome:
    """One run on parts of its own."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            KafkaPart(Path(folder) / "kafka") as kafka,
            ClickHousePart(Path(folder) / "store") as store,
        ):
            return await run(Path(folder), kafka, store, kills=kills, seed=seed)


def main() -> int:
    """Print what came of it. Exit status 1 where the alerts differ."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.watch_kills", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    outcome = asyncio.run(measure(arguments.kills, arguments.seed))
    lines = (
        ("times that whoever watched was killed", outcome.kills),
        ("seconds", round(outcome.seconds)),
        ("windows of a second that stand", outcome.windows),
        ("of these not what a recount says", outcome.wrong),
        ("seconds without a window", outcome.gaps),
        ("alerts told", len(outcome.told)),
        ("of these acknowledged by a person", outcome.acknowledged),
        ("records written for them (at least once)", outcome.records),
        ("alerts of an undisturbed run", len(outcome.expected)),
        ("the same ids, states, severities and times", "yes" if outcome.told == outcome.expected else "NO"),
    )
    for name, value in lines:
        sys.stdout.write(f"{name:<45} {value}\n")
    return 0 if outcome.is_as_promised else 1


if __name__ == "__main__":
    sys.exit(main())
