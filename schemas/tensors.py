"""What the guard models and their clients agree on: tensor names, types, shapes and label order.

Every guard takes a batch of n exchanges and gives one row each. A prompt-only exchange has has_response False and
an empty response; its refusal and response_harm are NaN (not applicable), never 0. With a response NaN is an answer that
couldn't be read. NOT_ASKED is a question that the guard doesn't have: the exchange is scored without it.

A judge takes exchanges with the name of a rubric and gives JSON, one text each:
{"rubric", "hash", "model_version", "truncated", "questions": {question: {option: probability}}}, or "error" in place of
"questions".

A probe takes texts with the layers asked for (names joined by commas, the same in all rows of a request) and gives the hidden
states of the audited model, [layers, dimensions] a text, with the mark of what gave them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from schemas.taxonomy import CATEGORIES

DType = Literal["BYTES", "FP32", "BOOL", "UINT8"]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as KServe v2 names it; `shape` is without the batch dimension."""

    name: str
    dtype: DType
    shape: tuple[int, ...]


GUARD_INPUTS: Final = (
    Tensor("prompt", "BYTES", (1,)),
    Tensor("response", "BYTES", (1,)),
    Tensor("has_response", "BOOL", (1,)),
)
GUARD_OUTPUTS: Final = (
    Tensor("prompt_harm", "FP32", (1,)),
    Tensor("refusal", "FP32", (1,)),
    Tensor("response_harm", "FP32", (1,)),
    Tensor("category", "FP32", (len(CATEGORIES),)),
    Tensor("truncated", "BOOL", (1,)),
)

NOT_ASKED: Final = -1.0

JUDGE_INPUTS: Final = (*GUARD_INPUTS, Tensor("rubric", "BYTES", (1,)))
JUDGE_OUTPUTS: Final = (Tensor("answers", "BYTES", (1,)),)

PROBE_INPUTS: Final = (Tensor("text", "BYTES", (1,)), Tensor("layers", "BYTES", (1,)))
PROBE_OUTPUTS: Final = (
    Tensor("states", "FP32", (-1, -1)),
    Tensor("truncated", "BOOL", (1,)),
    Tensor("mark", "BYTES", (1,)),
)

PARAMETER_PROBE_VERSION: Final = "probe_version"
PARAMETER_MARK: Final = "mark"
"""Names all facts of a probe's config.pbtxt together: states with another mark come from another probe."""

PARAMETER_JUDGE_VERSION: Final = "judge_version"
PARAMETER_RUBRIC_HASH: Final = "rubric_hash"
"""Of all rubrics that the judge serves together."""

# Keys of `parameters` in a guard's config.pbtxt, read once by the client through the model-config call.
PARAMETER_VERSION: Final = "guard_version"
PARAMETER_PROMPT_HASH: Final = "prompt_hash"
"""For a prompted guard the hash of its template; for guard_lite the hash of its weights."""
PARAMETER_LABELS: Final = "category_labels"
"""The category labels joined by commas: must equal schemas.taxonomy.CATEGORIES."""
