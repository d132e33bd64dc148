"""`python -m benchmarks.guard_speed.exactness`: on this device, is one pass the same as step after step, and which kernels ran?

A small random model in float32: the scorer's log-probabilities against those of the answer's text run token by token after the
prompt, without tree, cache or batch. Then the names of the attention kernels of one call in bfloat16, and on a GPU the time of
one pass against two (the prompt, then the tree on its keys and values) at 7B.
"""

from __future__ import annotations

import argparse
import random
import statistics
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.guard_speed.prompted import Bench, of_length, texts_of, tree_attention_registered
from benchmarks.guard_speed.shapes import FIFTY_MILLION, SEVEN_BILLION, mistral_tokenizer, random_model, timed
from triton_models.scoring import tree_attention
from triton_models.scoring.answers import Answers
from triton_models.scoring.checking import stepwise
from triton_models.scoring.scorer import Exchange, Limits


def largest_difference(bench: Bench, exchanges: list[Exchange], attention: Any, limits: Limits) -> float:
    """Between the scorer and stepwise, over all reads of all exchanges."""
    one = bench.scorer(attention, limits).passes(has_response=True)[0]
    rendered = [one.renderer.render(prompt, response) for prompt, response in exchanges]
    scored: list[Answers] = one.run(rendered)
    bench.model.set_attn_implementation("sdpa")
    worst = 0.0
    for row, answers in zip(rendered, scored, strict=True):
        for mine, other in zip(answers.choices, stepwise(bench.model, one, row.ids), strict=True):
            worst = max(worst, *(abs(a - b) for a, b in zip(mine, other, strict=True)))
    return worst


def kernels(bench: Bench, exchanges: list[Exchange], attention: Any, limits: Limits) -> list[str]:
    """The names of the device's attention kernels in one call."""
    scorer = bench.scorer(attention, limits)
    scorer.score(exchanges)
    kinds = [torch.profiler.ProfilerActivity.CPU]
    if bench.device.type == "cuda":
        kinds.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=kinds) as profile:
        scorer.score(exchanges)
    return sorted(
        {
            event.key[:90]
            for event in profile.key_averages()
            if any(
                word in event.key.lower()
                for word in ("flash", "fmha", "efficient_attention", "attention_math")
            )
        }
    )


def two_passes_s(bench: Bench, exchanges: list[Exchange], rounds: int) -> float:
    """Seconds of a batch where the prompt runs first, without any mask, and the tree after it on its keys and values."""
    from transformers import DynamicCache

    one = bench.scorer("tree", Limits(has_prefix=False)).passes(has_response=True)[0]
    rows = [one.renderer.render(prompt, response).ids for prompt, response in exchanges]
    ids = torch.tensor(rows, device=bench.device)
    tree = torch.tensor(one.tree.tokens, device=bench.device).expand(len(rows), -1)
    depths = torch.tensor(one.tree.depths, device=bench.device)
    sees = torch.from_numpy(one.tree.sees()).to(bench.device)
    lengths = torch.full((len(rows),), ids.shape[1], device=bench.device)
    mask = tree_attention.tree_mask(
        lengths, sees, width=ids.shape[1], cached=0, left=False, dtype=bench.dtype
    )

    @torch.inference_mode()
    def work() -> None:
        cache = DynamicCache()
        none = torch.zeros(len(rows), 1, 0, ids.shape[1], device=bench.device)
        bench.model.base_model(input_ids=ids, attention_mask=none, past_key_values=cache, use_cache=True)
        bench.model.base_model(
            input_ids=tree,
            attention_mask=mask,
            position_ids=lengths[:, None] + depths,
            past_key_values=cache,
            use_cache=True,
        )

    return statistics.median(timed(work, bench.device, rounds=rounds + 1)[1:])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with guard/dev.jsonl.gz")
    parser.add_argument(
        "--tokenizer", default="", help="folder with tokenizer.json; empty: from mistral-common"
    )
    arguments = parser.parse_args()
    torch.manual_seed(0)
    tree_attention_registered()
    from transformers import AutoTokenizer

    words = AutoTokenizer.from_pretrained(arguments.tokenizer) if arguments.tokenizer else mistral_tokenizer()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    exchanges = random.Random(0).sample(texts_of(arguments.data, 64), 6)
    for dtype in (torch.float32, torch.bfloat16):
        small = Bench(random_model(FIFTY_MILLION, device, dtype), words, device, dtype, FIFTY_MILLION, 1.0)
        for attention in ("tree", "sdpa"):
            for has_prefix in (True, False):
                limits = Limits(has_prefix=has_prefix)
                worst = largest_difference(small, exchanges, attention, limits)
                name = str(dtype).removeprefix("torch.")
                shared = "shared beginning" if has_prefix else "nothing shared"
                print(f"{name:10}{attention:6}{shared:18}largest difference of a log-probability {worst:.1e}")
                if dtype is torch.bfloat16:
                    print(f"  {'; '.join(kernels(small, exchanges, attention, limits))}")
    if device.type == "cuda":
        big = random_model(SEVEN_BILLION, device, torch.bfloat16)
        bench = Bench(big, words, device, torch.bfloat16, SEVEN_BILLION, 1.0)
        for tokens, many in ((128, 80), (512, 28), (2048, 7)):
            some = of_length(bench, exchanges, tokens, many)
            scorer = bench.scorer("tree", Limits(has_prefix=False))
            times = timed(partial(scorer.score, some), device, rounds=6)
            one = statistics.median(times[1:])
            two = two_passes_s(bench, some, 5)
            print(
                f"7B, {many} prompts of {tokens} tokens: one pass {one * 1e3:.1f} ms, two passes {two * 1e3:.1f} ms"
            )


if __name__ == "__main__":
    main()
