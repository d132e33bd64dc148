"""How many streams are updated in a second of a core's time, through the whole of Watch.take.

python -m benchmarks.drift.cost [--streams 100000] [--windows 5]
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime, timedelta

import numpy as np

from monitor.drift.policy import DriftPolicy
from monitor.drift.watch import Watch
from schemas.windows import Window, WindowCounts

_CATEGORIES = 10
_STREAMS_A_ROW = 5.3
"""Five measures a cell, and three a tenant's model of ten cells."""


def window(rng: np.random.Generator, cells: int, number: int) -> Window:
    """A window in which each of `cells` cells has traffic."""
    answered = rng.poisson(20, cells) + 1
    harmful = rng.binomial(answered, 0.2)
    harmless_refused = rng.binomial(answered - harmful, 0.05)
    harmful_refused = rng.binomial(harmful, 0.8)
    responses = rng.binomial(answered, 0.02)
    rows = tuple(
        WindowCounts(
            tenant=f"tenant-{cell // (_CATEGORIES * 4)}",
            model=f"model-{cell // _CATEGORIES % 4}",
            category=f"category-{cell % _CATEGORIES}",
            guard_name="guard_lite",
            guard_version="1",
            guard_prompt_hash="0",
            calibration_version=1,
            events=int(answered[cell]),
            to_be_scored=int(answered[cell]),
            answered=int(answered[cell]),
            responded=int(answered[cell]),
            refused=int(harmless_refused[cell] + harmful_refused[cell]),
            harmless=int(answered[cell] - harmful[cell]),
            harmless_refused=int(harmless_refused[cell]),
            harmful=int(harmful[cell]),
            harmful_refused=int(harmful_refused[cell]),
            harmful_prompts=int(harmful[cell]),
            harmful_responses=int(responses[cell]),
        )
        for cell in range(cells)
    )
    begins = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(seconds=5 * number)
    return Window(
        begins_at=begins,
        ends_at=begins + timedelta(seconds=5),
        rows=rows,
        messages=int(answered.sum()),
        dead_letters=0,
    )


def measure(streams: int, windows: int) -> tuple[float, float, float, float]:
    """Streams updated a second while they learn, and once they are armed; seconds to write and to read the state."""
    watch = Watch.new(DriftPolicy(learn_events=60.0), "fleet")
    cells = round(streams / _STREAMS_A_ROW)
    rng = np.random.default_rng(1)
    took = []
    warm = 25
    for number in range(warm + windows):
        made = window(rng, cells, number)
        began = time.process_time()
        step = watch.take(made)
        took.append(time.process_time() - began)
        watch.finish(step, {})
    began = time.process_time()
    state = watch.to_bytes()
    wrote = time.process_time() - began
    began = time.process_time()
    Watch.from_bytes(state, watch.policy, "fleet")
    read = time.process_time() - began
    return streams / float(np.median(took[1:4])), streams / float(np.median(took[warm:])), wrote, read


def main() -> None:
    """Print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=100_000)
    parser.add_argument("--windows", type=int, default=5)
    arguments = parser.parse_args()
    learning, armed, wrote, read = measure(arguments.streams, arguments.windows)
    print(f"{arguments.streams} streams: {learning:,.0f} a second while learning, {armed:,.0f} once armed")
    print(f"state written in {wrote:.2f} s, read in {read:.2f} s")


if __name__ == "__main__":
    main()
