"""P-values of many hypotheses that hold together, one of them for each layer."""

from __future__ import annotations

import numpy as np

from monitor.audit.anchors import Floats


def holm(p: Floats) -> Floats:
    """Adjusted p-values [m] (Holm 1979): the family-wise error is kept whatever the dependence."""
    order = np.argsort(p, kind="stable")
    steps = (len(p) - np.arange(len(p))) * p[order]
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def step_down_max(observed: Floats, null: Floats) -> Floats:
    """Adjusted p-values [m] of `observed` [m], larger is more extreme, against joint draws `null` [R, m] (Westfall and Young 1993,
    algorithm 2.8; Romano and Wolf 2005 for bootstrap draws).

    Each is held against the largest of those not yet rejected, so what moves together costs no more than once: neighbouring
    layers nearly do.
    """
    order = np.argsort(-observed, kind="stable")
    # the largest of the hypotheses from each step on
    largest = np.maximum.accumulate(null[:, order[::-1]], axis=1)[:, ::-1]
    reached = (largest >= observed[order]).sum(axis=0)
    steps = (1 + reached) / (1 + len(null))
    adjusted = np.empty_like(observed)
    adjusted[order] = np.maximum.accumulate(steps)
    return adjusted
