"""What the probe's Triton model runs: its reader, loaded and checked, and requests as texts and layers. No Triton here."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from triton_models.probe.projection import FILE
from triton_models.probe.settings import Settings, settled
from triton_models.probe.states import Reader
from triton_models.scoring.loading import ModelError, load_model

TOLERANCE: Final = {torch.float32: 1e-4, torch.bfloat16: 0.25}
"""Largest difference between a state alone and in a batch, as a part of the state's length, that is rounding. Measured on a CPU
with 12 random blocks: 8e-7 in float32, 0.012 in bfloat16."""

_CHECKED: Final = ("What is the capital of France?", "Hi.", "Tell me of the sea, the wind and the tide. " * 8)
_SEPARATOR: Final = ","


def open_reader(settings: Settings, folder: Path) -> Reader:
    """A checked reader. `folder`: the model folder, which holds the projection's file, if any.

    Raises ModelError or PromptFileError with the remedy: also where config.pbtxt names other facts than are there, for they go
    into every audit.
    """
    loaded = load_model(settings.model, dtype=settings.dtype, device=settings.device, part="body")
    config, tokenizer = loaded.model.config, loaded.tokenizer
    found = settled(config, tokenizer, settings, file=folder / FILE, device=loaded.device)
    facts = found.settings.parameters() | {"version": loaded.version}
    for name, said in settings.parameters().items():
        if said != facts[name]:
            raise ModelError(
                f"config.pbtxt names {name} {said}, but it is {facts[name]}; write the model folder again (docs/audit.md)"
            )
    reader = Reader(
        loaded.model,
        found.texts,
        pooling=settings.pooling,
        projection=found.projection,
        pad=tokenizer.pad_token_id or 0,
        budget=settings.budget,
    )
    check(reader, settings.dimensions)
    return reader


def check(reader: Reader, dimensions: int) -> float:
    """Whether all layers can be read, and whether texts are the same alone as beside longer ones, which also warms the device up.
    Returns the largest difference, as a part of a state's length; raises ModelError."""
    together = reader.read(_CHECKED, reader.layers).states
    if together.shape[1:] != (len(reader.layers), dimensions):
        raise ModelError(
            f"the states have the shape {together.shape[1:]}; the probe can't read this model's layers"
        )
    if not np.isfinite(together).all():
        raise ModelError(
            "the states of a plain text are NaN or infinite; take --dtype float32 or bfloat16, whichever isn't set; "
            "if they are in both, the weights hold NaN: save the model again"
        )
    worst = 0.0
    for text, rows in zip(_CHECKED, together, strict=True):
        alone = reader.read([text], reader.layers).states[0]
        apart = np.linalg.norm(rows - alone, axis=1)
        worst = max(worst, float((apart / np.maximum(np.linalg.norm(alone, axis=1), 1e-12)).max()))
    if not worst <= TOLERANCE[reader.dtype]:
        raise ModelError(
            f"a text alone and beside longer ones differ by {worst:.2g} of a state's length: this model looks at padding"
        )
    return worst


def texts_of_rows(tensor: Any) -> list[str]:
    """Texts of a BYTES tensor; bytes that are no UTF-8 become replacement characters."""
    return [value.decode("utf-8", "replace") for value in np.asarray(tensor).reshape(-1)]


def layers_of_rows(tensor: Any) -> list[str]:
    """The layers that all rows of a request ask for. Raises ValueError where they differ or name none."""
    asked = set(texts_of_rows(tensor))
    if len(asked) != 1 or not (names := [name for name in asked.pop().split(_SEPARATOR) if name]):
        raise ValueError("the rows of one request ask for the same layers, one at least")
    return names
