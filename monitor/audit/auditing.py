"""One audit: from the hidden states of each layer to every value, for single layers and pooled ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final

import numpy as np

from monitor.audit.anchors import Anchors, Floats, Matrix
from monitor.audit.estimates import Estimate, estimates, p_values
from monitor.audit.faults import AuditFault, rejected
from monitor.audit.geometry import Gram, geometry_of
from monitor.audit.kept import Audit, Layer
from monitor.audit.layers import Pooling, cosine_weights, cross_fitted, pooled, uniform
from monitor.audit.measures import OF_PAIRS, USUAL, AuditMeasure
from monitor.audit.reference import Reference
from monitor.audit.resampling import DRAWS, SEED, bootstrap_weights, permuted_labels

POOLED: Final = "pooled_"
"""What the name of a pooling begins with, among those of layers."""


def audited(
    layers: Mapping[str, Matrix],
    anchors: Anchors,
    references: Mapping[str, Reference],
    *,
    poolings: Sequence[Pooling] = (Pooling.UNIFORM,),
    towards: Floats | None = None,
    measures: Sequence[AuditMeasure] = USUAL,
    chi_max: float | None = None,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Audit:
    """Of `layers` [N, d] by name, rows as the anchors were given, each standardised on its own frozen reference.

    Learned pooling gives J alone. Cosine pooling needs `towards` [L, d], in the order of `layers`: a frozen direction a layer, in
    standardised coordinates. Raises Rejected (faults.AuditFault) for anything that no value can be trusted of.
    """
    missing = [name for name in layers if name not in references]
    if missing or not layers:
        raise rejected(
            AuditFault.OTHER_REFERENCE,
            f"{len(missing)} of {len(layers)} layers have no reference: fit one on the first audit",
        )
    weights = bootstrap_weights(anchors, draws, seed=seed)
    labels = permuted_labels(anchors, draws, seed=seed)
    rows = {name: references[name].standardised(anchors.vectors(one)) for name, one in layers.items()}
    kept = {name: Layer(one.shape[1], references[name].digest) for name, one in rows.items()}
    found: dict[str, dict[AuditMeasure, Estimate]] = {}
    p: dict[str, dict[AuditMeasure, float]] = {}

    def measure(name: str, one: Matrix) -> None:
        if any(wanted in OF_PAIRS for wanted in measures):
            gram = Gram.of(one, anchors.safe)
            found[name] = estimates(gram, anchors, weights, measures=measures, chi_max=chi_max)
            p[name] = p_values(gram, anchors, labels, measures=tuple(found[name]))
        else:
            geometry = geometry_of(one, anchors.safe, draws)
            found[name] = estimates(geometry, anchors, weights, measures=measures, chi_max=chi_max)
            p[name] = p_values(geometry, anchors, labels, measures=tuple(found[name]))

    for name, one in rows.items():
        measure(name, one)
    if poolings:
        stacked = _stacked(rows)
        mark = blake2b(
            "".join(layer.reference for layer in kept.values()).encode(), digest_size=8
        ).hexdigest()
        for pooling in poolings:
            name = f"{POOLED}{pooling}"
            kept[name] = Layer(stacked.shape[2], mark)
            if pooling is Pooling.LEARNED:
                fitted = cross_fitted(stacked, anchors, weights, labels, seed=seed)
                found[name], p[name] = {AuditMeasure.J: fitted.estimate}, {AuditMeasure.J: fitted.p}
            elif pooling is Pooling.UNIFORM:
                measure(name, uniform(stacked))
            elif towards is None:
                raise rejected(
                    AuditFault.CONSTANT, "cosine pooling needs a direction for each layer: give `towards`"
                )
            else:
                measure(name, pooled(stacked, cosine_weights(stacked, towards)))
    return Audit(
        anchors.digest,
        anchors.safe,
        anchors.unsafe,
        len(anchors.strata),
        draws,
        seed,
        kept,
        found,
        p,
    )


def _stacked(rows: Mapping[str, Matrix]) -> Matrix:
    widths = {one.shape[1] for one in rows.values()}
    if len(widths) > 1:
        raise rejected(
            AuditFault.CHANGED_SHAPE,
            f"layers of {min(widths)} to {max(widths)} dimensions can't be pooled: ask for no pooling",
        )
    return np.stack(list(rows.values()))
