"""What an audit needs played: a probe, which gives the hidden states of the audited model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

States = NDArray[np.float32]
"""One layer's hidden states, [texts, dimensions], all finite."""

TokenPooling = Literal["last", "mean"]
"""Which tokens of a text stand for it: the last one (decoders), or the mean of all that are no padding (encoders)."""
Template = Literal["chat", "raw"]
"""Whether a text is one user message in the model's chat template, ready for the answer, or stands alone."""


@dataclass(frozen=True, slots=True)
class ProbeFacts:
    """Which model is probed, and how. Two audits whose states are to be compared agree in all but `version`.

    `model`: its name on Triton. `version`: names the weights (a folder's name with its fingerprint, or a hub id with its commit).
    `tokenizer_hash`, `template_hash`: 16 hexadecimal digits; the template's is "" for raw text or a model without one. `layers`:
    every layer that can be asked for: `layer_00` (the embeddings; not where the last token is read, whose embedding is the same for
    most texts), `layer_01` (what the first block gives), ... `dimensions`: of one state, after the projection.
    `projection`: "none", "random-<dimensions>-<seed>" or "pca-<dimensions>-<hash of its file>". `max_tokens`: longer texts keep
    their head and tail. `dtype`: what the model computes in.
    """

    model: str
    version: str
    tokenizer_hash: str
    template_hash: str
    layers: tuple[str, ...]
    dimensions: int
    pooling: TokenPooling
    template: Template
    projection: str
    max_tokens: int
    dtype: str


@dataclass(frozen=True, slots=True, eq=False)
class Probed:
    """The states of n texts by layer, each [n, d], and which of the texts [n] were cut to fit."""

    layers: Mapping[str, States]
    truncated: NDArray[np.bool_]


class Probe(Protocol):
    """Gives the hidden states of the audited model. Texts share batches with nothing live that is in a hurry."""

    async def facts(self) -> ProbeFacts:
        """Asked anew at every call: Triton may have loaded another model. Raises Retryable or Misconfigured."""
        ...

    async def states(self, texts: Sequence[str], layers: Sequence[str]) -> Probed:
        """The states of `texts`, in order, in each of `layers` by name.

        The same text has the same state whatever it is sent with, to the rounding of the model's dtype. Raises Retryable where the
        probe is away, or Rejected (a ProbeFault) for a layer that isn't there, a text that it can't take, states that aren't
        finite or have another shape than the facts say.
        """
        ...
