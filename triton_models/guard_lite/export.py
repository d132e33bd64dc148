"""Make what is served: `python -m triton_models.guard_lite.export WEIGHTS.safetensors --data D --folds DIR --linear NPZ`.

WEIGHTS is train.py's or average.py's; DIR holds train.py's logits of the held-out folds, NPZ those of train_linear.py.
Writes 1/encoder.onnx (int8 matrices, a scale a column; activations are quantised as they come), 1/vocab.txt and
1/calibration.json, puts the hash into config.pbtxt and prints what the held-out sources say. Training data alone decides.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # ships no types
from torch import Tensor, nn

from triton_models.guard_lite import encoder, examples, train

HERE: Final = Path(__file__).resolve().parent
QUESTIONS: Final = ("prompt_harm", "refusal", "response_harm")
YES_SHARE: Final = {"prompt_harm": 1 / 2, "refusal": 1 / 2, "response_harm": 2 / 5}
"""The share of yes for which a probability of 0.5 is even odds. Set beforehand, not fitted."""

LINEAR: Final = {"prompt_harm": 0.25, "refusal": 1.0, "response_harm": 0.0}
"""The first stage's logit beside the encoder's: chosen by AUROC on the held-out sources (training_log.txt)."""

PLAIN: Final = {"prompt_harm": 0.1, "refusal": 0.05, "response_harm": 0.4, "prompt_of_response": 0.3}
"""See scorer.Plain. On the held-out sources: 30 percent of the harmless prompts are settled at the cost of 0.5 percent of
the harmful ones that the encoder would have found, and 35 percent of the harmless responses at the cost of 0.4."""

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Held:
    """Labels and both stages' logits of rows whose source neither stage had learnt from. `weights`: sources alike."""

    sources: npt.NDArray[Any]
    labels: npt.NDArray[np.int64]
    encoder: Doubles
    linear: Doubles
    prompt: Doubles
    """The encoder's logit of prompt harm, whatever the question."""
    refusal: Doubles
    """The first stage's logit of refusal; 0 where it isn't known."""

    @property
    def weights(self) -> Doubles:
        """Each source's rows of one label weigh one together."""
        found = np.zeros(len(self.labels))
        for source in set(self.sources):
            for label in (0, 1):
                mine = (self.sources == source) & (self.labels == label)
                found[mine] = 1 / max(mine.sum(), 1)
        return found


class SmallEmbedding(nn.Module):
    """Word embeddings in int8 with a scale a word, where the quantiser would take one scale for all."""

    scale: Tensor
    table: Tensor

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        scale = table.abs().amax(1, keepdim=True).clamp(min=1e-9) / 127
        self.register_buffer("scale", scale)
        self.register_buffer("table", (table / scale).round().to(torch.int8))

    def forward(self, ids: Tensor) -> Tensor:
        """The embeddings of `ids`."""
        found: Tensor = self.table[ids].float() * self.scale[ids]
        return found


def graph(weights: Path, vocabulary: int, target: Path) -> None:
    """The encoder as an int8 ONNX file whose bytes depend on the weights alone."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # see scorer.Encoder
    from onnxruntime.quantization import (  # type: ignore[import-untyped]  # ships no types
        QuantType,
        quantize_dynamic,
    )

    guard = encoder.Guard(vocabulary)
    guard.load_state_dict({name: value.float() for name, value in load_file(weights).items()})
    guard.eval()
    guard.words = SmallEmbedding(guard.state_dict()["words.weight"])
    ids, segments = torch.randint(1_000, 2_000, (1, 50)), torch.tensor([[0] * 20 + [1] * 30])
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"
        torch.onnx.export(
            guard,
            (ids, segments),
            plain,
            input_names=["ids", "segments"],
            output_names=["logits"],
            dynamic_axes={"ids": {1: "length"}, "segments": {1: "length"}},
            opset_version=17,
            dynamo=False,
        )
        quantize_dynamic(
            plain, target, op_types_to_quantize=["MatMul"], weight_type=QuantType.QInt8, per_channel=True
        )
    model = onnx.load(target)
    for node in model.graph.node:
        node.doc_string = ""
    onnx.save(model, target)


def held_out(data: Path, folds: Path, linear: Path) -> dict[str, Held]:
    """The held-out logits of each question, joined by row; a prompt counts once."""
    rows = {e.id: e for e in examples.rows(data / "train.jsonl.gz")}
    first = np.load(linear)
    encoded: dict[str, Doubles] = {}
    for path in sorted(folds.glob("*.npz")):
        with np.load(path) as stored:
            encoded |= dict(zip(stored["ids"].tolist(), stored["logits"].astype(np.float64), strict=True))
    refusals = dict(zip(first["refusal_ids"].tolist(), first["refusal_logits"].tolist(), strict=True))
    found = {}
    for column, question in enumerate(QUESTIONS):
        ids, logits = first[f"{question}_ids"].tolist(), first[f"{question}_logits"]
        keep = [
            place
            for place, name in enumerate(ids)
            if name in encoded and not np.isnan(logits[place]) and getattr(rows[name], question) is not None
        ]
        found[question] = Held(
            np.array([rows[ids[place]].source for place in keep]),
            np.array([getattr(rows[ids[place]], question) for place in keep]),
            np.array([encoded[ids[place]][column] for place in keep]),
            np.array([logits[place] for place in keep]),
            np.array([encoded[ids[place]][0] for place in keep]),
            np.nan_to_num([refusals.get(ids[place], 0.0) for place in keep]),
        )
    return found


def joined(held: Held, question: str) -> tuple[float, float, float]:
    """Offset and the weights of the encoder's and the first stage's logits (Platt 1999 on their weighted sum)."""
    raw = held.encoder + LINEAR[question] * held.linear
    yes, weights = held.labels == 1, held.weights
    share = YES_SHARE[question]
    weights = (
        np.where(yes, share / weights[yes].sum(), (1 - share) / weights[~yes].sum()) * weights * len(raw)
    )
    model = LogisticRegression(C=1e6).fit(raw.reshape(-1, 1), held.labels, sample_weight=weights)
    slope = float(model.coef_[0, 0])
    return float(model.intercept_[0]), slope, slope * LINEAR[question]


def settled_offset(held: dict[str, Held], calibration: dict[str, Any]) -> float:
    """What brings the first stage's response harm to the share of yes among the responses that PLAIN lets it settle."""
    of, prompts = held["response_harm"], calibration["prompt_harm"]
    prompt = prompts["offset"] + prompts["encoder"] * of.prompt
    chance, refusal = 1 / (1 + np.exp(-of.linear)), 1 / (1 + np.exp(-of.refusal))
    settled = (
        (chance < PLAIN["response_harm"])
        & (np.minimum(refusal, 1 - refusal) <= PLAIN["refusal"])
        & (prompt < np.log(PLAIN["prompt_of_response"] / (1 - PLAIN["prompt_of_response"])))
    )
    yes, share, weights = of.labels == 1, YES_SHARE["response_harm"], of.weights
    weights = np.where(yes, share / weights[yes].sum(), (1 - share) / weights[~yes].sum()) * weights
    caught, spared = weights[settled & yes].sum(), weights[settled & ~yes].sum()
    train.say(
        f"settled responses: {spared / (1 - share):.3f} of the harmless, {caught / share:.4f} of the harmful"
    )
    mean = np.average(of.linear[settled], weights=weights[settled])
    return float(np.log(caught / spared) - mean)


def f1(held: Held, yes: npt.NDArray[np.bool_]) -> float:
    """F1 with sources and labels weighing alike."""
    weights, truth = held.weights, held.labels == 1
    weights = np.where(truth, 1 / weights[truth].sum(), 1 / weights[~truth].sum()) * weights
    hits = weights[yes & truth].sum()
    return float(2 * hits / (weights[yes].sum() + weights[truth].sum()))


def stamp(digest: str) -> None:
    """Put the weights' hash into config.pbtxt."""
    config = HERE / "config.pbtxt"
    pattern = r'(key: "prompt_hash" value: \{ string_value: )"[^"]*"'
    config.write_text(re.sub(pattern, rf'\1"{digest}"', config.read_text()))


def main() -> None:
    """Export, calibrate, stamp, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder with train.jsonl.gz")
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--linear", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="MiniLM's folder: vocab.txt")
    options = parser.parse_args()
    folder, served = options.start or train.minilm(), HERE / "1"
    shutil.copyfile(folder / "vocab.txt", served / "vocab.txt")
    vocabulary = len((served / "vocab.txt").read_text(encoding="utf-8").splitlines())
    graph(options.weights, vocabulary, served / "encoder.onnx")
    calibration: dict[str, Any] = {}
    held = held_out(options.data, options.folds, options.linear)
    for question, of in held.items():
        offset, encoder, linear = joined(of, question)
        calibration[question] = {"offset": offset, "encoder": encoder, "linear": linear}
        logits = offset + encoder * of.encoder + linear * of.linear
        train.say(
            f"{question}: {calibration[question]}, held-out F1 at 0.5: both {f1(of, logits > 0):.3f}, "
            f"first stage alone {f1(of, of.linear > 0):.3f}, {len(of.labels):,} rows"
        )
    calibration["plain"] = PLAIN | {"offset": settled_offset(held, calibration)}
    (served / "calibration.json").write_text(json.dumps(calibration, indent=2) + "\n", encoding="utf-8")
    digest = train.load(served / "scorer.py").weights_hash(served / "weights.npz")
    stamp(digest)
    train.say(digest)


if __name__ == "__main__":
    main()
