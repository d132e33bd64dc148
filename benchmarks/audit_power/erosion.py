"""A year of updates, audited one after the other: what the comparison with the baseline adds, and what it costs in false alarms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from benchmarks.audit_power.simulation import (
    KEPT,
    LAYERS,
    NEIGHBOURS,
    anchors_of,
    paired_rows,
    shift_of,
    spectrum,
)
from monitor.audit.alerting import Done, Teller, after_done
from monitor.audit.anchors import Anchors, Floats
from monitor.audit.comparison import LayerChange, changed_from
from monitor.audit.estimates import Estimate, estimates
from monitor.audit.geometry import geometry_of
from monitor.audit.kinds import AuditKind
from monitor.audit.measures import AuditMeasure
from monitor.audit.resampling import bootstrap_weights
from monitor.audit.state import TargetState
from schemas.alerts import Source

UPDATES: Final = 12
DIMENSIONS: Final = 24
_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)

Found = Mapping[str, Mapping[AuditMeasure, Estimate]]


@dataclass(frozen=True, slots=True)
class Year:
    """Shares of runs, after each of UPDATES: `told` by the worker's alert (previous audit and baseline together), `told_of_steps`: where
    an audit is held against the previous one alone. `a_step`: false or true alerts that began, an audit."""

    told: Floats
    told_of_steps: Floats
    a_step: float


def years(fall: float, *, j: float, pairs: int, times: int, draws: int = 999, seed: int) -> Year:
    """`fall`: the share of what is left of J that each update takes, in all layers; 0: none. Each update turns each layer's space
    and redraws a fifth of each state's variance, which means no harm."""
    chance = np.random.default_rng((seed, round(1000 * fall), round(1000 * j), pairs))
    anchors = anchors_of(pairs)
    weights = bootstrap_weights(anchors, draws, seed=seed)
    told, of_steps, began = np.zeros((times, UPDATES)), np.zeros((times, UPDATES)), 0
    for run in range(times):
        audits = _audits(chance, anchors, weights, j=j, fall=fall)
        state = TargetState(model="m", anchor_set="s")
        known: set[str] = set()
        for number, after in enumerate(audits):
            held = {state.previous_id, state.baseline_id, *(one.against_id for one in state.firing)} - {""}
            ids = sorted(held)
            groups = changed_from([audits[int(id_)] for id_ in ids], after)
            state = _after(state, number, dict(zip(ids, groups, strict=True)))
            falls = {alert.id for alert in state.told if alert.kind == AuditKind.SEPARATION_FELL}
            rises = {alert.id for alert in state.told if alert.kind == AuditKind.SEPARATION_ROSE}
            began += len((falls | rises) - known)
            known |= falls | rises
            if number and falls:
                told[run, number - 1 :] = 1
            if number and any(
                one.has_changed and one.is_fall for one in changed_from([audits[number - 1]], after)[0]
            ):
                of_steps[run, number - 1 :] = 1
    return Year(told.mean(axis=0), of_steps.mean(axis=0), began / (times * UPDATES))


def _after(state: TargetState, number: int, changes: Mapping[str, tuple[LayerChange, ...]]) -> TargetState:
    done = Done(
        id=str(number),
        at=_AT + timedelta(days=number),
        series="s",
        parts={},
        beginning=0,
        model_version="",
        is_live=False,
        changes=changes,
        previous_id=state.previous_id,
        baseline_id=state.baseline_id,
        began=None,
    )
    return after_done(state, done, Teller("wk", Source("", "")))


def _audits(
    chance: np.random.Generator, anchors: Anchors, weights: Floats, *, j: float, fall: float
) -> list[Found]:
    """The baseline and an audit after each update, layers correlated with their neighbours."""
    pairs, scale, none = anchors.safe, spectrum(DIMENSIONS), np.zeros(DIMENSIONS)
    is_unsafe = (np.arange(2 * pairs) >= pairs)[:, None]
    shift = shift_of(chance, j, scale)
    states = [paired_rows(chance, pairs, scale, none)]
    for _ in range(LAYERS - 1):
        fresh = paired_rows(chance, pairs, scale, none)
        states.append(NEIGHBOURS * states[-1] + np.sqrt(1 - NEIGHBOURS**2) * fresh)
    found: list[Found] = []
    for update in range(UPDATES + 1):
        left = np.sqrt((1 - fall) ** update)
        found.append(
            {
                f"layer {layer}": estimates(
                    geometry_of(
                        (rows + is_unsafe * shift * left)[:, chance.permutation(DIMENSIONS)],
                        pairs,
                        len(weights),
                    ),
                    anchors,
                    weights,
                    measures=(AuditMeasure.J,),
                )
                for layer, rows in enumerate(states)
            }
        )
        noise = paired_rows(chance, pairs, scale, none)
        updated = []
        for rows in states:
            updated.append(KEPT * rows + np.sqrt(1 - KEPT**2) * noise)
            fresh = paired_rows(chance, pairs, scale, none)
            noise = NEIGHBOURS * noise + np.sqrt(1 - NEIGHBOURS**2) * fresh
        states = updated
    return found
