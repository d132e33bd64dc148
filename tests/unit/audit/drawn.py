"""Anchors and hidden states for the audit's tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.audit.anchors import Anchors, Floats

LABELS = ("safe", "unsafe")


def matched(pairs: int, *, least: int = 64) -> Anchors:
    """`pairs` of a safe and an unsafe anchor."""
    ids = [f"{label}-{number:05d}" for label in LABELS for number in range(pairs)]
    return Anchors.of(ids, list(np.repeat(LABELS, pairs)), [one.split("-")[1] for one in ids], least=least)


def mixed(seed: int = 0) -> Anchors:
    """Conversations of one to four rows, of either label or both."""
    chance = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(60), chance.integers(1, 5, 60))
    of_cluster = chance.random(60)
    labels = [
        LABELS[int(chance.random() < (0.0 if of_cluster[c] < 0.3 else 1.0 if of_cluster[c] > 0.7 else 0.5))]
        for c in clusters
    ]
    return Anchors.of([f"{n:04d}" for n in range(len(clusters))], labels, [str(c) for c in clusters], least=2)


def rows_of(anchors: Anchors, dimensions: int, *, shift: float = 0.0, seed: int = 0) -> Floats:
    """Normal rows in canonical order, the unsafe ones moved along every axis."""
    rows = np.random.default_rng(seed).normal(size=(len(anchors.ids), dimensions))
    rows[anchors.safe :] += shift
    return rows


def is_unsafe(anchors: Anchors) -> NDArray[np.bool_]:
    """By row."""
    flags: NDArray[np.bool_] = np.arange(len(anchors.ids)) >= anchors.safe
    return flags
