"""Train guard_lite's first stage: `python triton_models/guard_lite/train_linear.py DATA_FOLDER --held-out NPZ`.

DATA_FOLDER holds train.jsonl.gz (its sources are in MODEL_CARD.md). Writes 1/weights.npz, and to NPZ the calibrated
logits of the sources held out in turn, from which export.py chooses. Needs the `dev` extra (scikit-learn, scipy).
Deterministic: the same data, versions and machine give the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import io
import json
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse  # type: ignore[import-untyped]  # ships no types
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # ships no types

HERE: Final = Path(__file__).resolve().parent
SEED: Final = 20_250_310
FOLDS: Final = (
    "advbench tdc2023 malicious-instruct harmfulqa sap200 self-instruct mt-bench pyrit-harm pyrit-objective pyrit-refusal",
    "catqa strongreject forbidden-questions trustllm-misuse in-the-wild-jailbreaks coconot-pref oasst",
    "ailuminate trustllm-jailbreak gptfuzz dangerousqa clinc150 cyberseceval-frr",
    (
        "jailbreakbench-artifacts jailbreakbench-behaviours refusal-direction-completions star-1 arena-hard ifeval "
        "coconot-eval coconot-contrast"
    ),
)
"""Sources held out together for calibration, each fold with yes and no: traffic is no source that was trained on, and
rows held out from a known source flatter. What no fold names (social media, chit-chat) is always learnt from."""

DIMENSIONS: Final = 80

Row = dict[str, Any]
Doubles = npt.NDArray[np.float64]


def load(path: Path) -> Any:
    """The module in a file of this folder."""
    spec = importlib.util.spec_from_file_location(f"guard_lite_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} can't be loaded; restore the model folder")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


scorer = load(HERE / "1" / "linear.py")
"""The serving code: features are computed by the very lines that serve."""

kin = load(HERE / "word_vectors.py")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one head is trained, as chosen on FOLDS by AUROC with sources weighing alike.

    `inverse_strength`: how little its weights are pulled to zero. `bound`: a source's rows weigh together at most as
    much as this many, so that no source's style rules. `rarity`: the power of the inverse document frequency that
    a feature is scaled by. `kinship`: the scale of the word vectors beside the words; 0: without.
    """

    inverse_strength: float
    bound: int
    rarity: float
    kinship: float


@dataclass(frozen=True, slots=True)
class Question:
    """One binary question, the field that labels it, and the share of yes for which 0.5 is even odds."""

    output: str
    field: str
    recipe: Recipe
    yes_share: float


QUESTIONS: Final = (
    Question("prompt_harm", "prompt_harmful", Recipe(8.0, 100, 1.5, 0.25), 1 / 2),
    Question("refusal", "refusal", Recipe(8.0, 300, 1.0, 0.0), 1 / 2),
    Question("response_harm", "response_harmful", Recipe(8.0, 300, 2.0, 0.0), 1 / 3),
)
CATEGORY: Final = Recipe(30.0, 100, 1.5, 0.25)


@dataclass(frozen=True, slots=True)
class Matrix:
    """Features of rows, as fitted: `counts` times `rarity` (columns), and that again times `vectors`, side by side."""

    fitted: sparse.csr_matrix
    rarity: Doubles
    vectors: Doubles

    def fold(self, weights: Doubles) -> Doubles:
        """The weights on the counts alone that give the same sums: what the tables hold. Last axis: features."""
        words = len(self.rarity)
        own, kin = weights[..., :words], weights[..., words:]
        return self.rarity * (own + kin @ self.vectors.T)


def read(path: Path) -> list[Row]:
    """The rows of a gzipped JSON-lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def blocks_of(output: str) -> list[Any]:
    """The blocks that have a column for `output`."""
    return [block for block in scorer.BLOCKS if output in block.outputs]


def design(rows: Sequence[Row], blocks: Sequence[Any]) -> sparse.csr_matrix:
    """The blocks' features side by side, one row each, scaled as the scorer scales them."""
    powers = scorer.features.Powers()
    parts = []
    for block in blocks:
        texts = [(row[block.side] or "").encode("utf-8", "replace") for row in rows]
        split = scorer.features.words(
            [scorer.features.fold(scorer.features.cut(text)[0]) for text in texts], powers
        )
        columns, first = block.rows(split)
        counts = np.diff(first)
        owner = np.tile(np.repeat(np.arange(len(rows)), counts), len(columns))
        scale = 1.0 / np.sqrt(np.maximum(counts * len(columns), 1))
        part = sparse.csr_matrix(
            (scale[owner], (owner, columns.reshape(-1))), shape=(len(rows), 1 << block.bits), dtype=np.float64
        )
        part.sum_duplicates()
        parts.append(part)
    return sparse.hstack(parts, format="csr")


def matrix_of(rows: Sequence[Row], output: str, recipe: Recipe, vectors: Doubles) -> Matrix:
    """The matrix that `recipe` asks for. `vectors` has shape (2**bits, d), which every block can look words up in."""
    blocks = blocks_of(output)
    counts = design(rows, blocks)
    seen_in = np.asarray((counts > 0).sum(axis=0)).ravel()
    rarity = np.log((1 + len(rows)) / (1 + seen_in))
    rarity = (rarity / rarity[seen_in > 0].mean()) ** recipe.rarity
    scaled = (counts @ sparse.diags(rarity)).tocsr()
    if not recipe.kinship:
        return Matrix(scaled, rarity, np.zeros((len(rarity), 0)))
    scaled_kin = np.tile(vectors * recipe.kinship, (len(blocks), 1))
    return Matrix(
        sparse.hstack([scaled, sparse.csr_matrix(scaled @ scaled_kin)], format="csr"), rarity, scaled_kin
    )


def source_weights(rows: Sequence[Row], bound: int) -> Doubles:
    """Weights that bound each source's total."""
    sizes = Counter(row["source"] for row in rows)
    return np.array([min(1.0, bound / sizes[row["source"]]) for row in rows])


def labelled(rows: Sequence[Row], field: str) -> list[Row]:
    """Rows that carry the label; prompt-only questions count each prompt once."""
    chosen = [row for row in rows if row[field] is not None]
    return list({row["prompt"]: row for row in chosen}.values()) if field == "prompt_harmful" else chosen


def fit(
    matrix: sparse.csr_matrix, labels: Doubles, weights: Doubles, inverse_strength: float
) -> LogisticRegression:
    """A logistic regression, deterministic."""
    model = LogisticRegression(C=inverse_strength, solver="liblinear", random_state=SEED, max_iter=300)
    return model.fit(matrix, labels, sample_weight=weights)


def platt(logits: Doubles, labels: Doubles, weights: Doubles) -> tuple[float, float]:
    """Slope and offset that make the logits' probabilities match the labels (Platt 1999), by held-out logits."""
    model = LogisticRegression(C=1e6, solver="lbfgs").fit(
        logits.reshape(-1, 1), labels, sample_weight=weights
    )
    return float(model.coef_[0, 0]), float(model.intercept_[0])


@dataclass(frozen=True, slots=True)
class Trained:
    """The weights on a question's blocks, end to end, the bias, and the held-out logits of rows by id: all calibrated."""

    weights: Doubles
    bias: float
    ids: list[str]
    held_out: Doubles


def train_question(rows: Sequence[Row], question: Question, vectors: Doubles) -> Trained:
    """Train on all rows; calibrated on sources held out in turn. A logit is NaN where no fold held the row out."""
    recipe = question.recipe
    chosen = labelled(rows, question.field)
    matrix = matrix_of(chosen, question.output, recipe, vectors)
    labels = np.array([row[question.field] for row in chosen], np.float64)
    weights = source_weights(chosen, recipe.bound)
    held_out = np.full(len(chosen), np.nan)
    for fold in FOLDS:
        test = np.isin([row["source"] for row in chosen], fold.split())
        learn = ~test & ~np.isin(
            [row["prompt"] for row in chosen], [row["prompt"] for row in compress(chosen, test)]
        )
        model = fit(matrix.fitted[learn], labels[learn], weights[learn], recipe.inverse_strength)
        held_out[test] = model.decision_function(matrix.fitted[test])
    was_out = ~np.isnan(held_out)
    yes, of_yes = labels[was_out] == 1, question.yes_share
    even = weights[was_out]
    even = np.where(yes, of_yes / even[yes].sum(), (1 - of_yes) / even[~yes].sum()) * even * len(even)
    slope, offset = platt(held_out[was_out], labels[was_out], even)
    model = fit(matrix.fitted, labels, weights, recipe.inverse_strength)
    return Trained(
        matrix.fold(model.coef_[0]) * slope,
        float(model.intercept_[0]) * slope + offset,
        [row["id"] for row in chosen],
        held_out * slope + offset,
    )


def train_category(rows: Sequence[Row], slugs: Sequence[str], vectors: Doubles) -> tuple[Doubles, Doubles]:
    """Weights (13, 2**bits) and biases (13,) of the harms, from harmful prompts with a category."""
    chosen = list(
        {row["prompt"]: row for row in rows if row["prompt_harmful"] == 1 and row["category"]}.values()
    )
    labels = np.array([slugs.index(row["category"]) for row in chosen])
    matrix = matrix_of(chosen, "harm_1", CATEGORY, vectors)
    model = LogisticRegression(
        C=CATEGORY.inverse_strength, solver="lbfgs", max_iter=400, class_weight="balanced"
    )
    model.fit(matrix.fitted, labels, sample_weight=source_weights(chosen, CATEGORY.bound))
    if len(model.classes_) != len(slugs):
        raise SystemExit(f"only {len(model.classes_)} of {len(slugs)} categories occur in the training rows")
    return matrix.fold(model.coef_), model.intercept_


def config_labels() -> list[str]:
    """The label order, as config.pbtxt states it."""
    found = re.search(
        r'"category_labels"\s*value: \{ string_value: "([^"]*)"', (HERE / "config.pbtxt").read_text()
    )
    if found is None:
        raise SystemExit(f"{HERE / 'config.pbtxt'} has no category_labels parameter; restore it")
    return found[1].split(",")


def train(rows: Sequence[Row]) -> tuple[dict[str, npt.NDArray[Any]], dict[str, npt.NDArray[Any]]]:
    """All arrays of weights.npz, and those of the held-out logits."""
    tables = {block.name: np.zeros((1 << block.bits, len(block.outputs))) for block in scorer.BLOCKS}
    bias = np.zeros(len(scorer.OUTPUTS))
    block = blocks_of("prompt_harm")[0]
    texts = sorted({text for row in rows for text in (row["prompt"], row["response"]) if text})
    vectors = kin.word_vectors(texts, scorer.features, block.bits, dimensions=DIMENSIONS, seed=SEED)
    held_out: dict[str, npt.NDArray[Any]] = {}
    for question in QUESTIONS:
        trained = train_question(rows, question, vectors)
        columns = trained.weights
        bias[scorer.OUTPUTS.index(question.output)] = trained.bias
        held_out[f"{question.output}_ids"] = np.array(trained.ids)
        held_out[f"{question.output}_logits"] = trained.held_out.astype(np.float32)
        blocks = blocks_of(question.output)
        ends = np.cumsum([1 << block.bits for block in blocks])[:-1]
        for block, column in zip(blocks, np.split(columns, ends), strict=True):
            tables[block.name][:, block.outputs.index(question.output)] = column
    weights, intercepts = train_category(rows, config_labels()[1:], vectors)
    for slot, column, intercept in zip(scorer.HARM_SLOTS, weights, intercepts, strict=True):
        block = blocks_of(slot)[0]
        tables[block.name][:, block.outputs.index(slot)] = column
        bias[scorer.OUTPUTS.index(slot)] = intercept
    arrays: dict[str, npt.NDArray[Any]] = {"bias": bias.astype(np.float32)}
    for name, table in tables.items():
        scale = np.maximum(np.abs(table).max(axis=0), 1e-9) / 32_767
        arrays[f"{name}.scale"] = scale.astype(np.float32)
        arrays[f"{name}.table"] = np.round(table / scale).astype(np.int16)
    return arrays, held_out


def write(arrays: dict[str, npt.NDArray[Any]], path: Path) -> None:
    """An npz whose bytes depend on the arrays alone (numpy's own writer stamps the time)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(arrays):
            buffer = io.BytesIO()
            np.save(buffer, arrays[name], allow_pickle=False)
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), buffer.getvalue(), zipfile.ZIP_DEFLATED
            )


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with train.jsonl.gz")
    parser.add_argument("--held-out", type=Path, help="where the held-out logits go")
    options = parser.parse_args()
    arrays, held_out = train(read(options.data / "train.jsonl.gz"))
    write(arrays, HERE / "1" / "weights.npz")
    if options.held_out:
        np.savez_compressed(options.held_out, **held_out)


if __name__ == "__main__":
    main()
