"""Average seeds' weights: `python -m triton_models.guard_lite.average DATA_FOLDER OUT SEED.safetensors...`.

The seeds began at the same weights and heads, so their mean is a model too (Wortsman et al. 2022). It is kept only where
its loss on a sample of the training rows is no higher than the mean of theirs: else they don't lie in one valley, and
the first seed is written instead.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from triton_models.guard_lite import encoder, examples, train


def loss(guard: encoder.Guard, chosen: list[examples.Example], pieces: object) -> float:
    """The mean cross-entropy over the labels of the three questions."""
    logits = train.logits_of(guard, chosen, pieces)
    costs = [
        float(np.logaddexp(0.0, logits[place, column] * (-1 if label else 1)))
        for place, e in enumerate(chosen)
        for column, label in enumerate((e.prompt_harm, e.refusal, e.response_harm))
        if label is not None
    ]
    return float(np.mean(costs))


def main() -> None:
    """Average, compare, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with train.jsonl.gz")
    parser.add_argument("out", type=Path)
    parser.add_argument("seeds", type=Path, nargs="+")
    parser.add_argument("--start", type=Path, help="MiniLM's folder: model.safetensors and vocab.txt")
    options = parser.parse_args()
    folder = options.start or train.minilm()
    pieces = train.tokens.Pieces(folder / "vocab.txt")
    rows = examples.rows(options.data / "train.jsonl.gz")
    sample = [replace(e, weights=(1.0,) * 4) for e in random.Random(0).sample(rows, min(3_000, len(rows)))]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    guard = encoder.from_minilm(folder / "model.safetensors", seed=0).to(device)
    states = [{name: value.float() for name, value in load_file(path).items()} for path in options.seeds]
    mean = {name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]}
    losses = []
    for state in (*states, mean):
        guard.load_state_dict(state)
        losses.append(loss(guard, sample, pieces))
    shown = [round(value, 4) for value in losses]
    train.say(f"training loss of the seeds {shown[:-1]} of their mean {shown[-1]}")
    kept = mean if losses[-1] <= np.mean(losses[:-1]) else states[0]
    train.say(f"kept: the {'mean' if kept is mean else 'first seed'}")
    save_file({name: value.half().contiguous() for name, value in kept.items()}, options.out)


if __name__ == "__main__":
    main()
