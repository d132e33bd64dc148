"""One layer's measures with their bootstrap draws and permutation p-values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.audit.anchors import Anchors, Floats
from monitor.audit.faults import AuditFault, rejected
from monitor.audit.geometry import Geometry, Gram
from monitor.audit.measures import OF_J, OF_PAIRS, USUAL, AuditMeasure, function_of_j
from monitor.audit.pairwise import davies_bouldin, dunn, silhouette
from monitor.audit.scatter import Scatter

PERCENTILES: Final = (2.5, 97.5)


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A value and its draws [R], which have the value as their mean (of J, where the measure is a function of it)."""

    value: float
    draws: Floats

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, by percentiles of the draws."""
        low, high = np.percentile(self.draws, PERCENTILES, method="inverted_cdf")
        return float(low), float(high)


def scatters(geometry: Geometry, weights: Floats) -> Scatter:
    """Of each draw of `weights` [R, N]."""
    safe, unsafe = geometry.safe, slice(geometry.safe, None)
    n1, n2 = weights[:, :safe].sum(axis=1), weights[:, unsafe].sum(axis=1)
    q11, q12, q22 = geometry.squares(weights)
    squares = weights @ geometry.norms
    within = np.maximum(squares - q11 / n1 - q22 / n2, 0.0)
    apart = np.maximum(q11 / n1**2 - 2 * q12 / (n1 * n2) + q22 / n2**2, 0.0)
    return Scatter(n1, n2, within, apart)


def clustered_noise(geometry: Geometry, anchors: Anchors) -> float:
    """How much of D^2 is noise of the centroids, when whole clusters are the independent draws: the unbiased variance of a
    stratified sample's difference of (ratio) means, summed over dimensions (Cochran 1977, sections 5.3 and 6.3).

    For anchors alone it is s1^2/n1 + s2^2/n2. Matched pairs share a topic, which cancels between their halves: then it is less, and
    J, which takes off the noise of independent anchors, is too low by the difference.
    """
    factors = np.where(np.arange(len(anchors.ids)) < anchors.safe, 1 / anchors.safe, -1 / anchors.unsafe)
    of_clusters = geometry.group_squares(factors, anchors.clusters)
    present = np.unique(anchors.strata)
    of_strata = geometry.group_squares(factors, anchors.strata[anchors.clusters])
    noise = 0.0
    for stratum, square in zip(present, of_strata, strict=True):
        members = anchors.strata == stratum
        m = int(members.sum())
        if m > 1:
            noise += m / (m - 1) * (float(of_clusters[members].sum()) - float(square) / m)
    return noise


def estimates(
    geometry: Geometry,
    anchors: Anchors,
    weights: Floats,
    *,
    measures: Sequence[AuditMeasure] = USUAL,
    chi_max: float | None = None,
) -> dict[AuditMeasure, Estimate]:
    """Of each measure but AQI_RELEASED (axioms.py), by bootstrap `weights` [R, N]; appendix B only with a `chi_max`.

    A bootstrap doubles the centroids' noise, so draws of J lie around J + 1/n1 + 1/n2, and those of other measures are off likewise.
    They are moved onto the value: what is left is how the estimate varies. Raises Rejected: constant, too many rows.
    """
    ones = np.ones((1, len(anchors.ids)))
    point = scatters(geometry, ones)
    if not point.within[0] > 0:
        raise rejected(
            AuditFault.CONSTANT,
            f"each class has one vector only ({anchors.safe} safe, {anchors.unsafe} unsafe): is the layer read at all?",
        )
    j = _moved(float(point.j[0]), scatters(geometry, weights).j if len(weights) else np.empty(0))
    found: dict[AuditMeasure, Estimate] = {}
    for measure in measures:
        if measure is AuditMeasure.J:
            found[measure] = j
        elif measure is AuditMeasure.J_CLUSTERED:
            variance = float(point.within[0]) / (len(anchors.ids) - 2)
            value = (float(point.apart[0]) - clustered_noise(geometry, anchors)) / variance
            found[measure] = Estimate(value, j.draws + (value - j.value))
        elif measure in OF_J:
            function = function_of_j(measure, anchors.safe, anchors.unsafe, chi_max=chi_max)
            if function is not None:
                found[measure] = Estimate(float(function(np.array(j.value))), function(j.draws))
        elif measure is not AuditMeasure.AQI_RELEASED:
            value = float(by_rows(measure, geometry, *_sides(ones, anchors.safe))[0])
            draws = by_rows(measure, geometry, *_sides(weights, anchors.safe))
            found[measure] = _moved(value, draws)
    return found


def p_values(
    geometry: Geometry, anchors: Anchors, labels: Floats, *, measures: Sequence[AuditMeasure] = USUAL
) -> dict[AuditMeasure, float]:
    """Of each measure but AQI_RELEASED, the p-value of "the labels tell nothing", by permuted `labels` [R, N]: how often they separate as well.

    J and all that follows from it have one: the total scatter stays, so the scatter between the classes decides. Never below 1 / (R + 1).
    """
    true = (np.arange(len(anchors.ids)) < anchors.safe).astype(np.float64)[None, :]
    every = np.concatenate([true, labels])
    found: dict[AuditMeasure, float] = {}
    if any(measure in {AuditMeasure.J, AuditMeasure.J_CLUSTERED, *OF_J} for measure in measures):
        of_j = rank(relabelled(geometry, every).chi, is_rising=True)
        found |= {
            measure: of_j
            for measure in measures
            if measure in {AuditMeasure.J, AuditMeasure.J_CLUSTERED, *OF_J}
        }
    for measure in measures:
        if measure not in found and measure is not AuditMeasure.AQI_RELEASED:
            values = by_rows(measure, geometry, every, 1 - every)
            found[measure] = rank(values, is_rising=measure.is_rising)
    return found


def relabelled(geometry: Geometry, labels: Floats) -> Scatter:
    """Of the same rows with other `labels` [R, N], 1 for safe: the total scatter stays, so one sum tells all."""
    n1 = labels.sum(axis=1)
    n2 = labels.shape[1] - n1
    # the rows are about their mean, so that the unsafe sum is the safe one's negative
    square = geometry.square(labels)
    between = square * (n1 + n2) / (n1 * n2)
    return Scatter(n1, n2, np.maximum(geometry.norms.sum() - between, 0.0), square * (1 / n1 + 1 / n2) ** 2)


def by_rows(measure: AuditMeasure, geometry: Geometry, first: Floats, second: Floats) -> Floats:
    """DBI, or one of OF_PAIRS, of weighted rows, [R]. Raises Rejected where pairs are needed and there are too many rows."""
    if measure is AuditMeasure.DBI:
        return davies_bouldin(geometry, first, second)
    if measure not in OF_PAIRS:
        raise ValueError(f"{measure} is not computed from rows")
    if not isinstance(geometry, Gram):
        raise rejected(
            AuditFault.TOO_MANY_ROWS,
            f"{measure} of {first.shape[1]} rows needs all pairs: build a Gram of a sample",
        )
    return (
        dunn(geometry, first, second) if measure is AuditMeasure.DUNN else silhouette(geometry, first, second)
    )


def _sides(weights: Floats, safe: int) -> tuple[Floats, Floats]:
    is_safe = (np.arange(weights.shape[1]) < safe).astype(np.float64)
    return weights * is_safe, weights * (1 - is_safe)


def _moved(value: float, draws: Floats) -> Estimate:
    """Draws with their mean at the value; as they are where either is infinite."""
    if len(draws) and np.isfinite(value) and np.isfinite(draws).all():
        return Estimate(value, draws + (value - float(draws.mean())))
    return Estimate(value, draws)


def rank(values: Floats, *, is_rising: bool) -> float:
    """The share of `values` [R + 1] that is as extreme as the first, itself counted: the first's permutation p-value. Equal up to rounding is equal: small sets repeat draws."""
    signed = values if is_rising else -values
    if not np.isfinite(signed[0]):
        return float((signed >= signed[0]).mean())
    return float((signed >= signed[0] - 1e-9 * abs(signed[0])).mean())
