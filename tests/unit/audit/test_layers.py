"""Pooling of layers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitor.audit.anchors import Anchors, Floats
from monitor.audit.faults import AuditFault
from monitor.audit.layers import (
    cosine_weights,
    cross_fitted,
    folds_of,
    learned_weights,
    matched_pairs,
    pooled,
    uniform,
)
from monitor.audit.resampling import bootstrap_weights, permuted_labels
from monitor.audit.sparsemax import sparsemax
from monitor.errors import Rejected
from tests.unit.audit.drawn import matched, mixed, rows_of


def layers_of(anchors: Anchors, shifts: tuple[float, ...], dimensions: int = 16) -> Floats:
    return np.stack(
        [rows_of(anchors, dimensions, shift=shift, seed=seed) for seed, shift in enumerate(shifts)]
    )


@given(arrays(np.float64, st.integers(1, 12), elements=st.floats(-50, 50)), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_sparsemax_is_the_nearest_point_of_the_simplex(scores: Floats, seed: int) -> None:
    weights = sparsemax(scores)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1.0)
    others = np.random.default_rng(seed).dirichlet(np.ones(len(scores)) * 0.3, 50)
    nearest = np.sum((weights - scores) ** 2)
    assert (((others - scores) ** 2).sum(axis=1) >= nearest * (1 - 1e-9) - 1e-9).all()
    assert sparsemax(scores + 3.0) == pytest.approx(weights, abs=1e-9)


def test_sparsemax_is_sparse_and_takes_rows() -> None:
    scores = np.array([[0.1, 1.2, 0.2], [0.5, 0.5, 0.5]])
    assert sparsemax(scores) == pytest.approx(np.array([[0.0, 1.0, 0.0], [1 / 3, 1 / 3, 1 / 3]]))


def test_pooling_is_the_weighted_sum() -> None:
    layers = layers_of(matched(64), (0, 0, 0), 4)
    weights = np.array([0.2, 0.3, 0.5])
    assert pooled(layers, weights) == pytest.approx(np.tensordot(weights, layers, 1))
    assert uniform(layers) == pytest.approx(layers.mean(axis=0))
    by_row = np.random.default_rng(0).dirichlet(np.ones(3), layers.shape[1])
    assert pooled(layers, by_row) == pytest.approx(np.einsum("nl,lnd->nd", by_row, layers))
    assert pooled(layers.astype(np.float32), weights).dtype == np.float32


def test_weights_of_an_example_follow_its_cosine_to_the_reference() -> None:
    chance = np.random.default_rng(0)
    layers, reference = chance.normal(size=(4, 10, 6)), chance.normal(size=(4, 6))
    found = cosine_weights(layers, reference)
    for row in range(10):
        cosines = [
            layers[layer, row]
            @ reference[layer]
            / np.linalg.norm(layers[layer, row])
            / np.linalg.norm(reference[layer])
            for layer in range(4)
        ]
        assert found[row] == pytest.approx(sparsemax(np.array(cosines)))
    assert cosine_weights(layers * np.arange(1.0, 11)[:, None], reference) == pytest.approx(found)


def test_a_cosine_needs_lengths_and_shapes() -> None:
    layers, reference = np.ones((2, 3, 4)), np.ones((2, 4))
    with pytest.raises(Rejected, match=AuditFault.CONSTANT):
        cosine_weights(layers, reference * [[1], [0]])
    with pytest.raises(Rejected, match=AuditFault.CONSTANT):
        cosine_weights(layers * [[[1], [0], [1]]], reference)
    with pytest.raises(Rejected, match=AuditFault.CHANGED_SHAPE):
        cosine_weights(layers, np.ones((2, 5)))


def test_learned_weights_have_the_least_hinge() -> None:
    anchors = matched(64)
    layers = layers_of(anchors, (0.0, 0.4, 0.8))
    pairs = matched_pairs(anchors, np.arange(128))
    margin = 4.0

    def hinge(weights: Floats) -> float:
        states = pooled(layers, weights)
        lengths = np.linalg.norm(states[pairs[:, 0]] - states[pairs[:, 1]], axis=1)
        return float(np.maximum(0, margin - lengths).mean())

    found = learned_weights(layers, pairs, margin=margin)
    assert found.sum() == pytest.approx(1.0)
    others = np.random.default_rng(0).dirichlet(np.ones(3), 500)
    assert hinge(found) <= min(hinge(one) for one in others) + 1e-3


def test_learned_weights_find_the_layer_that_tells_them_apart() -> None:
    anchors = matched(100)
    layers = layers_of(anchors, (0.0, 0.0, 2.0, 0.0))
    found = learned_weights(layers, matched_pairs(anchors, np.arange(200)))
    assert found.argmax() == 2
    assert found[2] > 0.6


def test_pairs_are_the_matched_ones_or_drawn() -> None:
    anchors = matched(64)
    pairs = matched_pairs(anchors, np.array([0, 1, 2, 64, 66]))
    assert pairs.tolist() == [[0, 64], [2, 66]]
    alone = Anchors.of([str(n) for n in range(128)], ["safe"] * 64 + ["unsafe"] * 64)
    drawn = matched_pairs(alone, np.arange(10, 100))
    assert drawn[:, 0].max() < 64 <= drawn[:, 1].min()


def test_no_cluster_is_in_two_folds() -> None:
    anchors = mixed()
    fold = folds_of(anchors)
    for cluster in range(len(anchors.strata)):
        assert len(set(fold[anchors.clusters == cluster])) == 1
    assert np.bincount(folds_of(matched(100))).tolist() == [40] * 5


def test_cross_fitting_is_not_optimistic_where_learning_is() -> None:
    anchors = Anchors.of([f"{n:03d}" for n in range(40)], ["safe"] * 20 + ["unsafe"] * 20, least=2)
    values, claimed = [], []
    for seed in range(20):
        layers = np.random.default_rng(seed).normal(size=(20, 40, 1))
        # standardised on the anchors themselves, as a first audit is: a pair's distance then grows with D^2
        layers = (layers - layers.mean(axis=1, keepdims=True)) / layers.std(axis=1, keepdims=True)
        found = cross_fitted(layers, anchors, np.ones((2, 40)), np.ones((0, 40)), margin=10.0, seed=seed)
        values.append(found.estimate.value)
        claimed.append(found.in_sample)
    error = np.std(values) / np.sqrt(20)
    assert np.mean(values) == pytest.approx(0.0, abs=3 * error)
    assert np.mean(claimed) > 3 * np.std(claimed) / np.sqrt(20)


def test_cross_fitting_keeps_what_is_there() -> None:
    anchors = matched(100)
    layers = layers_of(anchors, (0.0, 0.0, 0.7))
    found = cross_fitted(layers, anchors, bootstrap_weights(anchors, 200), permuted_labels(anchors, 200))
    low, high = found.estimate.interval
    assert low < 0.49 < high
    assert found.p == pytest.approx(1 / 201)
    assert found.weights.shape == (5, 3)
    assert found.weights.sum(axis=1) == pytest.approx(1.0)


def test_layers_of_no_shape_are_refused() -> None:
    anchors = matched(64)
    for layers in (np.ones((128, 3)), np.ones((0, 128, 3))):
        for call in (
            uniform,
            lambda given: cross_fitted(given, anchors, np.ones((2, 128)), np.ones((0, 128))),
        ):
            with pytest.raises(Rejected, match=AuditFault.SHAPE):
                call(layers)
    with pytest.raises(Rejected, match=AuditFault.CONSTANT):
        learned_weights(np.ones((2, 128, 3)), np.array([[0, 64]]))
    few = mixed()
    with pytest.raises(Rejected, match=AuditFault.NOT_ENOUGH):
        cross_fitted(
            layers_of(few, (0.0, 0.1)), few, np.ones((2, len(few.ids))), np.ones((0, len(few.ids))), folds=50
        )
