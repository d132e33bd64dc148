"""The first stage: hashed n-grams, one table look-up a word, one sum a text. numpy and nothing else.

Sums are of integers, so an exchange scores the same to the last bit whatever stands beside it in a batch.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

_HARMS: Final = 13
OPENING_WORDS: Final = 32
"""A refusal says so at once: the first words of a response have a table of their own."""

_EXCHANGES_AT_ONCE: Final = 128


def sibling(name: str) -> ModuleType:
    """The module in the file `name`.py beside this one, loaded once for each folder."""
    path = Path(__file__).resolve().with_name(f"{name}.py")
    key = f"_guard_lite_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}_{name}"
    if key not in sys.modules:
        spec = importlib.util.spec_from_file_location(key, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"guard_lite needs {path}, which can't be loaded; restore the model folder")
        module = importlib.util.module_from_spec(spec)
        sys.modules[key] = module
        spec.loader.exec_module(module)
    return sys.modules[key]


features: Any = sibling("features")


@dataclass(frozen=True, slots=True)
class Block:
    """One kind of look at a text: which hashes of its first `words` words, in a table of 2**bits rows.

    The name of a column is `<block>.<output>`; the value of a feature is its count over the square root of all counts.
    """

    name: str
    side: str
    kinds: tuple[str, ...]
    bits: int
    outputs: tuple[str, ...]
    words: int | None = None

    def rows(self, words: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Table rows of each word, shape (kinds, words), and where each text begins, shape (n + 1,)."""
        first = words.first
        hashes = [getattr(words, kind) for kind in self.kinds]
        if self.words is not None:
            place = np.arange(len(words.word)) - np.repeat(first[:-1], np.diff(first))
            opening = place < self.words
            hashes = [of_kind[opening] for of_kind in hashes]
            first = np.zeros_like(first)
            np.cumsum(np.minimum(words.counts, self.words), out=first[1:])
        return np.stack([features.buckets(of, self.bits, salt) for salt, of in enumerate(hashes)]), first


HARM_SLOTS: Final = tuple(f"harm_{index}" for index in range(1, _HARMS + 1))
BLOCKS: Final = (
    Block("prompt", "prompt", ("word", "pair", "stem"), 17, ("prompt_harm", "response_harm", *HARM_SLOTS)),
    Block("opening", "response", ("word", "pair", "triple"), 17, ("refusal", "response_harm"), OPENING_WORDS),
    Block("response", "response", ("word", "pair"), 17, ("refusal", "response_harm")),
)
OUTPUTS: Final = ("prompt_harm", "refusal", "response_harm", *HARM_SLOTS)


@dataclass(frozen=True, slots=True)
class Read:
    """n exchanges as the first stage read them: logits (n, 16) in the order of OUTPUTS, the folded and cut texts, and
    whether anything was cut (n,)."""

    logits: Floats
    prompts: list[bytes]
    responses: list[bytes]
    truncated: Flags


class FirstStage:
    """The tables in memory. Scoring changes nothing but a cache of powers: use one a thread."""

    def __init__(
        self, tables: dict[str, npt.NDArray[np.int16]], scales: dict[str, Floats], bias: Floats
    ) -> None:
        self._tables = tables
        self._scales = scales
        self._bias = bias
        self._powers = features.Powers()

    @classmethod
    def load(cls, weights: Path) -> FirstStage:
        """Read `weights` (npz, no pickle). Raises ValueError where the file isn't of this shape."""
        with np.load(weights, allow_pickle=False) as stored:
            tables = {block.name: np.ascontiguousarray(stored[f"{block.name}.table"]) for block in BLOCKS}
            scales = {block.name: stored[f"{block.name}.scale"].astype(np.float32) for block in BLOCKS}
            bias = stored["bias"].astype(np.float32)
        for block in BLOCKS:
            shape = (1 << block.bits, len(block.outputs))
            if tables[block.name].shape != shape or tables[block.name].dtype != np.int16:
                raise ValueError(
                    f"{weights}: table {block.name} isn't int16 of shape {shape}; run train_linear.py again"
                )
        if bias.shape != (len(OUTPUTS),):
            raise ValueError(f"{weights}: bias isn't of shape ({len(OUTPUTS)},); run train_linear.py again")
        return cls(tables, scales, bias)

    def logits(self, prompts: Sequence[bytes], responses: Sequence[bytes], has_response: Flags) -> Read:
        """Read n exchanges; a response is ignored where `has_response` is False. Nothing in a text makes it raise."""
        truncated = np.zeros(len(prompts), np.bool_)
        asked = _fit(prompts, truncated)
        answered = _fit(
            [text if there else b"" for text, there in zip(responses, has_response, strict=True)], truncated
        )
        parts = [
            self._logits(asked[at : at + _EXCHANGES_AT_ONCE], answered[at : at + _EXCHANGES_AT_ONCE])
            for at in range(0, max(len(prompts), 1), _EXCHANGES_AT_ONCE)
        ]
        return Read(np.concatenate(parts), asked, answered, truncated)

    def _logits(self, prompts: Sequence[bytes], responses: Sequence[bytes]) -> Floats:
        words = {
            "prompt": features.words(prompts, self._powers),
            "response": features.words(responses, self._powers),
        }
        logits = np.tile(self._bias, (len(prompts), 1))
        for block in BLOCKS:
            rows, first = block.rows(words[block.side])
            table = self._tables[block.name]
            # Wrapping 32-bit sums: a difference is right as long as one text's own sum fits, and 4 kB of text do.
            running = np.zeros((rows.shape[1] + 1, table.shape[1]), np.int32)
            looked_up = table[rows[0]].astype(np.int32)
            for more in rows[1:]:
                looked_up += table[more]
            np.cumsum(looked_up, axis=0, out=running[1:], dtype=np.int32)
            sums = running[first[1:]] - running[first[:-1]]
            size = np.sqrt(np.maximum(np.diff(first) * len(rows), 1)).astype(np.float32)
            columns = [OUTPUTS.index(name) for name in block.outputs]
            logits[:, columns] += sums.astype(np.float32) * self._scales[block.name] / size[:, None]
        return logits


def _fit(texts: Sequence[bytes], truncated: Flags) -> list[bytes]:
    """The texts as they are read, folded and cut; sets `truncated` where something was left out."""
    fitted = []
    for index, text in enumerate(texts):
        kept, was_cut = features.cut(text)
        truncated[index] |= was_cut
        fitted.append(features.fold(kept))
    return fitted
