"""Fewer numbers a state, on the server: one fixed matrix for all layers, random by a seed or of principal components from a file.

One matrix for all layers, since an audit also pools layers: a weighted sum of projected states is the projected sum.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from triton_models.scoring.loading import ModelError

Floats = NDArray[np.float32]

NONE: Final = "none"
FILE: Final = "projection.npz"
"""In a model folder."""

_RANDOM: Final = re.compile(r"random-([1-9]\d{0,4})-(\d{1,9})")
_FLAT: Final = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """`matrix` [k, d], or None for none. `shifts`: by layer what is taken off a state and what it is then divided by, [d] each;
    a layer that isn't in it is taken as it is, unless the projection is of principal components."""

    name: str
    matrix: torch.Tensor | None
    shifts: Mapping[str, tuple[torch.Tensor, torch.Tensor]]

    def dimensions(self, width: int) -> int:
        """Of a projected state of `width`."""
        return width if self.matrix is None else self.matrix.shape[0]

    def __call__(self, layer: str, rows: torch.Tensor) -> torch.Tensor:
        """Of float32 `rows` [n, d] of one layer."""
        if layer in self.shifts:
            mean, factor = self.shifts[layer]
            rows = (rows - mean) * factor
        return rows if self.matrix is None else rows @ self.matrix.T


def none() -> Projection:
    """States as they are."""
    return Projection(NONE, None, {})


def random(name: str, width: int, device: torch.device) -> Projection:
    """`random-<k>-<seed>`: k x width normal numbers of variance 1/k, so that squared distances keep their mean (Johnson and
    Lindenstrauss). Raises ModelError."""
    found = _RANDOM.fullmatch(name)
    if not found or int(found[1]) >= width:
        raise ModelError(
            f"the projection is {name!r}; write {NONE}, random-<dimensions below {width}>-<seed>, or name a file that "
            "python -m triton_models.probe.fit_projection wrote"
        )
    k = int(found[1])
    matrix = np.random.default_rng(int(found[2])).standard_normal((k, width), np.float32) / np.sqrt(k)
    return Projection(name, torch.from_numpy(matrix.astype(np.float32)).to(device), {})


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Principal components as a file keeps them: `matrix` [k, d], and by layer mean and standard deviation [layers, d] of what
    they were fitted on. A deviation of 0 leaves the dimension out."""

    matrix: Floats
    layers: tuple[str, ...]
    means: Floats
    deviations: Floats

    @property
    def name(self) -> str:
        """`pca-<k>-<12 hexadecimal digits of all of it>`."""
        digest = hashlib.sha256("\x00".join(self.layers).encode())
        for part in (self.matrix, self.means, self.deviations):
            digest.update(f"{part.shape}".encode())
            digest.update(np.ascontiguousarray(part, "<f4").tobytes())
        return f"pca-{len(self.matrix)}-{digest.hexdigest()[:12]}"

    @classmethod
    def fit(cls, states: Mapping[str, Floats], dimensions: int) -> Components:
        """Of the states [n, d] of texts by layer. Raises ModelError.

        Each layer is standardised by itself first: a few dimensions of a transformer are hundreds of times larger than the rest,
        and would be all that the components hold. The components are those of all layers together.
        """
        layers = tuple(states)
        stacked = np.stack([states[name] for name in layers]).astype(np.float64)
        if not np.isfinite(stacked).all():
            raise ModelError("the model gives states that are NaN or infinite; take --dtype float32")
        means = stacked.mean(axis=1)
        deviations = stacked.std(axis=1)
        deviations[deviations <= _FLAT * np.abs(stacked).max(axis=1)] = 0.0
        factors = np.divide(1, deviations, out=np.zeros_like(deviations), where=deviations > 0)
        rows = ((stacked - means[:, None]) * factors[:, None]).reshape(-1, stacked.shape[2])
        most = min(rows.shape[1] - 1, len(rows) - len(layers))
        if not 1 <= dimensions <= most:
            raise ModelError(
                f"{dimensions} dimensions of {stacked.shape[1]} texts and {stacked.shape[2]} dimensions: write 1 to {most}, "
                "or give more texts"
            )
        _, vectors = np.linalg.eigh(rows.T @ rows)
        matrix = vectors[:, ::-1][:, :dimensions].T
        # a sign for each, so that the same texts give the same file
        signs = np.sign(matrix[np.arange(dimensions), np.abs(matrix).argmax(axis=1)])
        return cls(
            (matrix * signs[:, None]).astype(np.float32),
            layers,
            means.astype(np.float32),
            deviations.astype(np.float32),
        )

    def save(self, path: Path) -> None:
        """Write the file."""
        with path.open("wb") as file:
            np.savez(
                file,
                matrix=self.matrix,
                layers=np.array(self.layers),
                means=self.means,
                deviations=self.deviations,
            )

    @classmethod
    def load(cls, path: Path) -> Components:
        """Raises ModelError."""
        try:
            with np.load(path, allow_pickle=False) as file:
                parts: dict[str, NDArray[Any]] = {name: file[name] for name in file.files}
            found = cls(
                parts["matrix"].astype(np.float32),
                tuple(map(str, parts["layers"].tolist())),
                parts["means"].astype(np.float32),
                parts["deviations"].astype(np.float32),
            )
        except Exception as exc:  # numpy raises OSError, ValueError, BadZipFile, KeyError, EOFError ...
            raise ModelError(
                f"{path} can't be read ({type(exc).__name__}); write it with python -m triton_models.probe.fit_projection"
            ) from exc
        shape = (len(found.layers), found.matrix.shape[1] if found.matrix.ndim == 2 else 0)
        if not shape[1] or found.means.shape != shape or found.deviations.shape != shape:
            raise ModelError(f"{path} holds arrays that don't fit together; write it again")
        if not all(np.isfinite(part).all() for part in (found.matrix, found.means, found.deviations)):
            raise ModelError(f"{path} holds NaN or infinity; write it again")
        return found

    def projection(self, layers: Sequence[str], width: int, device: torch.device) -> Projection:
        """For a model of these layers and width. Raises ModelError where it was fitted on another."""
        if tuple(layers) != self.layers or width != self.matrix.shape[1]:
            raise ModelError(
                f"the projection was fitted on {len(self.layers)} layers of {self.matrix.shape[1]} dimensions, the model has "
                f"{len(layers)} of {width}; fit it again"
            )
        factors = np.divide(1, self.deviations, out=np.zeros_like(self.deviations), where=self.deviations > 0)
        shifts = {
            name: (torch.from_numpy(mean).to(device), torch.from_numpy(factor).to(device))
            for name, mean, factor in zip(self.layers, self.means, factors, strict=True)
        }
        return Projection(self.name, torch.from_numpy(self.matrix).to(device), shifts)
