"""`python -m benchmarks.fuzz`: raw bytes-level fuzzing of ingest over every format; no crash and no loss, or exit 1.

A case is lost where it is neither an exchange, nor a rejected part, nor counted as no chat, nor refused with a
reason; or where an exchange does not come back the same from its own JSON.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final

from benchmarks.fuzz.cases import Tally, run

_CHUNK: Final = 10_000


def report(tally: Tally, seed: int, wall_s: float) -> str:
    """The table."""
    title = (
        f"Ingest under damaged bytes: {tally.cases.total():,} cases, seed {seed}, {wall_s:.0f} s,"
        f" slowest case {tally.slowest_ms:.1f} ms"
    )
    lines = [
        title,
        "",
        f"{'family':<16}{'cases':>10}{'accepted':>10}{'refused':>10}{'exchanges':>11}{'bad parts':>11}{'not chat':>10}",
    ]
    columns = (
        tally.cases,
        tally.accepted,
        tally.refused,
        tally.exchanges,
        tally.rejected_parts,
        tally.not_chat,
    )
    widths = (10, 10, 10, 11, 11, 10)
    for family in sorted(tally.cases):
        cells = "".join(f"{column[family]:>{width},}" for column, width in zip(columns, widths, strict=True))
        lines.append(f"{family:<16}{cells}")
    cells = "".join(f"{column.total():>{width},}" for column, width in zip(columns, widths, strict=True))
    lines += [f"{'all':<16}{cells}", "", f"{'reason':<26}{'count':>10}"]
    lines += [f"{reason:<26}{count:>10,}" for reason, count in tally.reasons.most_common()]
    crashes = sum(fault.startswith("crash") for fault in tally.faults)
    lines += ["", f"crashes: {crashes}", f"losses: {len(tally.faults) - crashes}", *tally.faults[:20]]
    return "\n".join(lines)


def main() -> int:
    """Run the cases and print the table; 1 where anything crashed or was lost."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fuzz", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--cases", type=int, default=100_000, help="how many cases (default 100,000)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the whole run (default 1)")
    parser.add_argument("--first", type=int, default=0, help="number of the first case, to repeat one")
    parser.add_argument("--processes", type=int, default=2, help="processes side by side (default 2)")
    chosen = parser.parse_args()
    started = time.perf_counter()
    last = chosen.first + chosen.cases
    tally = Tally.empty()
    with ProcessPoolExecutor(chosen.processes, mp_context=get_context("spawn")) as pool:
        chunks = [
            pool.submit(run, chosen.seed, first, min(first + _CHUNK, last))
            for first in range(chosen.first, last, _CHUNK)
        ]
        for chunk in chunks:
            tally.merge(chunk.result())
    print(report(tally, chosen.seed, time.perf_counter() - started))
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
