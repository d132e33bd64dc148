"""Pooling of layers: h~ = sum_l alpha_l h_l, alpha >= 0, sum alpha = 1 (arXiv 2506.13901, section 3 and appendix C).

`layers` are [L, N, d], in canonical order, each standardised on its own reference: else the layers with large norms, the last ones, are
all that is pooled. Values of the single layers are kept beside any pooling: a drop that one layer shows is the early warning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.audit.anchors import Anchors, Floats, Matrix, Places
from monitor.audit.estimates import Estimate, rank, relabelled, scatters
from monitor.audit.faults import AuditFault, rejected
from monitor.audit.geometry import geometry_of
from monitor.audit.resampling import SEED
from monitor.audit.sparsemax import sparsemax
from monitor.meaning import Word

FOLDS: Final = 5
PAIRS: Final = 1024
"""Pairs that the hinge is averaged over, where anchors are not matched."""
STEPS: Final = 500
MARGIN_QUANTILE: Final = 0.9
_LEAST_FOLD: Final = 2


class Pooling(Word):
    """How the layers are made one, with its meaning."""

    UNIFORM = "uniform", "All layers alike. Needs no labels: nothing to be optimistic about."
    LEARNED = "learned", "Sparse weights that push safe and unsafe apart by section 3's hinge, cross-fitted."
    COSINE = "cosine", "Sparse weights an example, by its cosine to a reference (appendix C)."


@dataclass(frozen=True, slots=True, eq=False)
class CrossFitted:
    """J of learned pooling, each fold by weights that never saw it. `weights` [K, L] of the folds, `in_sample` what those learned and
    measured on the same anchors would have claimed, `estimate` the mean over the folds (J is free of size, so folds average), `p` its
    permutation p-value.

    The draws take the weights as they are: they don't hold the doubt about which layers to pool.
    """

    estimate: Estimate
    weights: Floats
    in_sample: float
    p: float


def pooled(layers: Matrix, weights: Floats) -> Matrix:
    """[N, d] of `layers` [L, N, d] by `weights` [L], or [N, L] for each row its own."""
    check_layers(layers)
    weights = weights.astype(layers.dtype)
    total = np.zeros(layers.shape[1:], layers.dtype)
    for place, layer in enumerate(layers):
        total += weights[..., place, None] * layer
    return total


def uniform(layers: Matrix) -> Matrix:
    """The mean of `layers` [L, N, d]."""
    return pooled(layers, np.full(len(layers), 1 / max(len(layers), 1)))


def cosine_weights(layers: Matrix, reference: Floats) -> Floats:
    """Sparsemax over the layers of each row's cosine to `reference` [L, d], [N, L].

    No labels are used as long as the reference is frozen and not one class of these anchors. Raises Rejected for other
    shapes and for a reference or a row without length.
    """
    check_layers(layers)
    if reference.shape != (len(layers), layers.shape[2]):
        raise rejected(
            AuditFault.CHANGED_SHAPE,
            f"a reference of shape {reference.shape} for {len(layers)} layers of {layers.shape[2]}",
        )
    lengths = np.linalg.norm(layers, axis=2).astype(np.float64)
    of_reference = np.linalg.norm(reference, axis=1)
    if not (lengths.all() and of_reference.all()):
        raise rejected(
            AuditFault.CONSTANT, "a row or the reference has no length in a layer: it has no cosine"
        )
    products = np.stack(
        [layer @ one for layer, one in zip(layers, reference.astype(layers.dtype), strict=True)]
    )
    return sparsemax((products / lengths / of_reference[:, None]).T.astype(np.float64))


def learned_weights(
    layers: Matrix, pairs: NDArray[np.intp], *, margin: float | None = None, steps: int = STEPS
) -> Floats:
    """Weights [L] with the least mean of max(0, M - |h~_safe - h~_unsafe|) over `pairs` [P, 2] of rows; the model is frozen.

    |sum_l alpha_l D_l|^2 = alpha' K alpha with K_lm = D_l D_m, so that a step costs L^2 a pair, whatever d. Projected gradient from the
    uniform weights and from the best single layer; the projection is sparsemax. The norm is convex in alpha, so where the margin
    is out of reach the best weights are one layer; it is the margin that mixes. Without `margin`, the widest tenth of the pairs under
    uniform weights sets it (the paper names no value).
    """
    check_layers(layers)
    products = _pair_products(layers, pairs)
    count = len(layers)
    start = np.full(count, 1 / count)
    if margin is None:
        margin = float(np.quantile(_norms(products, start), MARGIN_QUANTILE))
    if margin <= 0:
        raise rejected(AuditFault.CONSTANT, "safe and unsafe anchors are the same in every layer")

    def loss(weights: Floats) -> float:
        return float(np.maximum(0.0, margin - _norms(products, weights)).mean())

    singles = np.eye(count)
    starts = [start, min(singles, key=loss)]
    return min((_descended(products, one, margin, steps) for one in starts), key=loss)


def matched_pairs(anchors: Anchors, rows: Places, *, seed: int = SEED) -> NDArray[np.intp]:
    """Pairs [P, 2] of a safe and an unsafe row among `rows` (places in canonical order): those of the same cluster, or, where
    none is matched, all of each with each, or PAIRS at random where those are more.
    """
    safe, unsafe = rows[rows < anchors.safe], rows[rows >= anchors.safe]
    by_cluster: dict[int, list[int]] = {}
    for row in unsafe:
        by_cluster.setdefault(int(anchors.clusters[row]), []).append(int(row))
    found = [(int(row), other) for row in safe for other in by_cluster.get(int(anchors.clusters[row]), ())]
    if found:
        return np.array(found, np.intp)
    if len(safe) * len(unsafe) <= PAIRS:
        return np.stack([np.repeat(safe, len(unsafe)), np.tile(unsafe, len(safe))], axis=1)
    chance = np.random.default_rng(seed)
    drawn: NDArray[np.intp] = np.stack([chance.choice(safe, PAIRS), chance.choice(unsafe, PAIRS)], axis=1)
    return drawn


def folds_of(anchors: Anchors, *, folds: int = FOLDS, seed: int = SEED) -> Places:
    """The fold of each anchor, [N]: whole clusters, each stratum spread over all folds."""
    chance = np.random.default_rng(seed)
    of_cluster = np.zeros(len(anchors.strata), np.intp)
    for stratum in np.unique(anchors.strata):
        members = np.flatnonzero(anchors.strata == stratum)
        of_cluster[members] = chance.permutation(len(members)) % folds
    return of_cluster[anchors.clusters]


def cross_fitted(
    layers: Matrix,
    anchors: Anchors,
    draws: Floats,
    labels: Floats,
    *,
    folds: int = FOLDS,
    margin: float | None = None,
    seed: int = SEED,
) -> CrossFitted:
    """Learned pooling, each fold of anchors measured with weights learned on the others. `draws`: bootstrap weights [R, N],
    `labels`: permuted labels [P, N]; a fold's weights never saw its labels, so that they may be permuted.

    Raises Rejected where a fold would lack a class.
    """
    check_layers(layers)
    fold = folds_of(anchors, folds=folds, seed=seed)
    every = np.arange(len(anchors.ids))
    values, drawn, permuted, weights = [], [], [], []
    true = np.where(every < anchors.safe, 1.0, 0.0)[None, :]
    for number in range(folds):
        held = every[fold == number]
        safe = int((held < anchors.safe).sum())
        if min(safe, len(held) - safe) < _LEAST_FOLD:
            raise rejected(
                AuditFault.NOT_ENOUGH,
                f"a fold has {safe} safe and {len(held) - safe} unsafe anchors: ask for fewer than {folds}",
            )
        alpha = learned_weights(
            layers, matched_pairs(anchors, every[fold != number], seed=seed), margin=margin
        )
        weights.append(alpha)
        geometry = geometry_of(pooled(layers[:, held], alpha), safe, len(draws))
        values.append(float(scatters(geometry, np.ones((1, len(held)))).j[0]))
        j = scatters(geometry, draws[:, held]).j
        drawn.append(j - j.mean())
        permuted.append(relabelled(geometry, np.concatenate([true, labels])[:, held]).j)
    value = float(np.mean(values))
    alpha = learned_weights(layers, matched_pairs(anchors, every, seed=seed), margin=margin)
    whole = geometry_of(pooled(layers, alpha), anchors.safe, 1)
    in_sample = float(scatters(whole, np.ones((1, len(every)))).j[0])
    return CrossFitted(
        Estimate(value, value + np.mean(drawn, axis=0)),
        np.stack(weights),
        in_sample,
        rank(np.mean(permuted, axis=0), is_rising=True),
    )


def check_layers(layers: Matrix) -> None:
    """Raises Rejected for what isn't [L, N, d] with something in it."""
    if layers.ndim != 3 or not layers.size:
        raise rejected(
            AuditFault.SHAPE, f"layers of shape {layers.shape}: give [layers, anchors, dimensions]"
        )


def _pair_products(layers: Matrix, pairs: NDArray[np.intp], block: int = 64) -> Floats:
    """K [P, L, L] of each pair: inner products of the layers' differences."""
    products = np.empty((len(pairs), len(layers), len(layers)))
    for start in range(0, len(pairs), block):
        part = pairs[start : start + block]
        differences = (layers[:, part[:, 0]] - layers[:, part[:, 1]]).transpose(1, 0, 2)
        products[start : start + block] = differences @ differences.transpose(0, 2, 1)
    return products


def _norms(products: Floats, weights: Floats) -> Floats:
    norms: Floats = np.sqrt(
        np.maximum(np.einsum("l,plm,m->p", weights, products, weights, optimize=True), 0.0)
    )
    return norms


def _descended(products: Floats, start: Floats, margin: float, steps: int) -> Floats:
    """Projected gradient with a step that halves when it doesn't help."""
    weights, step = start, 1.0

    def look(at: Floats) -> tuple[float, Floats]:
        towards = products @ at
        norms = np.sqrt(np.maximum(towards @ at, 0.0))
        short = margin - norms
        pull = np.where((short > 0) & (norms > 0), 1 / np.maximum(norms, 1e-300), 0.0)
        return float(np.maximum(short, 0.0).mean()), -(pull @ towards) / len(products)

    value, gradient = look(weights)
    for _ in range(steps):
        trial = sparsemax(weights - step * gradient / max(float(np.linalg.norm(gradient)), 1e-12))
        trial_value, trial_gradient = look(trial)
        if trial_value < value:
            weights, value, gradient = trial, trial_value, trial_gradient
            step *= 1.5
        else:
            step /= 2
            if step < 1e-6:
                break
    return weights
