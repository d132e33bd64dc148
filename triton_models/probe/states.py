"""Hidden states of a transformer, layer by layer: only the layers asked for, and no computing beyond the deepest of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from triton_models.probe.projection import Projection
from triton_models.probe.rendering import Texts
from triton_models.scoring.batching import plan
from triton_models.scoring.loading import ModelError

Pooling = Literal["last", "mean"]

_LAYER: Final = "layer_"
ROWS: Final = 64
"""Most texts of a batch, however short."""


class _Deepest(Exception):
    """All layers asked for are there. Never leaves this module."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """`states` [n, layers, d] float32, in the order asked; `truncated` [n]: not all of the text was read."""

    states: NDArray[np.float32]
    truncated: NDArray[np.bool_]


def layer_names(blocks: int, pooling: Pooling) -> tuple[str, ...]:
    """`layer_00`, what the first block is given (the embeddings), to the output of the last block, before any final norm.

    Without `layer_00` where the last token is read: its embedding says which token it is, the same for most texts.
    """
    return tuple(f"{_LAYER}{number:02d}" for number in range(1 if pooling == "last" else 0, blocks + 1))


def shape_of(config: Any) -> tuple[int, int]:
    """Blocks and the width of a state, from a transformers config. Raises ModelError."""
    text = config.get_text_config()
    blocks, width = getattr(text, "num_hidden_layers", None), getattr(text, "hidden_size", None)
    if (
        getattr(config, "is_encoder_decoder", False)
        or not isinstance(blocks, int)
        or not isinstance(width, int)
    ):
        raise ModelError(
            f"{config.model_type} is no plain decoder or encoder; the probe takes one stack of blocks of one width"
        )
    return blocks, width


def blocks_of(model: Any) -> list[torch.nn.Module]:
    """The model's blocks, first to last. Raises ModelError."""
    count, _ = shape_of(model.config)
    for module in model.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return list(module)
    raise ModelError(
        f"this {model.config.model_type} model has no list of {count} blocks (they may share their weights); the probe can't "
        "read its layers"
    )


class Reader:
    """Reads the states of texts. Not for use from several threads at once: it hooks itself into the model."""

    def __init__(
        self,
        model: Any,
        texts: Texts,
        *,
        pooling: Pooling,
        projection: Projection,
        pad: int = 0,
        budget: int = 16_384,
    ) -> None:
        """`pad`: the token that fills rows up, never looked at; `budget`: most tokens of a batch. Raises ModelError."""
        self._model = model
        self._texts = texts
        self._pooling: Pooling = pooling
        self._projection = projection
        self._pad = pad
        self._budget = budget
        self._blocks = blocks_of(model)
        self.layers = layer_names(len(self._blocks), pooling)
        self.dtype: torch.dtype = model.dtype
        self._takes_cache = "use_cache" in inspect.signature(model.forward).parameters

    def read(self, texts: Sequence[str], layers: Sequence[str]) -> Found:
        """The states of all. Raises KeyError for a layer that isn't there, ValueError for a text without a token."""
        numbers = [self._number(name) for name in layers]
        rendered = [self._texts.render(text) for text in texts]
        if empty := [place for place, one in enumerate(rendered) if not one.ids]:
            raise ValueError(f"text {empty[0]} of {len(texts)} has no token")
        found: dict[int, NDArray[np.float32]] = {}
        for batch in plan([len(one.ids) for one in rendered], budget=self._budget, rows=ROWS):
            states = self._batch([rendered[place].ids for place in batch], layers, numbers)
            found |= dict(zip(batch, states, strict=True))
        truncated = np.array([one.is_truncated for one in rendered], np.bool_)
        return Found(np.stack([found[place] for place in range(len(texts))]), truncated)

    def _number(self, name: str) -> int:
        if name not in self.layers:
            raise KeyError(name)
        return int(name.removeprefix(_LAYER))

    @torch.inference_mode()
    def _batch(
        self, rows: Sequence[Sequence[int]], layers: Sequence[str], numbers: Sequence[int]
    ) -> NDArray[np.float32]:
        """[n, layers, d]. Rows are filled up on the right, whatever the tokenizer does: nothing that a causal model reads there
        reaches the tokens before, and an encoder is told by the mask."""
        device = self._model.device
        lengths = torch.tensor([len(row) for row in rows], device=device)
        longest = max(len(row) for row in rows)
        ids = torch.tensor([[*row, *[self._pad] * (longest - len(row))] for row in rows], device=device)
        mask = torch.arange(longest, device=device)[None] < lengths[:, None]
        found: dict[int, torch.Tensor] = {}

        def keep(number: int, hidden: torch.Tensor) -> None:
            found[number] = self._pooled(hidden, lengths, mask)

        more = {"use_cache": False} if self._takes_cache else {}
        with _listening(self._blocks, set(numbers), keep):
            try:
                self._model(input_ids=ids, attention_mask=mask.long(), **more)
            except _Deepest:
                pass
        states = [self._projection(name, found[number]) for name, number in zip(layers, numbers, strict=True)]
        states_of: NDArray[np.float32] = torch.stack(states, dim=1).cpu().numpy()
        return states_of

    def _pooled(self, hidden: torch.Tensor, lengths: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """[n, d] float32 of [n, tokens, d]."""
        if self._pooling == "last":
            return hidden[torch.arange(len(lengths), device=hidden.device), lengths - 1].float()
        # what stands at the padding may be anything, NaN too: it is left out, not multiplied by 0
        kept = hidden.float().masked_fill(~mask[:, :, None], 0.0)
        return kept.sum(dim=1) / lengths[:, None]


@contextmanager
def _listening(
    blocks: Sequence[torch.nn.Module], numbers: set[int], keep: Callable[[int, torch.Tensor], None]
) -> Iterator[None]:
    """Calls `keep` with the number and the states of each layer in `numbers`, then stops the model with _Deepest."""
    deepest = max(numbers)

    def heard(number: int, hidden: torch.Tensor) -> None:
        keep(number, hidden)
        if number == deepest:
            raise _Deepest

    def before(_block: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        heard(0, args[0] if args else kwargs["hidden_states"])

    def behind(number: int) -> Callable[[Any, Any, Any], None]:
        return lambda _block, _args, given: heard(number, given[0] if isinstance(given, tuple) else given)

    handles = [
        blocks[0].register_forward_pre_hook(before, with_kwargs=True)
        if number == 0
        else blocks[number - 1].register_forward_hook(behind(number))
        for number in sorted(numbers)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
