"""Two audits on the same anchors: what changed, and whether that is more than the choice of the anchors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from monitor.audit.anchors import Floats
from monitor.audit.estimates import PERCENTILES, Estimate
from monitor.audit.faults import AuditFault, rejected
from monitor.audit.kept import Audit, EstimatesByLayer, check_comparable
from monitor.audit.measures import OF_J, AuditMeasure
from monitor.audit.multiplicity import step_down_max

ALPHA: Final = 0.05
MIN_DRAWS: Final = 999


@dataclass(frozen=True, slots=True)
class Floor:
    """How large a change of J has to be to matter: at least both of these."""

    absolute: float = 0.02
    relative: float = 0.1

    def passed_by(self, change: float, before: float) -> bool:
        """Whether a change from `before` is that large."""
        return abs(change) >= max(self.absolute, self.relative * abs(before))


@dataclass(frozen=True, slots=True)
class Change:
    """Of one measure in one layer (or pooling): after minus before, its 95 % interval, and the p-value of "none", for it alone."""

    layer: str
    measure: AuditMeasure
    before: float
    after: float
    low: float
    high: float
    p: float

    @property
    def change(self) -> float:
        """After minus before."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class LayerChange:
    """The change of J in one layer or pooling, with the p-value adjusted for all of them together."""

    change: Change
    p_adjusted: float
    is_significant: bool
    is_large: bool

    @property
    def has_changed(self) -> bool:
        """Significant, and larger than the floor."""
        return self.is_significant and self.is_large

    @property
    def is_fall(self) -> bool:
        """Whether safe and unsafe have come closer."""
        return self.change.change < 0


def compared(before: EstimatesByLayer, after: EstimatesByLayer) -> tuple[Change, ...]:
    """The paired change of every measure in every layer that both audits have. Both must be by the same bootstrap weights.

    The draws take the same anchors before and after, so what the anchors share cancels. The p-value is two-sided, from the
    change's draws about itself. Permuting before and after anchor by anchor would not do: it tests that the two models are the same,
    and a rotation of the space, which changes no distance, would be found.
    Raises Rejected where the layers or the numbers of draws differ.
    """
    if before.keys() != after.keys():
        raise rejected(
            AuditFault.CHANGED_SHAPE, f"{len(before)} layers before, {len(after)} now: begin a new series"
        )
    found: list[Change] = []
    for layer, old in before.items():
        new = after[layer]
        changes = {
            measure: _change(layer, measure, old[measure], new[measure])
            for measure in old.keys() & new.keys()
        }
        if AuditMeasure.J in changes:
            # at the same sizes, functions of J change where J does
            of_j = changes.keys() & OF_J
            changes |= {measure: replace(changes[measure], p=changes[AuditMeasure.J].p) for measure in of_j}
        found.extend(changes.values())
    order = list(AuditMeasure)
    places = {layer: place for place, layer in enumerate(before)}
    return tuple(sorted(found, key=lambda one: (places[one.layer], order.index(one.measure))))


def changed(
    before: EstimatesByLayer, after: EstimatesByLayer, *, floor: Floor | None = None, alpha: float = ALPHA
) -> tuple[LayerChange, ...]:
    """Of each layer and pooling whether J changed: significant at `alpha` for all of them together (step-down maximum of the studentised
    changes), and larger than the floor. In the order of `before`. An alert is due where any `has_changed`.

    Raises Rejected as `compared`, and for fewer draws than MIN_DRAWS: small p-values are then out of reach.
    """
    return changed_from((before,), after, floor=floor, alpha=alpha)[0]


def changed_from(
    befores: Sequence[EstimatesByLayer],
    after: EstimatesByLayer,
    *,
    floor: Floor | None = None,
    alpha: float = ALPHA,
) -> tuple[tuple[LayerChange, ...], ...]:
    """`changed` against each of several audits, at `alpha` for all layers of all comparisons together: with all of them the draws
    share their anchors, so that the largest of all changes in a draw can be had, and comparisons that move together cost little
    more than one. Nothing for no audits."""
    if not befores:
        return ()
    bounds = floor or Floor()
    groups = [[one for one in compared(before, after) if one.measure is AuditMeasure.J] for before in befores]
    draws = np.stack(
        [
            after[one.layer][AuditMeasure.J].draws - before[one.layer][AuditMeasure.J].draws
            for before, changes in zip(befores, groups, strict=True)
            for one in changes
        ],
        axis=1,
    )
    if len(draws) < MIN_DRAWS:
        raise rejected(
            AuditFault.NOT_ENOUGH, f"{len(draws)} draws: at least {MIN_DRAWS} are needed for an alert"
        )
    differences = np.array([one.change for changes in groups for one in changes])
    adjusted = iter(step_down_max(*_studentised(differences, draws)))
    return tuple(
        tuple(
            LayerChange(one, p, bool(p <= alpha), bounds.passed_by(one.change, one.before))
            for one in changes
            for p in (float(next(adjusted)),)
        )
        for changes in groups
    )


def changed_audit(
    before: Audit, after: Audit, *, floor: Floor | None = None, alpha: float = ALPHA
) -> tuple[LayerChange, ...]:
    """`changed` of two audits of one series. Raises Rejected where they aren't of one (kept.check_comparable)."""
    check_comparable(before, after)
    return changed(before.estimates, after.estimates, floor=floor, alpha=alpha)


def _change(layer: str, measure: AuditMeasure, old: Estimate, new: Estimate) -> Change:
    if len(old.draws) != len(new.draws) or not len(old.draws):
        raise rejected(
            AuditFault.OTHER_DRAWS,
            f"{len(old.draws)} draws before, {len(new.draws)} now: draw both with the same weights",
        )
    with np.errstate(invalid="ignore"):
        draws = new.draws - old.draws
        difference = np.array([new.value - old.value])
    if not (np.isfinite(draws).all() and np.isfinite(difference).all()):
        # coincident centroids, or no scatter, before or after: there is a change, and no figure for it
        return Change(layer, measure, old.value, new.value, float("-inf"), float("inf"), 1.0)
    low, high = np.percentile(draws, PERCENTILES, method="inverted_cdf")
    p = step_down_max(*_studentised(difference, draws[:, None]))
    return Change(layer, measure, old.value, new.value, float(low), float(high), float(p[0]))


def _studentised(differences: Floats, draws: Floats) -> tuple[Floats, Floats]:
    """|change| and |draw - mean| [R, m] over the draws' standard deviation; 0 where nothing varies and nothing changed."""
    centred = draws - draws.mean(axis=0)
    errors = centred.std(axis=0)
    # a change below the rounding of what it is a difference of is none: the same model on the same anchors
    noise = 1e-12 * np.maximum(np.abs(differences), 1.0)
    safe = np.where(errors > noise, errors, 1.0)
    observed = np.where(
        errors > noise, np.abs(differences) / safe, np.where(np.abs(differences) > noise, np.inf, 0.0)
    )
    return observed, np.where(errors > noise, np.abs(centred) / safe, 0.0)
