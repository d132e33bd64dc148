"""Draws of anchors, as weights: the stratified cluster bootstrap and the permutations of labels."""

from __future__ import annotations

from typing import Final

import numpy as np

from monitor.audit.anchors import Anchors, Floats, Places

DRAWS: Final = 2000
SEED: Final = 20260613


def bootstrap_weights(anchors: Anchors, draws: int, *, seed: int = SEED) -> Floats:
    """How often each anchor is in each draw, [draws, N]. The same for the same seed.

    Whole clusters are drawn with replacement (Davison and Hinkley 1997, section 3.8), as many as there are within each stratum:
    those with both classes, with safe anchors only, with unsafe ones only. So no draw lacks a class.
    """
    chance = np.random.default_rng(seed)
    times = np.zeros((draws, len(anchors.strata)))
    for stratum in range(3):
        members = np.flatnonzero(anchors.strata == stratum)
        if len(members):
            drawn = chance.integers(0, len(members), (draws, len(members)), dtype=np.int32)
            drawn += np.arange(draws, dtype=np.int32)[:, None] * len(members)
            times[:, members] = np.bincount(drawn.ravel(), minlength=draws * len(members)).reshape(draws, -1)
    weights: Floats = times[:, anchors.clusters]
    return weights


def permuted_labels(anchors: Anchors, draws: int, *, seed: int = SEED) -> Floats:
    """1 where an anchor is called safe, else 0, [draws, N], under "labels tell nothing". The same for the same seed.

    Labels change places within a cluster that has both (for a matched pair: they swap or not), and between whole clusters that have
    one only.
    """
    chance = np.random.default_rng(seed)
    unit, block, is_safe = _units(anchors)
    order = np.lexsort((~is_safe, block))
    # within each block, in order: as many safe places as it has safe units
    pattern, sorted_block = is_safe[order], block[order]
    labels = np.empty((draws, len(block)), np.float64)
    for row in labels:
        row[np.lexsort((chance.random(len(block)), sorted_block))] = pattern
    by_unit = np.empty_like(labels)
    by_unit[:, order] = labels
    permuted: Floats = by_unit[:, unit]
    return permuted


def _units(anchors: Anchors) -> tuple[Places, Places, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """What changes places: the unit of each anchor [N], the block of each unit and whether it is safe [units]."""
    is_mixed = anchors.strata[anchors.clusters] == 0
    clusters = len(anchors.strata)
    keys = np.where(is_mixed, clusters + np.arange(len(is_mixed)), anchors.clusters)
    _, first, unit = np.unique(keys, return_index=True, return_inverse=True)
    block = np.where(is_mixed[first], anchors.clusters[first], clusters).astype(np.intp)
    return unit.astype(np.intp), block, first < anchors.safe
