"""The model card speaks of the weights that are shipped, and its figures are those that the benchmark printed."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MODEL = ROOT / "triton_models" / "guard_lite"
CARD = (MODEL / "MODEL_CARD.md").read_text(encoding="utf-8")
TRAIN = ROOT.parent / "shared" / "data" / "guard" / "train.jsonl.gz"


def parameter(name: str) -> str:
    found = re.search(
        rf'key: "{name}"\s*value: {{ string_value: "([^"]*)"', (MODEL / "config.pbtxt").read_text()
    )
    assert found is not None
    return found[1]


def table(first: str) -> list[list[str]]:
    """The rows of the table whose heading begins with `first`, without the heading."""
    lines = CARD[CARD.index(f"| {first} |") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_card_names_version_hash_and_size_of_what_is_shipped() -> None:
    files = ("weights.npz", "encoder.onnx", "vocab.txt", "calibration.json")
    size = sum((MODEL / "1" / name).stat().st_size for name in files)
    assert f"| version | {parameter('guard_version')} |" in CARD
    assert (
        f"hash `{parameter('prompt_hash')}` (first 16 hex digits of their SHA-256), {size:,} bytes |" in CARD
    )


def test_the_measured_quality_is_that_of_these_weights() -> None:
    printed = (ROOT / "benchmarks" / "results" / "guard_quality.txt").read_text()
    assert printed.startswith(f"guard_lite, weights {parameter('prompt_hash')},")
    of_all = [line.split()[1:] for line in printed.splitlines() if line.startswith("  all ")]
    questions, category = table("question"), table("category of harmful prompts")
    in_card = [row[2:] for row in questions[0::2]] + [category[0][1:]]
    in_card += [row[2:] for row in questions[1::2]] + [category[1][1:]]
    assert in_card == of_all


@pytest.mark.skipif(not TRAIN.exists(), reason=f"{TRAIN.name} isn't beside the checkout")
def test_the_card_names_every_training_source_with_its_rows_and_licence() -> None:
    counts: dict[tuple[str, str], int] = {}
    with gzip.open(TRAIN, "rb") as lines:
        for line in lines:
            row = json.loads(line)
            key = row["source"], row["licence"]
            counts[key] = counts.get(key, 0) + 1
    expected = sorted((f"{rows:,}", licence) for (_, licence), rows in counts.items())
    assert sorted((row[1], row[2]) for row in table("source")) == expected
