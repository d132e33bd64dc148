"""What the audits' simulations draw, and the error rates that they count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.audit.anchors import Anchors, Floats
from monitor.audit.comparison import changed, compared
from monitor.audit.estimates import Estimate, estimates, scatters
from monitor.audit.geometry import geometry_of
from monitor.audit.measures import AuditMeasure
from monitor.audit.multiplicity import holm
from monitor.audit.resampling import bootstrap_weights

LAYERS: Final = 8
SHARED: Final = 0.5
"""Of a pair's variance, what its topic gives to both halves."""
NEIGHBOURS: Final = 0.8
"""Correlation of neighbouring layers."""
KEPT: Final = 0.9
"""Correlation of an anchor's state before and after an update that means no harm."""


def anchors_of(pairs: int) -> Anchors:
    """`pairs` matched pairs."""
    ids = [f"{side}{number:05d}" for side in "su" for number in range(pairs)]
    return Anchors.of(ids, ["safe"] * pairs + ["unsafe"] * pairs, [one[1:] for one in ids])


def spectrum(dimensions: int) -> Floats:
    """Standard deviations of the dimensions, mean square 1: variances fall as 1/k, as those of hidden states about do."""
    variances = 1 / np.arange(1, dimensions + 1)
    deviations: Floats = np.sqrt(variances / variances.mean())
    return deviations


def paired_rows(chance: np.random.Generator, pairs: int, scale: Floats, shift: Floats) -> Floats:
    """[2 pairs, d]: safe, then unsafe `shift` [d] away; the halves of a pair share SHARED of their variance."""
    topic = chance.normal(size=(pairs, len(scale)))
    own = chance.normal(size=(2, pairs, len(scale)))
    rows = np.sqrt(SHARED) * topic + np.sqrt(1 - SHARED) * own
    both: Floats = np.concatenate([rows[0], rows[1] + shift / scale]) * scale
    return both


def shift_of(chance: np.random.Generator, j: float, scale: Floats) -> Floats:
    """A difference of the means, [d], in a random direction, that makes the true J of rows with these deviations `j`."""
    direction = chance.normal(size=len(scale)) * scale
    shift: Floats = direction * np.sqrt(j * float(scale @ scale) / float(direction @ direction))
    return shift


@dataclass(frozen=True, slots=True)
class Size:
    """Means over draws of independent anchors, `n` a class: J, CHI, 1/XBI."""

    n: int
    dimensions: int
    j: float
    j_error: float
    chi: float
    inverse_xbi: float


def size_freedom(j: float, n: int, dimensions: int, *, times: int, seed: int) -> Size:
    """Means over `times` samples with the true effect `j`; `j_error`: the simulation's standard error of J's."""
    chance = np.random.default_rng((seed, n, dimensions))
    shift = np.full(dimensions, np.sqrt(j))
    found = np.empty((times, 3))
    ones = np.ones((1, 2 * n))
    for row in found:
        rows = chance.normal(size=(2 * n, dimensions))
        rows[n:] += shift
        scatter = scatters(geometry_of(rows, n, 1), ones)
        row[:] = scatter.j[0], scatter.chi[0], 1 / scatter.xbi[0]
    mean = found.mean(axis=0)
    return Size(
        n,
        dimensions,
        float(mean[0]),
        float(found[:, 0].std() / np.sqrt(times)),
        float(mean[1]),
        float(mean[2]),
    )


@dataclass(frozen=True, slots=True)
class Coverage:
    """How often 95 % intervals held the true J: of independent anchors by `j`, of matched pairs by `j` and by `clustered`."""

    truth: float
    independent: float
    paired: float
    clustered: float


def coverage(j: float, pairs: int, dimensions: int, *, times: int, draws: int, seed: int) -> Coverage:
    """Over `times` samples with the true effect `j`."""
    chance = np.random.default_rng((seed, pairs, dimensions, round(1000 * j)))
    scale = spectrum(dimensions)
    matched = anchors_of(pairs)
    alone = Anchors.of(matched.ids, ["safe"] * pairs + ["unsafe"] * pairs)
    held = np.zeros((times, 3))
    for time in range(times):
        shift = shift_of(chance, j, scale)
        independent = chance.normal(size=(2 * pairs, dimensions)) * scale
        independent[pairs:] += shift
        paired = paired_rows(chance, pairs, scale, shift)
        cases = (
            (independent, alone, AuditMeasure.J),
            (paired, matched, AuditMeasure.J),
            (paired, matched, AuditMeasure.J_CLUSTERED),
        )
        for place, (rows, anchors, measure) in enumerate(cases):
            weights = bootstrap_weights(anchors, draws, seed=seed + time)
            found = estimates(geometry_of(rows, pairs, draws), anchors, weights, measures=(measure,))
            low, high = found[measure].interval
            held[time, place] = low <= j <= high
    return Coverage(j, *(float(share) for share in held.mean(axis=0)))


@dataclass(frozen=True, slots=True)
class Alerts:
    """Shares of the comparisons: `alerted` (significant and above the floor, any layer), `significant` (any layer, maximum), and
    `by_holm` (any layer, Holm).
    """

    alerted: float
    significant: float
    by_holm: float


def alerts(
    fall: float,
    *,
    layers_that_fall: int,
    j: float = 0.3,
    pairs: int = 200,
    dimensions: int = 24,
    times: int,
    draws: int = 999,
    seed: int,
) -> Alerts:
    """An update of the model turns each layer's space and redraws a part of each anchor's state; J of the last layers falls by the
    share `fall`. At 0 it changes nothing that the audit should notice.
    """
    chance = np.random.default_rng((seed, round(1000 * fall), layers_that_fall))
    anchors = anchors_of(pairs)
    scale = spectrum(dimensions)
    weights = bootstrap_weights(anchors, draws, seed=seed)
    found = np.zeros((times, 3))
    for row in found:
        before: dict[str, dict[AuditMeasure, Estimate]] = {}
        after: dict[str, dict[AuditMeasure, Estimate]] = {}
        old = paired_rows(chance, pairs, scale, np.zeros(dimensions))
        new = KEPT * old + np.sqrt(1 - KEPT**2) * paired_rows(chance, pairs, scale, np.zeros(dimensions))
        shift = shift_of(chance, j, scale)
        is_unsafe = (np.arange(2 * pairs) >= pairs)[:, None]
        for layer in range(LAYERS):
            name = f"layer {layer}"
            left = 1 - fall if layer >= LAYERS - layers_that_fall else 1.0
            turned = chance.permutation(dimensions)
            for audit, rows, size in ((before, old, 1.0), (after, new, left)):
                moved = (rows + is_unsafe * shift * np.sqrt(size))[
                    :, turned if audit is after else slice(None)
                ]
                audit[name] = estimates(
                    geometry_of(moved, pairs, draws), anchors, weights, measures=(AuditMeasure.J,)
                )
            noise = [paired_rows(chance, pairs, scale, np.zeros(dimensions)) for _ in range(2)]
            old, new = (
                NEIGHBOURS * state + np.sqrt(1 - NEIGHBOURS**2) * fresh
                for state, fresh in zip(
                    (old, new), (noise[0], KEPT * noise[0] + np.sqrt(1 - KEPT**2) * noise[1]), strict=True
                )
            )
        result = changed(before, after)
        by_holm = holm(np.array([one.p for one in compared(before, after)]))
        row[:] = (
            any(one.has_changed for one in result),
            any(one.is_significant for one in result),
            bool((by_holm <= 0.05).any()),
        )
    return Alerts(*(float(share) for share in found.mean(axis=0)))
