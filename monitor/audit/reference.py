"""Standardisation on a frozen reference.

No measure of separation by Euclidean distances is free of the scale of single dimensions (one axis times ten took a CHI of 37.8
to 2.07), and transformers have a few dimensions hundreds of times larger than the rest. So each dimension is divided by its standard
deviation on a reference that is fixed once; the audits of one series all use the same, or their changes would be the reference's.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.audit.anchors import Matrix, check_finite
from monitor.audit.faults import AuditFault, rejected
from monitor.errors import Misconfigured

Floats = NDArray[np.float64]

VERSION: Final = 1
_FLAT: Final = 1e-7
"""Standard deviation over the largest absolute value, below which a dimension is float32's rounding and no signal."""


class _Stored(msgspec.Struct, frozen=True, tag="audit_reference"):
    version: int
    rows: int
    mean: bytes
    scale: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Mean and standard deviation of each dimension, [d] float64, on `rows` rows. Scale 0: constant there, left out (becomes 0)."""

    rows: int
    mean: Floats
    scale: Floats

    @classmethod
    def fit(cls, rows: Matrix) -> Self:
        """On `rows` [n, d], labels not used. Raises Rejected: fewer than two rows, not finite, or constant in every dimension."""
        if rows.ndim != 2 or len(rows) < 2:
            raise rejected(
                AuditFault.SHAPE,
                f"a reference of shape {rows.shape}: give [rows, dimensions], two rows or more",
            )
        check_finite(rows)
        mean = rows.mean(axis=0, dtype=np.float64)
        scale = _deviations(rows, mean)
        scale[scale <= _FLAT * np.abs(rows).max(axis=0)] = 0.0
        if not scale.any():
            raise rejected(
                AuditFault.CONSTANT, f"all {rows.shape[1]} dimensions are constant: is the layer read at all?"
            )
        return cls(len(rows), mean, scale)

    @property
    def constant(self) -> int:
        """How many dimensions are left out."""
        return int((self.scale == 0).sum())

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that name it: audits with different ones can't be compared."""
        return blake2b(self.mean.tobytes() + self.scale.tobytes(), digest_size=8).hexdigest()

    def standardised(self, rows: Matrix) -> Matrix:
        """`rows` [n, d] with mean taken off and divided by the scale, in their own precision. Raises Rejected for another d."""
        if rows.ndim != 2 or rows.shape[1] != len(self.mean):
            raise rejected(
                AuditFault.CHANGED_SHAPE,
                f"vectors of shape {rows.shape} for a reference of {len(self.mean)} dimensions",
            )
        factor = np.divide(1.0, self.scale, out=np.zeros_like(self.scale), where=self.scale > 0)
        standard: Matrix = rows - self.mean.astype(rows.dtype)
        standard *= factor.astype(rows.dtype)
        return standard

    def to_bytes(self) -> bytes:
        """MessagePack, exact."""
        return msgspec.msgpack.encode(
            _Stored(VERSION, self.rows, self.mean.astype("<f8").tobytes(), self.scale.astype("<f8").tobytes())
        )

    @classmethod
    def from_bytes(cls, stored: bytes) -> Self:
        """Raises Misconfigured for what `to_bytes` of this version didn't write."""
        remedy = "Fit the reference again; the first audit on it starts a new series."
        try:
            found = msgspec.msgpack.decode(stored, type=_Stored)
        except msgspec.MsgspecError as exc:
            raise Misconfigured("the audit's reference can't be read", remedy) from exc
        if found.version != VERSION:
            raise Misconfigured(f"the audit's reference is of version {found.version}, not {VERSION}", remedy)
        if len(found.mean) % 8 or len(found.mean) != len(found.scale) or not found.mean:
            raise Misconfigured("the audit's reference is damaged", remedy)
        mean, scale = (np.frombuffer(part, "<f8").astype(np.float64) for part in (found.mean, found.scale))
        if not (np.isfinite(mean).all() and np.isfinite(scale).all() and (scale >= 0).all()):
            raise Misconfigured("the audit's reference is damaged", remedy)
        return cls(found.rows, mean, scale)


def _deviations(rows: NDArray[np.floating[Any]], mean: Floats, block: int = 2048) -> Floats:
    """Two passes and blocks: neither cancellation nor a copy in float64."""
    squares = np.zeros_like(mean)
    for start in range(0, len(rows), block):
        z = rows[start : start + block].astype(np.float64) - mean
        squares += np.einsum("nd,nd->d", z, z)
    deviations: Floats = np.sqrt(squares / len(rows))
    return deviations
