"""DBI, Dunn's index and the silhouette of weighted rows, for many draws at once. They need every row or every pair, not sums.

`first` and `second` [R, N] say how often each row counts as safe and as unsafe. A row drawn twice is two rows in one place, as if
the rows themselves had been drawn again and scikit-learn been asked.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.audit.anchors import Floats, Places
from monitor.audit.geometry import Geometry, Gram

_COINCIDENT: Final = 1e-12
"""Squared distance of centroids over mean squared norm, below which they are one point."""
_PAIRS: Final = 512
"""Pairs, in order of distance, that are looked through at once."""
_ROWS: Final = 64
"""Draws whose products with all rows are held at once."""


def davies_bouldin(geometry: Geometry, first: Floats, second: Floats) -> Floats:
    """(S1 + S2) / D, [R], with S the mean (unsquared) distance to the centroid: Davies and Bouldin (1979) as scikit-learn has it,
    for two classes. Lower is more separated.

    +inf for coincident centroids, where scikit-learn returns 0, its best value.
    """
    found = np.empty(len(first))
    for start in range(0, len(first), _ROWS):
        part = slice(start, start + _ROWS)
        found[part] = _davies_bouldin(geometry, first[part], second[part])
    return found


def _davies_bouldin(geometry: Geometry, first: Floats, second: Floats) -> Floats:
    spread = np.zeros(len(first))
    means = []
    for weights in (first, second):
        size = weights.sum(axis=1, keepdims=True)
        products = geometry.products(weights / size)
        square = np.einsum("rn,rn->r", products, weights / size)
        distances = np.sqrt(np.maximum(geometry.norms - 2 * products + square[:, None], 0.0))
        spread += np.einsum("rn,rn->r", distances, weights / size)
        means.append((products, square))
    (products, square), (_, other) = means
    across = np.einsum("rn,rn->r", products, second / second.sum(axis=1, keepdims=True))
    apart = np.maximum(square - 2 * across + other, 0.0)
    is_apart = apart > _COINCIDENT * geometry.norms.mean()
    return np.divide(spread, np.sqrt(apart), out=np.full(len(first), np.inf), where=is_apart)


def silhouette(gram: Gram, first: Floats, second: Floats) -> Floats:
    """Mean silhouette (Rousseeuw 1987), [R], higher is more separated: (b - a) / max(a, b) of each row, 0 for the only row of a class."""
    distances = gram.distances
    total = np.zeros(len(first))
    for own, other in ((first, second), (second, first)):
        n_own, n_other = own.sum(axis=1, keepdims=True), other.sum(axis=1, keepdims=True)
        near = (own @ distances) / np.maximum(n_own - 1, 1)
        far = (other @ distances) / n_other
        top = np.maximum(near, far)
        value = np.divide(far - near, top, out=np.zeros_like(top), where=top > 0)
        total += np.einsum("rn,rn->r", own, np.where(n_own > 1, value, 0.0))
    mean: Floats = total / (first.sum(axis=1) + second.sum(axis=1))
    return mean


def dunn(gram: Gram, first: Floats, second: Floats) -> Floats:
    """Smallest distance between the classes over the largest within one (Dunn 1974), [R], higher is more separated. +inf where
    no class has a diameter.
    """
    distances = gram.distances
    ends = np.triu_indices(len(distances), 1)
    lengths = distances[ends]
    order = np.argsort(lengths, kind="stable")
    by_length = (ends[0][order], ends[1][order])
    lengths = lengths[order]
    has = (first > 0, second > 0)
    gap = _first_pair(lengths, by_length, ((has[0], has[1]), (has[1], has[0])), missing=np.inf)
    backwards = (by_length[0][::-1], by_length[1][::-1])
    widest = _first_pair(lengths[::-1], backwards, ((has[0], has[0]), (has[1], has[1])), missing=0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(widest > 0, gap / widest, np.inf)


def _first_pair(
    lengths: Floats,
    ends: tuple[Places, Places],
    sides: tuple[tuple[NDArray[np.bool_], NDArray[np.bool_]], ...],
    *,
    missing: float,
) -> Floats:
    """For each draw, the length of the first pair whose ends are on some pair of sides, [R]."""
    draws = len(sides[0][0])
    found = np.full(draws, missing)
    left = np.arange(draws)
    for start in range(0, len(lengths), _PAIRS):
        a, b = (end[start : start + _PAIRS] for end in ends)
        hit = np.zeros((len(left), len(a)), np.bool_)
        for one, other in sides:
            hit |= one[np.ix_(left, a)] & other[np.ix_(left, b)]
        is_found = hit.any(axis=1)
        found[left[is_found]] = lengths[start + hit[is_found].argmax(axis=1)]
        left = left[~is_found]
        if not len(left):
            break
    return found
