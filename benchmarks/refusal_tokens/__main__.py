"""`python -m benchmarks.refusal_tokens`: a real causal model, trained here with refusal tokens, served before and after a calibration.

By category: the rate of the token among the prompts that its threshold decides about, at the threshold set by hand, at the
calibrated one, and what was asked for; and the share of texts that do as their token says, natural and forced. Then what the processor
costs: CPU time of generation with it, by that without it, in turns, and the share that is spent inside of it. The model is tiny, so its
steps are cheap: a real one's share is less. Seeded; a minute on one core.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median
from typing import Final

import numpy as np
import torch

from benchmarks.refusal_tokens.loop import (
    Answered,
    calibrate,
    first_calibration,
    rate_of,
    serve,
    served_tiny,
    window,
)
from benchmarks.refusal_tokens.model import Tiny, one_thread, train
from benchmarks.refusal_tokens.traffic import draw
from monitor.recalibration.life import step
from monitor.recalibration.obedience import obedience
from monitor.recalibration.observing import Z_99
from monitor.recalibration.proposing import Place
from monitor.recalibration.signing import sign
from monitor.recalibration.weighted import difference
from monitor.serving.thresholds import InForce
from monitor.serving.transformers_processor import RefusalTokenProcessor
from schemas.calibrations import Calibration, Thresholds
from schemas.refusal_tokens import CATEGORY_TOKENS

SEED: Final = 20261127
SELECTED: Final = CATEGORY_TOKENS[:3]
TARGETS: Final = dict(zip(SELECTED, (0.3, 0.5, 0.65), strict=True))
OLD: Final = Thresholds(
    rule="category", selected=SELECTED, temperature=1.0, values=dict.fromkeys(SELECTED, 0.5)
)
SECRETS: Final = {"main": b"for this benchmark alone"}
AT: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)
ROUNDS: Final = 11
TOKENS: Final = 40


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompts", type=int, default=5000, help="of each window")
    given = parser.parse_args()
    logging.getLogger("watchkeeper.serving").setLevel(logging.ERROR)
    tiny = train()
    print(
        f"Llama architecture, {tiny.parameters:,} parameters, vocabulary {len(tiny.tokenizer)}, seed {SEED}"
    )
    is_held = _rates(tiny, given.prompts)
    _costs(tiny)
    sys.exit(0 if is_held else 1)


def _rates(tiny: Tiny, n: int) -> bool:
    served = served_tiny(tiny)
    in_force = InForce(served, SECRETS)
    in_force.offer(sign(first_calibration(served, OLD, AT), "main", SECRETS["main"]).to_bytes())

    def times(begin: int) -> list[datetime]:
        return [AT + timedelta(seconds=begin * n + place) for place in range(n)]

    def answers(number: int) -> list[Answered]:
        return serve(tiny, in_force, draw(n, np.random.default_rng(SEED + number)), str(number))

    before, now = answers(1), answers(2)
    found = calibrate(
        window(before, served.serving, OLD, at=times(0), live=OLD),
        window(now, served.serving, OLD, at=times(1), live=OLD),
        TARGETS,
        serving=served.serving,
        shape=OLD,
        before=OLD,
        place=Place(served.fleet, 2, AT + timedelta(seconds=2 * n), "benchmark"),
    )
    if not isinstance(found, Calibration):
        print("nothing proposed:", *found.reasons, sep="\n  ")
        return False
    for state in ("approved", "published"):
        found = step(found, state, by="benchmark", reason="", at=found.at)
        in_force.offer(sign(found, "main", SECRETS["main"]).to_bytes())
    after = answers(3)
    print(f"\nRate of the token by category, {n:,} prompts a window; 95 % intervals")
    print(f"{'category':36}{'target':>7}{'T before':>10}{'rate before':>24}{'T after':>10}{'rate after':>24}")
    is_held = True
    for part in found.evidence:
        old, new = rate_of(before, part.group), rate_of(after, part.group)
        off = difference(new, part.rate)
        is_there = off.low * Z_99 / 1.96 <= 0 <= off.high * Z_99 / 1.96
        is_held &= is_there
        print(
            f"{part.group:36}{TARGETS[part.group]:>7.2f}{0.5:>10.3f}"
            f"{f'{old.value:.3f} ({old.low:.3f} to {old.high:.3f})':>24}{part.threshold:>10.3f}"
            f"{f'{new.value:.3f} ({new.low:.3f} to {new.high:.3f})':>24}   {'arrived' if is_there else 'NOT ARRIVED'}"
        )
    last = window(after, served.serving, found.now, at=times(4), live=found.now)
    print(f"\nTexts that do as their token says; {len(last.sample):,} of {last.rows:,} records identified")
    for cell in obedience(last.sample, z=1.96):
        if cell.refused is not None:
            obeyed = cell.refused.value if cell.after == "refuse" else 1 - cell.refused.value
            print(f"  {cell.after:8}{cell.manner:8}{cell.n:>6}  {obeyed:.3f}")
    return is_held


def _costs(tiny: Tiny) -> None:
    served = served_tiny(tiny)
    in_force = InForce(served, SECRETS)
    in_force.offer(sign(first_calibration(served, OLD, AT), "main", SECRETS["main"]).to_bytes())
    print(
        f"\nCPU time of generation with the processor by that without it, {TOKENS} tokens, {ROUNDS} rounds in turns"
    )
    for size in (1, 16, 128):
        prompts = draw(size, np.random.default_rng(SEED))
        encoded = tiny.encode(prompts)
        ids = [str(number) for number in range(size)]

        def generate(*processors: Timed, encoded: object = encoded) -> None:
            with torch.no_grad(), one_thread():
                tiny.model.generate(
                    **encoded,  # type: ignore[arg-type]  # a batch of transformers
                    max_new_tokens=TOKENS,
                    min_new_tokens=TOKENS,
                    do_sample=False,
                    logits_processor=list(processors),
                )

        generate()
        ratios, shares = [], []
        for _ in range(ROUNDS):
            ours = Timed(in_force, ids)
            with_it = _seconds(partial(generate, ours))
            ratios.append(with_it / _seconds(generate))
            shares.append(ours.seconds / with_it)
        print(
            f"  batch {size:>4}: {median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}), "
            f"inside of it {median(shares):.4f} ({min(shares):.4f} to {max(shares):.4f})"
        )


class Timed(RefusalTokenProcessor):
    """Adds up the CPU time that it takes."""

    seconds = 0.0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """As the processor."""
        begin = time.process_time()
        found = super().__call__(input_ids, scores)
        self.seconds += time.process_time() - begin
        return found


def _seconds(work: Callable[[], None]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


if __name__ == "__main__":
    main()
