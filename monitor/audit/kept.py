"""An audit as it is kept: every value with what it was made of, and the draws that a later audit is compared by.

The hidden states need not be kept. The bootstrap takes the same anchors for the same seed, so that the draws of two audits pair up:
2,000 numbers a measure and layer, instead of 4,096 an anchor and layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import msgspec
import numpy as np

from monitor.audit.estimates import Estimate
from monitor.audit.faults import AuditFault, rejected
from monitor.audit.measures import AuditMeasure
from monitor.errors import Misconfigured

VERSION: Final = 1
_MEASURES: Final = {str(measure): measure for measure in AuditMeasure}

EstimatesByLayer = Mapping[str, Mapping[AuditMeasure, Estimate]]
"""By layer or pooling, all by the same bootstrap weights."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer or pooling: its dimensions, and the digest of the reference that it is standardised on."""

    dimensions: int
    reference: str


@dataclass(frozen=True, slots=True, eq=False)
class Audit:
    """Estimates and permutation p-values by layer or pooling, of the anchors with that digest; `draws` and `seed` of the bootstrap."""

    anchors: str
    safe: int
    unsafe: int
    clusters: int
    draws: int
    seed: int
    layers: Mapping[str, Layer]
    estimates: EstimatesByLayer
    p: Mapping[str, Mapping[AuditMeasure, float]]

    def to_bytes(self) -> bytes:
        """MessagePack, exact."""
        return msgspec.msgpack.encode(
            _Stored(
                VERSION,
                self.anchors,
                (self.safe, self.unsafe, self.clusters),
                self.draws,
                self.seed,
                {name: (layer.dimensions, layer.reference) for name, layer in self.layers.items()},
                {
                    name: {
                        str(measure): (one.value, one.draws.astype("<f8").tobytes())
                        for measure, one in by.items()
                    }
                    for name, by in self.estimates.items()
                },
                {name: {str(measure): value for measure, value in by.items()} for name, by in self.p.items()},
            )
        )

    @classmethod
    def from_bytes(cls, stored: bytes) -> Self:
        """Raises Misconfigured for what `to_bytes` of this version didn't write."""
        remedy = "Leave it out; the next audit then begins a new series."
        try:
            found = msgspec.msgpack.decode(stored, type=_Stored)
            if found.version != VERSION:
                raise Misconfigured(f"the kept audit is of version {found.version}, not {VERSION}", remedy)
            return cls(
                found.anchors,
                *found.sizes,
                found.draws,
                found.seed,
                {name: Layer(*layer) for name, layer in found.layers.items()},
                {
                    name: {
                        _MEASURES[slug]: Estimate(value, np.frombuffer(draws, "<f8").astype(np.float64))
                        for slug, (value, draws) in by.items()
                    }
                    for name, by in found.estimates.items()
                },
                {
                    name: {_MEASURES[slug]: value for slug, value in by.items()}
                    for name, by in found.p.items()
                },
            )
        except (msgspec.MsgspecError, ValueError, KeyError) as exc:
            raise Misconfigured("the kept audit can't be read", remedy) from exc


class _Stored(msgspec.Struct, frozen=True, tag="audit"):
    version: int
    anchors: str
    sizes: tuple[int, int, int]
    draws: int
    seed: int
    layers: dict[str, tuple[int, str]]
    estimates: dict[str, dict[str, tuple[float, bytes]]]
    p: dict[str, dict[str, float]]


def check_comparable(before: Audit, after: Audit) -> None:
    """Raises Rejected unless both are of one series: same anchors, layers, dimensions, references and draws.

    A probe that changed shape has another geometry, and another reference another scale: the first audit with it begins a series.
    """
    if before.anchors != after.anchors:
        raise rejected(
            AuditFault.OTHER_ANCHORS,
            f"anchors {before.anchors} before and {after.anchors} now: audit the same set",
        )
    if (before.draws, before.seed) != (after.draws, after.seed):
        raise rejected(
            AuditFault.OTHER_DRAWS,
            f"{before.draws} draws of seed {before.seed} before, {after.draws} of {after.seed} now: keep both settings",
        )
    if before.layers.keys() != after.layers.keys():
        raise rejected(
            AuditFault.CHANGED_SHAPE,
            f"{len(before.layers)} layers before, {len(after.layers)} now: begin a new series",
        )
    for name, old in before.layers.items():
        new = after.layers[name]
        if old.dimensions != new.dimensions:
            raise rejected(
                AuditFault.CHANGED_SHAPE,
                f"{name} had {old.dimensions} dimensions and has {new.dimensions}: begin a new series",
            )
        if old.reference != new.reference:
            raise rejected(
                AuditFault.OTHER_REFERENCE,
                f"{name} had reference {old.reference} and has {new.reference}: keep the first",
            )
