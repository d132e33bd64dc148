"""Train guard_lite's weights: `python triton_models/guard_lite/train.py DATA_FOLDER`.

DATA_FOLDER holds train.jsonl.gz and dev.jsonl.gz (rows as in MODEL_CARD.md). Writes 1/weights.npz, puts its hash into
config.pbtxt and prints the metrics that the model card carries, as JSON. dev is only ever scored, never trained on.
Needs the `dev` extra (scikit-learn, scipy). Deterministic: the same data and versions give the same bytes.
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
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse  # type: ignore[import-untyped]  # ships no types
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # ships no types
from sklearn.model_selection import StratifiedGroupKFold  # type: ignore[import-untyped]  # ships no types

HERE: Final = Path(__file__).resolve().parent
SEED: Final = 20_250_310
FOLDS: Final = 5
BOUND_PER_SOURCE: Final = 1_500
"""A source's rows weigh together at most as much as this many, so that no source's style rules."""

Row = dict[str, Any]
Doubles = npt.NDArray[np.float64]


def load_scorer() -> Any:
    """The serving code: features are computed by the very lines that serve."""
    spec = importlib.util.spec_from_file_location("guard_lite_scorer", HERE / "1" / "scorer.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"{HERE / '1' / 'scorer.py'} can't be loaded; restore the model folder")
    module = importlib.util.module_from_spec(spec)
    sys.modules["guard_lite_scorer"] = module
    spec.loader.exec_module(module)
    return module


scorer = load_scorer()


@dataclass(frozen=True, slots=True)
class Question:
    """One binary question, the field that labels it and how hard its weights are pulled to zero."""

    output: str
    field: str
    inverse_strength: float


QUESTIONS: Final = (
    Question("prompt_harm", "prompt_harmful", 8.0),
    Question("refusal", "refusal", 8.0),
    Question("response_harm", "response_harmful", 2.0),
)
CATEGORY_STRENGTH: Final = 10.0


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


def source_weights(rows: Sequence[Row]) -> Doubles:
    """Weights that bound each source's total."""
    sizes = Counter(row["source"] for row in rows)
    return np.array([min(1.0, BOUND_PER_SOURCE / sizes[row["source"]]) for row in rows])


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


def train_question(rows: Sequence[Row], question: Question) -> tuple[dict[str, Doubles], float]:
    """The columns of each block for one question, and the bias, calibrated on prompts held out in turn."""
    chosen = labelled(rows, question.field)
    blocks = blocks_of(question.output)
    matrix = design(chosen, blocks)
    labels = np.array([row[question.field] for row in chosen], np.float64)
    weights = source_weights(chosen)
    held_out = np.zeros(len(chosen))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED)
    for learn, test in folds.split(matrix, labels, [row["prompt"] or "" for row in chosen]):
        model = fit(matrix[learn], labels[learn], weights[learn], question.inverse_strength)
        held_out[test] = model.decision_function(matrix[test])
    slope, offset = platt(held_out, labels, weights)
    model = fit(matrix, labels, weights, question.inverse_strength)
    ends = np.cumsum([1 << block.bits for block in blocks])[:-1]
    columns = dict(zip((block.name for block in blocks), np.split(model.coef_[0] * slope, ends), strict=True))
    return columns, float(model.intercept_[0]) * slope + offset


def train_category(rows: Sequence[Row], slugs: Sequence[str]) -> tuple[Doubles, Doubles]:
    """Weights (13, 2**bits) and biases (13,) of the harms, from harmful prompts with a category."""
    chosen = list(
        {row["prompt"]: row for row in rows if row["prompt_harmful"] == 1 and row["category"]}.values()
    )
    labels = np.array([slugs.index(row["category"]) for row in chosen])
    matrix = design(chosen, blocks_of("harm_1"))
    model = LogisticRegression(C=CATEGORY_STRENGTH, solver="lbfgs", max_iter=400)
    model.fit(matrix, labels, sample_weight=source_weights(chosen))
    if len(model.classes_) != len(slugs):
        raise SystemExit(f"only {len(model.classes_)} of {len(slugs)} categories occur in the training rows")
    return model.coef_, model.intercept_


def config_labels() -> list[str]:
    """The label order, as config.pbtxt states it."""
    found = re.search(
        r'"category_labels"\s*value: \{ string_value: "([^"]*)"', (HERE / "config.pbtxt").read_text()
    )
    if found is None:
        raise SystemExit(f"{HERE / 'config.pbtxt'} has no category_labels parameter; restore it")
    return found[1].split(",")


def train(rows: Sequence[Row]) -> dict[str, npt.NDArray[Any]]:
    """All arrays of weights.npz."""
    tables = {block.name: np.zeros((1 << block.bits, len(block.outputs))) for block in scorer.BLOCKS}
    bias = np.zeros(len(scorer.OUTPUTS))
    for question in QUESTIONS:
        columns, intercept = train_question(rows, question)
        bias[scorer.OUTPUTS.index(question.output)] = intercept
        for block in blocks_of(question.output):
            tables[block.name][:, block.outputs.index(question.output)] = columns[block.name]
    weights, intercepts = train_category(rows, config_labels()[1:])
    for slot, column, intercept in zip(scorer.HARM_SLOTS, weights, intercepts, strict=True):
        block = blocks_of(slot)[0]
        tables[block.name][:, block.outputs.index(slot)] = column
        bias[scorer.OUTPUTS.index(slot)] = intercept
    arrays: dict[str, npt.NDArray[Any]] = {"bias": bias.astype(np.float32)}
    for name, table in tables.items():
        scale = np.maximum(np.abs(table).max(axis=0), 1e-9) / 32_767
        arrays[f"{name}.scale"] = scale.astype(np.float32)
        arrays[f"{name}.table"] = np.round(table / scale).astype(np.int16)
    return arrays


def write(arrays: dict[str, npt.NDArray[Any]], path: Path) -> None:
    """An npz whose bytes depend on the arrays alone (numpy's own writer stamps the time)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(arrays):
            buffer = io.BytesIO()
            np.save(buffer, arrays[name], allow_pickle=False)
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), buffer.getvalue(), zipfile.ZIP_DEFLATED
            )


def stamp(digest: str) -> None:
    """Put the weights' hash into config.pbtxt."""
    config = HERE / "config.pbtxt"
    pattern = r'(key: "prompt_hash" value: \{ string_value: )"[^"]*"'
    config.write_text(re.sub(pattern, rf'\1"{digest}"', config.read_text()))


def main() -> None:
    """Train, write, score dev, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with train.jsonl.gz and dev.jsonl.gz")
    folder = parser.parse_args().data
    weights = HERE / "1" / "weights.npz"
    write(train(read(folder / "train.jsonl.gz")), weights)
    stamp(scorer.weights_hash(weights))
    print(scorer.weights_hash(weights), weights.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
