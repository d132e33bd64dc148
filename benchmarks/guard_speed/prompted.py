"""`python -m benchmarks.guard_speed.prompted`: the one-pass scorer against generate() of the same model, same texts.

WildGuard's prompt on a randomly initialised model of its architecture, with the real Mistral v3 vocabulary:

- one pass: the choice scorer, all exchanges in one call (token-budget batches, shared beginning, all branches). With nothing
  shared, and with `tree` attention in place of the dense mask, beside it.
- generate, one by one: greedy, 22 new tokens, no batching: what a service does that answers requests as they come.
- generate, 16 padded: as the published package does: batches of 16 in the order given, padded on the left.
- generate, our batches: greedy, 22 new tokens, on the batches that the scorer makes: all that batching alone can give.

`share of peak` is 2 FLOP for each layer weight and computed token (prompt and tree, no padding, not the shared beginning that
was computed before; attention's own products not counted) in the time taken, over the measured rate of a large matrix product
in the same type. On a GPU the prompts have exactly the length named; on a CPU they are exchanges of the data as they come.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.guard_speed.shapes import (
    FIFTY_MILLION,
    SEVEN_BILLION,
    layer_parameters,
    matmul_peak,
    mistral_tokenizer,
    random_model,
    timed,
)
from triton_models.scoring import prompt_file, tree_attention
from triton_models.scoring.batching import plan
from triton_models.scoring.loading import Attention, Loaded
from triton_models.scoring.rendering import Rendered
from triton_models.scoring.scorer import Exchange, Limits, Scorer

NEW_TOKENS: Final = 22
PACKAGE_BATCH: Final = 16
PROMPT_FILE: Final = (
    Path(prompt_file.__file__).resolve().parents[1] / "wildguard" / "prompts" / "wildguard.toml"
)


@dataclass(frozen=True)
class Bench:
    """A model on its device, and what is asked of it."""

    model: Any
    tokenizer: Any
    device: torch.device
    dtype: torch.dtype
    shape: dict[str, int]
    peak: float

    def scorer(self, attention: Attention, limits: Limits) -> Scorer:
        """The scorer on this model, with this attention from now on."""
        self.model.set_attn_implementation(tree_attention.NAME if attention == "tree" else attention)
        loaded = Loaded(self.model, self.tokenizer, attention, self.device, "random")
        return Scorer(prompt_file.load(PROMPT_FILE), loaded, limits)

    def generate(self, batch: Sequence[Rendered]) -> None:
        """Greedy, NEW_TOKENS new tokens, padded on the left."""
        self.model.set_attn_implementation("sdpa")
        width = max(len(row.ids) for row in batch)
        ids = torch.zeros(len(batch), width, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for at, row in enumerate(batch):
            ids[at, width - len(row.ids) :] = torch.tensor(row.ids)
            mask[at, width - len(row.ids) :] = 1
        self.model.generate(
            input_ids=ids.to(self.device),
            attention_mask=mask.to(self.device),
            do_sample=False,
            min_new_tokens=NEW_TOKENS,
            max_new_tokens=NEW_TOKENS,
            pad_token_id=0,
        )

    def generate_all(self, batches: Sequence[Sequence[Rendered]]) -> None:
        """One after the other."""
        for batch in batches:
            self.generate(batch)

    def share(self, tokens: int, seconds: float) -> float:
        """Of the peak, see above."""
        return 2 * layer_parameters(self.shape) * tokens / seconds / self.peak


def texts_of(data: Path, count: int) -> list[Exchange]:
    """Exchanges with a response from the labelled data, every n-th."""
    with gzip.open(data / "guard" / "dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    rows = [(row["prompt"], row["response"]) for row in rows if row["prompt"] and row["response"]]
    return rows[:: max(1, len(rows) // count)][:count]


def of_length(bench: Bench, exchanges: Sequence[Exchange], tokens: int, count: int) -> list[Exchange]:
    """Exchanges whose whole prompt has this many tokens: texts joined and cut to fit."""
    scorer = bench.scorer("tree", Limits())
    renderer = scorer.passes(has_response=True)[0].renderer
    fixed = len(renderer.render("", "").ids)
    words = [" ".join(text or "" for text in exchange).split() for exchange in exchanges]
    found: list[Exchange] = []
    for at in range(count):
        pool = [word for offset in range(40) for word in words[(at * 7 + offset) % len(words)]][: 2 * tokens]
        half = max(1, (tokens - fixed) // 2)
        low = _longest(renderer, pool, fixed + half, _alone)
        prompt = " ".join(pool[:low])
        rest = pool[low:] or pool
        high = _longest(renderer, rest, tokens, partial(_after, prompt))
        response = " ".join(rest[:high])
        while len(renderer.render(prompt, response).ids) < tokens:
            response += " ."
        found.append((prompt, response))
    return found


def _alone(words: Sequence[str]) -> tuple[str, str]:
    return " ".join(words), ""


def _after(prompt: str, words: Sequence[str]) -> tuple[str, str]:
    return prompt, " ".join(words)


def _longest(
    renderer: Any, words: Sequence[str], tokens: int, exchange: Callable[[Sequence[str]], tuple[str, str]]
) -> int:
    """How many of the words fit, by halving."""
    low, high = 0, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        if len(renderer.render(*exchange(words[:middle])).ids) <= tokens:
            low = middle
        else:
            high = middle - 1
    return low


def report(
    bench: Bench, exchanges: Sequence[Exchange], *, title: str, limits: Limits, rounds: int, alone: int
) -> None:
    """Measure all ways on these exchanges and print them. One by one is measured on the first `alone` of them."""
    rows: list[tuple[str, float, float, str]] = []
    rendered: list[Rendered] = []
    lengths: list[int] = []
    ways: list[tuple[str, Attention, Limits]] = [
        ("one pass", "sdpa", limits),
        ("one pass, nothing shared", "sdpa", Limits(limits.budget, limits.rows, has_prefix=False)),
        ("one pass, tree attention", "tree", limits),
    ]
    for name, attention, some in ways:
        scorer = bench.scorer(attention, some)
        one = scorer.passes(has_response=True)[0]
        rendered = [one.renderer.render(prompt, response) for prompt, response in exchanges]
        lengths = [one.length(row) for row in rendered]
        times = timed(partial(scorer.score, exchanges), bench.device, rounds=rounds + 1)
        seconds = statistics.median(times[1:])
        share = bench.share(scorer.load.tokens, seconds)
        note = f"{share:6.1%} of peak, {scorer.load.padding_share:5.1%} padding"
        rows.append((name, len(exchanges) / seconds, share, note))
    singles = [[row] for row in rendered[:alone]]
    packaged = [rendered[at : at + PACKAGE_BATCH] for at in range(0, len(rendered), PACKAGE_BATCH)]
    ours = [[rendered[at] for at in batch] for batch in plan(lengths, budget=limits.budget, rows=limits.rows)]
    for name, batches in (
        ("generate, one by one", singles),
        (f"generate, {PACKAGE_BATCH} padded", packaged),
        ("generate, our batches", ours),
    ):
        bench.generate(batches[0])
        (seconds,) = timed(partial(bench.generate_all, batches), bench.device, rounds=1)
        real = sum(len(row.ids) for batch in batches for row in batch)
        padded = sum(len(batch) * max(len(row.ids) for row in batch) for batch in batches)
        rows.append((name, sum(map(len, batches)) / seconds, 0.0, f"{'':15}{1 - real / padded:5.1%} padding"))
    mean = statistics.mean(len(row.ids) for row in rendered)
    print(f"{title}: {len(exchanges)} exchanges, {mean:,.0f} prompt tokens on average")
    best = rows[0][1]
    for name, rate, _, note in rows:
        print(f"  {name:26}{rate:>10,.2f} requests/s   one pass is {best / rate:6.2f} times this   {note}")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with guard/dev.jsonl.gz")
    parser.add_argument(
        "--tokenizer", default="", help="folder with tokenizer.json; empty: from mistral-common"
    )
    parser.add_argument("--count", type=int, default=48, help="exchanges on a CPU")
    arguments = parser.parse_args()
    run(arguments.data, tokenizer=arguments.tokenizer, count=arguments.count)


def run(data: Path, *, tokenizer: str = "", count: int = 48) -> None:
    """Measure on the GPU where there is one, else on the CPU, and print."""
    torch.manual_seed(0)
    is_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if is_gpu else "cpu")
    dtype, shape = (torch.bfloat16, SEVEN_BILLION) if is_gpu else (torch.float32, FIFTY_MILLION)
    if not is_gpu:
        torch.set_num_threads(1)  # then CPU seconds are seconds
    from transformers import AutoTokenizer

    words = AutoTokenizer.from_pretrained(tokenizer) if tokenizer else mistral_tokenizer()
    peak = matmul_peak(device, dtype)
    bench = Bench(random_model(shape, device, dtype), words, device, dtype, shape, peak)
    millions = sum(weight.numel() for weight in bench.model.parameters()) / 1e6
    tree_attention_registered()
    where = torch.cuda.get_device_name() if is_gpu else f"CPU, {torch.get_num_threads()} threads"
    print(
        f"{where}, torch {torch.__version__}, {millions:,.0f}M parameters, {str(dtype).removeprefix('torch.')}, "
        f"matrix products {peak / 1e12:,.2f} TFLOP/s"
    )
    exchanges = texts_of(data, max(count, 64))
    if not is_gpu:
        limits = Limits(budget=4096)
        report(bench, exchanges[:count], title="as they come", limits=limits, rounds=2, alone=count // 4)
        return
    for tokens, many in ((128, 256), (512, 128), (2048, 32)):
        some = of_length(bench, exchanges, tokens, many)
        report(bench, some, title=f"{tokens} tokens", limits=Limits(), rounds=5, alone=8)
    report(bench, exchanges[:64], title="as they come", limits=Limits(), rounds=5, alone=8)


def tree_attention_registered() -> None:
    """Make tree attention known to transformers, as loading a model does."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(tree_attention.NAME, tree_attention.tree_attention)


if __name__ == "__main__":
    main()
