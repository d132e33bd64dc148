"""AQI as the released code has it, over the axioms of one model: each with what is left of its doubt after the normaliser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from monitor.audit.aqi import LAMBDA, released
from monitor.audit.estimates import Estimate
from monitor.audit.faults import AuditFault, rejected
from monitor.audit.measures import AuditMeasure

LEAST_AXIOMS: Final = 2


def released_by_axiom(
    axioms: Mapping[str, Mapping[AuditMeasure, Estimate]], *, weight: float = LAMBDA
) -> dict[str, Estimate]:
    """AQI_RELEASED of each axiom, from its estimates of CHI and XBI (include `overall`, as the released code does, to repeat it).

    Draws combine the axioms' own, so they have to be of the same number; axioms have different anchors and are independent.
    It has no p-value of its own: it rises with an axiom's CHI, whose p-value says whether the labels tell anything. Raises Rejected
    for fewer than two axioms and for CHI or XBI that aren't finite.
    """
    if len(axioms) < LEAST_AXIOMS:
        raise rejected(
            AuditFault.NOT_ENOUGH, f"{len(axioms)} axioms: the released normaliser compares two or more"
        )
    chi, xbi = (
        np.stack([np.append(one[measure].value, one[measure].draws) for one in axioms.values()], axis=-1)
        for measure in (AuditMeasure.CHI, AuditMeasure.XBI)
    )
    if not (np.isfinite(chi[0]).all() and np.isfinite(xbi[0]).all()):
        raise rejected(AuditFault.NOT_FINITE, "CHI or XBI of an axiom is infinite: its centroids coincide")
    # a draw may have CHI at 0: XBI is then infinite, and in the sigmoid just very large
    largest = np.finfo(np.float64).max ** 0.5
    values = released(np.maximum(chi, 0.0), np.minimum(xbi, largest), weight=weight)
    return {axiom: Estimate(float(values[0, place]), values[1:, place]) for place, axiom in enumerate(axioms)}
