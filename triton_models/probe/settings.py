"""How a probe is set: the parameters of its config.pbtxt, and the facts that follow from the model's config and tokenizer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from triton_models.probe import projection
from triton_models.probe.projection import NONE, Components, Projection
from triton_models.probe.rendering import Chat, Raw, Template, texts_of, tokenizer_hash
from triton_models.probe.states import Pooling, layer_names, shape_of
from triton_models.scoring.loading import ModelError
from triton_models.scoring.vocabulary import Vocabulary

_SEPARATOR: Final = ","
_FACTS: Final = 10


@dataclass(frozen=True, slots=True)
class Settings:
    """Parameters of a config.pbtxt, as model_folder.py writes them. All but the last three are facts that go into every audit."""

    version: str
    tokenizer_hash: str
    template_hash: str
    layers: tuple[str, ...]
    dimensions: int
    pooling: Pooling
    template: Template
    projection: str
    max_tokens: int
    dtype: str
    model: str
    device: str
    budget: int

    @property
    def mark(self) -> str:
        """16 hexadecimal digits of all facts: it comes with every state."""
        facts = list(self.parameters().values())[:_FACTS]
        return hashlib.sha256("\x00".join(facts).encode()).hexdigest()[:16]

    def parameters(self) -> dict[str, str]:
        """As they stand in the config."""
        return {
            "version": self.version,
            "tokenizer_hash": self.tokenizer_hash,
            "template_hash": self.template_hash,
            "layers": _SEPARATOR.join(self.layers),
            "dimensions": str(self.dimensions),
            "pooling": self.pooling,
            "template": self.template,
            "projection": self.projection,
            "max_tokens": str(self.max_tokens),
            "dtype": self.dtype,
            "model": self.model,
            "device": self.device,
            "budget": str(self.budget),
        }

    @classmethod
    def of(cls, parameters: Mapping[str, Mapping[str, str]]) -> Settings:
        """From the parsed config. Raises ModelError."""

        def text(name: str) -> str:
            return parameters.get(name, {}).get("string_value", "")

        pooling, template = text("pooling"), text("template")
        try:
            numbers = [int(text(name)) for name in ("dimensions", "max_tokens", "token_budget")]
        except ValueError:
            numbers = []
        if pooling not in {"last", "mean"} or template not in {"chat", "raw"} or not numbers:
            raise ModelError(
                "config.pbtxt isn't as the command writes it; write the model folder again (docs/audit.md)"
            )
        return cls(
            text("probe_version"),
            text("tokenizer_hash"),
            text("template_hash"),
            tuple(text("layers").split(_SEPARATOR)),
            numbers[0],
            "last" if pooling == "last" else "mean",
            "chat" if template == "chat" else "raw",
            text("projection"),
            numbers[1],
            text("dtype"),
            text("model"),
            text("device"),
            numbers[2],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """A probe without its weights: the settings as they are, and what follows from them."""

    settings: Settings
    texts: Chat | Raw
    projection: Projection


def settled(config: Any, tokenizer: Any, wanted: Settings, *, file: Path, device: torch.device) -> Settled:
    """Of a transformers config and tokenizer. `wanted`: all but its hashes, layers and dimensions count; its projection is "none",
    "random-...", or anything else for the file. Raises ModelError or PromptFileError with the remedy."""
    blocks, width = shape_of(config)
    layers = layer_names(blocks, wanted.pooling)
    most = most_tokens(config, tokenizer)
    if not 1 <= wanted.max_tokens <= most:
        raise ModelError(f"max_tokens is {wanted.max_tokens}; this model takes 1 to {most}")
    vocabulary = Vocabulary(tokenizer)
    texts = texts_of(tokenizer, vocabulary, template=wanted.template, max_tokens=wanted.max_tokens)
    if wanted.projection == NONE:
        projected = projection.none()
    elif wanted.projection.startswith("random"):
        projected = projection.random(wanted.projection, width, device)
    else:
        projected = Components.load(file).projection(layers, width, device)
    settings = replace(
        wanted,
        tokenizer_hash=tokenizer_hash(tokenizer),
        template_hash=texts.hash,
        layers=layers,
        dimensions=projected.dimensions(width),
        projection=projected.name,
    )
    return Settled(settings, texts, projected)


def most_tokens(config: Any, tokenizer: Any) -> int:
    """How many tokens the model can be given: its positions, less those that it never uses, as its tokenizer knows."""
    positions = getattr(config.get_text_config(), "max_position_embeddings", None)
    known = tokenizer.model_max_length
    return min(int(known), int(positions) if isinstance(positions, int) and positions > 0 else int(known))
