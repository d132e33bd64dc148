"""`python -m benchmarks.guard_quality --data DIR`: what guard_lite gets right, against lists of phrases and words.

DIR holds guard/dev.jsonl.gz and chatlogs/. The scorer is loaded by path, with the weights that are served; no Triton is
needed. Nothing of this data has trained a weight, a threshold or a phrase. Questions about the prompt count each prompt
of dev once; the chat logs are counted by exchange, as they would arrive. `ratio` is F1 (of categories: accuracy) over the
peer's; the last lines name each whole set on which the guard does worse than its peer.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from benchmarks.guard_quality import peers, rows
from benchmarks.guard_quality.rows import Row
from monitor.evaluation import metrics
from schemas.taxonomy import HARM_CATEGORIES

MODEL: Final = Path(__file__).resolve().parents[2] / "triton_models" / "guard_lite"
Question = Literal["prompt_harm", "refusal", "response_harm"]
FIELDS: Final[dict[Question, str]] = {
    "prompt_harm": "prompt_harmful",
    "refusal": "refusal",
    "response_harm": "response_harmful",
}
PEERS: Final[dict[Question, tuple[str, Callable[[Sequence[Row]], Any]]]] = {
    "prompt_harm": ("harm words", peers.prompt_harm),
    "refusal": ("refusal phrases", peers.refusal),
    "response_harm": ("harm words, no refusal", peers.response_harm),
}
HEAD: Final = f"{'':28}{'n':>7}{'yes':>7}{'prec':>7}{'recall':>8}{'F1':>7}{'AUROC':>7}{'ECE':>7}  {'peer F1':>8}{'ratio':>7}"


def load_scorer() -> Any:
    """The module that Triton serves, from its file."""
    path = MODEL / "1" / "scorer.py"
    spec = importlib.util.spec_from_file_location("guard_lite_scorer_measured", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} can't be loaded; restore the model folder")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def score(scorer: Any, chosen: Sequence[Row]) -> Any:
    """The guard's answers, one a row."""
    prompts = [row.prompt.encode("utf-8", "replace") for row in chosen]
    responses = [(row.response or "").encode("utf-8", "replace") for row in chosen]
    return scorer.score(prompts, responses, np.array([row.response is not None for row in chosen]))


def once_a_prompt(chosen: Sequence[Row]) -> list[Row]:
    """The first row of each prompt of each source."""
    return list({(row.source, row.prompt): row for row in reversed(chosen)}.values())[::-1]


def by_source(chosen: Sequence[Row]) -> Iterator[tuple[str, list[int]]]:
    """All rows, then each source's, as indexes."""
    yield "all", list(range(len(chosen)))
    for source in sorted({row.source for row in chosen}):
        yield source, [index for index, row in enumerate(chosen) if row.source == source]


def shown(value: float | None, width: int, form: str = ".3f") -> str:
    """The figure, or a dash where it isn't defined."""
    return f"{'-' if value is None else format(value, form):>{width}}"


def question_table(scorer: Any, question: Question, chosen: Sequence[Row]) -> Iterator[str | float]:
    """Lines of one question; a number is the ratio to the peer on all rows."""
    peer_name, peer = PEERS[question]
    labels = np.array([getattr(row, FIELDS[question]) for row in chosen])
    guard, other = getattr(score(scorer, chosen), question), peer(chosen)
    yield f"{question} (peer: {peer_name})"
    for source, places in by_source(chosen):
        ours = metrics.binary(labels[places].tolist(), guard[places])
        theirs = metrics.binary(labels[places].tolist(), other[places])
        ratio = ours.f1 / theirs.f1 if ours.f1 is not None and theirs.f1 else None
        yield (
            f"  {source:26}{ours.rows:>7,}{ours.positives:>7,}{shown(ours.precision, 7)}{shown(ours.recall, 8)}"
            f"{shown(ours.f1, 7)}{shown(ours.auroc, 7)}{shown(ours.ece, 7)}  {shown(theirs.f1, 8)}"
            f"{shown(ratio, 7, '.2f')}"
        )
        if source == "all" and ratio is not None:
            yield ratio


def category_table(scorer: Any, chosen: Sequence[Row]) -> Iterator[str]:
    """Lines on the category of harmful prompts: as served (may say benign), and of the 13 harms alone."""
    chances = score(scorer, chosen).category
    harms = [HARM_CATEGORIES[index] for index in chances[:, 1:].argmax(axis=1)]
    served = ["benign" if chance >= 0.5 else harm for chance, harm in zip(chances[:, 0], harms, strict=True)]
    truth = [str(row.category) for row in chosen]
    yield "category of harmful prompts (peer: the most frequent label of these very rows)"
    yield (
        f"{'':28}{'n':>7}{'labels':>7}{'accuracy':>10}{'macro-F1':>10}{'accuracy':>10}{'macro-F1':>10}{'peer acc':>10}"
        f"{'ratio':>7}"
    )
    yield f"{'':42}{'--- as served ---':>20}{'--- of the harms':>20}"
    for source, places in by_source(chosen):
        of_truth = [truth[place] for place in places]
        as_served = metrics.choice(of_truth, [served[place] for place in places])
        of_harms = metrics.choice(of_truth, [harms[place] for place in places])
        majority = Counter(of_truth).most_common(1)[0][1] / len(of_truth)
        yield (
            f"  {source:26}{as_served.rows:>7,}{as_served.labels:>7}{shown(as_served.accuracy, 10)}"
            f"{shown(as_served.macro_f1, 10)}{shown(of_harms.accuracy, 10)}{shown(of_harms.macro_f1, 10)}"
            f"{majority:>10.3f}{shown((of_harms.accuracy or 0) / majority, 7, '.2f')}"
        )


def stages(scorer: Any, chosen: Sequence[Row]) -> str:
    """A line on how much of the rows the first stage settled."""
    before, after = copy(scorer.shares), (score(scorer, chosen), scorer.shares)[1]
    exchanges, responses = after.exchanges - before.exchanges, after.responses - before.responses
    return (
        f"the first stage settled {(after.settled - before.settled) / exchanges:.1%} of the exchanges; the encoder read "
        f"{(after.prompts_read - before.prompts_read) / exchanges:.1%} of the prompts and "
        f"{(after.responses_read - before.responses_read) / responses:.1%} of the responses"
    )


def labelled(chosen: Sequence[Row], question: Question) -> list[Row]:
    """Rows that carry the label; a question about a response needs one."""
    has_label = [row for row in chosen if getattr(row, FIELDS[question]) is not None]
    return has_label if question == "prompt_harm" else [row for row in has_label if row.response is not None]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with guard/ and chatlogs/")
    data = parser.parse_args().data
    module = load_scorer()
    weights = MODEL / "1" / "weights.npz"
    scorer = module.Scorer.load(weights)
    size = sum(weights.with_name(name).stat().st_size for name in module.FILES)
    print(f"guard_lite, weights {module.weights_hash(weights)}, {size:,} bytes; yes is p >= 0.5")
    ratios: list[tuple[float, str]] = []
    for name, chosen, each_prompt in (
        ("dev", rows.dev(data), once_a_prompt),
        ("chat logs", rows.chat_logs(data), list),
    ):
        print(f"\n== {name}: {len(chosen):,} rows ==\n{stages(scorer, chosen)}\n{HEAD}")
        for question in FIELDS:
            asked = labelled(chosen, question)
            for line in question_table(
                scorer, question, each_prompt(asked) if question == "prompt_harm" else asked
            ):
                if isinstance(line, float):
                    ratios.append((line, f"{question} on {name}"))
                else:
                    print(line)
        harmful = [row for row in chosen if row.prompt_harmful == 1 and row.category in HARM_CATEGORIES]
        print(*category_table(scorer, each_prompt(harmful)), sep="\n")
    behind = [f"{where} {ratio:.2f}" for ratio, where in sorted(ratios) if ratio < 1]
    print(f"\nwhole sets with a ratio below 1: {', '.join(behind) or 'none'}")


if __name__ == "__main__":
    main()
