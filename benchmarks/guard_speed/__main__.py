"""`python -m benchmarks.guard_speed`: how fast guards are. guard_lite through the real Triton, against its scorer in this process;
then prompted guards, the one-pass scorer against generate() (benchmarks/guard_speed/prompted.py; on a GPU where there is one).

guard_lite's peer is what Triton wraps: the same scorer and weights, called on batches of 64 in this one thread. Ours is the whole
way: the guard's client (encoding, gRPC, identity check, reading) and tritonserver with its two instances, eight calls in
flight. Both share the machine's cores; Triton may use all of them, the peer uses one. Rounds alternate, the best counts, and
each has texts of its own: guard_lite remembers what its encoder answered lately. `one call` is a single batch of 64 with nothing
else in flight.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.guard_quality import rows
from benchmarks.guard_quality.__main__ import MODEL, load_scorer
from benchmarks.guard_speed import prompted
from monitor.adapters.triton import TritonGuard, connect
from monitor.embedded.triton import TritonPart
from monitor.settings import TritonSettings

BATCH: Final = 64
ROUNDS: Final = 5


def in_process_s(scorer: Any, prompts: Sequence[str], responses: Sequence[str | None]) -> float:
    """Seconds for all exchanges, batch after batch, with the encoding that the model's process is spared."""
    start_s = time.perf_counter()
    for at in range(0, len(prompts), BATCH):
        asked, answers = prompts[at : at + BATCH], responses[at : at + BATCH]
        scorer.score(
            [text.encode("utf-8", "replace") for text in asked],
            [(text or "").encode("utf-8", "replace") for text in answers],
            np.array([text is not None for text in answers]),
        )
    return time.perf_counter() - start_s


async def through_triton_s(
    guard: TritonGuard, prompts: Sequence[str], responses: Sequence[str | None]
) -> float:
    """Seconds for all exchanges, through as many calls in flight as the settings allow."""
    start_s = time.perf_counter()
    scores = await guard.score(prompts, responses)
    took_s = time.perf_counter() - start_s
    if any(score.status != "ok" for score in scores):
        raise SystemExit("the guard didn't score every exchange; its speed says nothing")
    return took_s


async def measure(data: Path, count: int, folder: Path) -> None:
    """Run and print."""
    chosen = rows.chat_logs(data)[:count]
    prompts, responses = [row.prompt for row in chosen], [row.response for row in chosen]
    text_bytes = statistics.mean(len((row.prompt + (row.response or "")).encode()) for row in chosen)
    scorer = load_scorer().Scorer.load(MODEL / "1" / "weights.npz")
    async with TritonPart(folder, MODEL.parent) as part:
        settings = TritonSettings(url=part.address, max_batch=BATCH)
        async with await connect(settings) as guard:
            peer_s, ours_s = [], []
            for number in range(ROUNDS + 1):
                asked, answers = prompts[number :: ROUNDS + 2], responses[number :: ROUNDS + 2]
                peer_s.append(in_process_s(scorer, asked, answers) / len(asked))
                ours_s.append(await through_triton_s(guard, asked, answers) / len(asked))
            asked, answers = prompts[ROUNDS + 1 :: ROUNDS + 2], responses[ROUNDS + 1 :: ROUNDS + 2]
            call_s = [
                await through_triton_s(guard, asked[at : at + BATCH], answers[at : at + BATCH])
                for at in range(0, len(asked) - BATCH, BATCH)
            ]
            server = part.facts["server"]
    count = len(chosen)
    peer, ours = 1 / min(peer_s[1:]), 1 / min(ours_s[1:])
    settled = scorer.shares.settled / scorer.shares.exchanges
    print(
        f"{count:,} exchanges of {text_bytes:,.0f} bytes, batches of {BATCH}, {os.cpu_count()} cores, {server}"
    )
    print(f"  settled by the first stage     {settled:>10.1%}")
    print(f"  scorer in process, one thread  {peer:>10,.0f} exchanges/s")
    print(f"  client and Triton              {ours:>10,.0f} exchanges/s   ratio {ours / peer:.2f}")
    middle, late = statistics.median(call_s), statistics.quantiles(call_s, n=20)[-1]
    print(f"  one call                       p50 {middle * 1e3:.1f} ms, p95 {late * 1e3:.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with chatlogs/")
    parser.add_argument("--count", type=int, default=5_760, help="exchanges, of guard_lite, over all rounds")
    parser.add_argument("--only", choices=("guard_lite", "prompted"), help="one of the two parts")
    arguments = parser.parse_args()
    if arguments.only != "prompted":
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(measure(arguments.data, arguments.count, Path(folder)))
    if arguments.only != "guard_lite":
        prompted.run(arguments.data)


if __name__ == "__main__":
    main()
