"""`python -m benchmarks.chaos`: a known input, real parts, faults at seeded moments, and every promise checked at the end.

Real Kafka, Triton and ClickHouse engine with proxies in front of them, one to three worker processes. Exit code 1
where anything was lost, duplicated or wrong, or any promise was broken: then the seed and the logs are named.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from benchmarks.chaos.kinds import Kind
from benchmarks.chaos.report import report
from benchmarks.chaos.run import Plan, run


def kinds_named(names: str) -> tuple[Kind, ...]:
    """The kinds with these names. Raises KeyError for one that isn't."""
    by_name = {kind.value: kind for kind in Kind}
    return tuple(by_name[name.strip()] for name in names.split(","))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--events", type=int, default=200_000, help="exchanges (default 200,000)")
    parser.add_argument("--faults", type=int, default=200, help="faults (default 200)")
    parser.add_argument("--minutes", type=float, help="begin no fault after so long (default: make all)")
    parser.add_argument("--seed", type=int, default=1, help="of input and faults (default 1)")
    parser.add_argument("--workers", default="2-3", help="at the beginning and at most (default 2-3)")
    parser.add_argument("--kinds", default="", help="only these, with commas between (default: all)")
    parser.add_argument("--folder", type=Path, help="for data and logs (default: a new temporary one)")
    parser.add_argument("--keep", action="store_true", help="keep the folder even where all went well")
    chosen = parser.parse_args()
    at_first, _, most = chosen.workers.partition("-")
    folder: Path = chosen.folder or Path(tempfile.mkdtemp(prefix="watchkeeper-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    plan = Plan(
        seed=chosen.seed,
        events=chosen.events,
        faults=chosen.faults,
        workers=int(at_first),
        most_workers=int(most or at_first),
        folder=folder,
        kinds=kinds_named(chosen.kinds) if chosen.kinds else tuple(Kind),
        minutes=chosen.minutes,
    )
    # What the clients of the harness itself say of a broker that it has killed.
    logging.basicConfig(filename=folder / "harness.log", level=logging.WARNING)
    console, notes = Console(width=140), Console(stderr=True, width=120)
    began_s = time.monotonic()
    repeats = f"seed {plan.seed}; logs in {folder}; again: {plan.command}"
    try:
        outcome = asyncio.run(
            run(
                plan,
                lambda line: notes.print(f"{time.monotonic() - began_s:7.1f} s  {line}", highlight=False),
            )
        )
    except BaseException:  # the harness itself, or a part that didn't come back
        console.print(repeats, highlight=False, markup=False)
        raise
    console.print(f"{plan.command}: {outcome.seconds:.0f} s", highlight=False)
    console.print(report(outcome))
    if outcome.is_sound:
        if not chosen.keep and chosen.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
        return 0
    for line in (*outcome.figures.findings, *outcome.faults):
        console.print(f"- {line}", style="red", highlight=False, markup=False)
    console.print(repeats, highlight=False, markup=False)
    return 1


if __name__ == "__main__":
    sys.exit(main())
