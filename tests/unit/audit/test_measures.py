"""Every measure against scikit-learn, against numbers from outside, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.audit.anchors import Anchors, Floats
from monitor.audit.estimates import by_rows, estimates, p_values, scatters
from monitor.audit.faults import AuditFault
from monitor.audit.geometry import Geometry, Gram, Rows, geometry_of
from monitor.audit.measures import OF_PAIRS, USUAL, AuditMeasure
from monitor.audit.resampling import bootstrap_weights, permuted_labels
from monitor.audit.scatter import Scatter, chi_of, xbi_of
from monitor.errors import Rejected
from tests.unit.audit.drawn import is_unsafe, matched, mixed, rows_of

judge = pytest.importorskip("sklearn.metrics", reason="scikit-learn comes with the dev extra")

EVERY = (*USUAL, *OF_PAIRS)
SETS = st.tuples(st.integers(2, 30), st.integers(2, 30), st.integers(1, 40), st.integers(0, 2**32 - 1))
"""Sizes of the classes, dimensions, seed."""


def exactly(value: float) -> object:
    return pytest.approx(value, rel=1e-9)


def geometries(rows: Floats, safe: int) -> tuple[Geometry, Geometry]:
    return Gram.of(rows, safe), Rows(rows, safe)


def ones(rows: Floats) -> Floats:
    return np.ones((1, len(rows)))


def sides(rows: Floats, safe: int) -> tuple[Floats, Floats]:
    first = (np.arange(len(rows)) < safe).astype(np.float64)[None, :]
    return first, 1 - first


def dunn_by_hand(rows: Floats, is_second: NDArray[np.bool_]) -> float:
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    across = np.not_equal.outer(is_second, is_second)
    return float(distances[across].min() / distances[~across].max())


def test_golden_numbers_of_three_points() -> None:
    rows = np.array([[0.0, 1.0], [1.0, 1.0], [3.0, 4.0]])
    for geometry in geometries(rows, 2):
        scatter = scatters(geometry, ones(rows))
        assert scatter.chi[0] == pytest.approx(20 + 1 / 3, rel=1e-9)
        assert scatter.xbi[0] == pytest.approx(0.010928962, abs=5e-10)
        assert by_rows(AuditMeasure.DBI, geometry, *sides(rows, 2))[0] == pytest.approx(
            0.128036880, abs=5e-10
        )


@given(SETS)
@settings(deadline=None, max_examples=60)
def test_measures_are_those_of_scikit_learn(drawn: tuple[int, int, int, int]) -> None:
    safe, unsafe, dimensions, seed = drawn
    chance = np.random.default_rng(seed)
    rows = chance.normal(chance.normal(size=dimensions), 1, (safe + unsafe, dimensions))
    rows[safe:] += chance.normal()
    labels = np.arange(len(rows)) >= safe
    for geometry in geometries(rows, safe):
        assert scatters(geometry, ones(rows)).chi[0] == exactly(judge.calinski_harabasz_score(rows, labels))
        assert by_rows(AuditMeasure.DBI, geometry, *sides(rows, safe))[0] == exactly(
            judge.davies_bouldin_score(rows, labels)
        )
    gram = Gram.of(rows, safe)
    assert by_rows(AuditMeasure.SILHOUETTE, gram, *sides(rows, safe))[0] == pytest.approx(
        judge.silhouette_score(rows, labels), rel=1e-9, abs=1e-9
    )
    assert by_rows(AuditMeasure.DUNN, gram, *sides(rows, safe))[0] == exactly(dunn_by_hand(rows, labels))


@given(SETS)
@settings(deadline=None, max_examples=60)
def test_chi_and_xbi_are_one_statistic_and_chi_follows_from_j(drawn: tuple[int, int, int, int]) -> None:
    safe, unsafe, dimensions, seed = drawn
    rows = np.random.default_rng(seed).normal(size=(safe + unsafe, dimensions))
    rows[safe:] += 0.5
    scatter = scatters(Gram.of(rows, safe), ones(rows))
    total = safe + unsafe
    labels = np.arange(total) >= safe
    chi = judge.calinski_harabasz_score(rows, labels)
    means = rows[:safe].mean(axis=0) - rows[safe:].mean(axis=0)
    within = sum(((part - part.mean(axis=0)) ** 2).sum() for part in (rows[:safe], rows[safe:]))
    assert scatter.xbi[0] == exactly(within / (total * float(means @ means)))
    assert scatter.xbi[0] * chi == exactly((total - 2) * safe * unsafe / total**2)
    variance = within / (total - 2)
    j = (float(means @ means) - variance * (1 / safe + 1 / unsafe)) / variance
    assert scatter.j[0] == pytest.approx(j, rel=1e-9, abs=1e-9)
    assert chi == exactly(1 + safe * unsafe / total * j)
    assert chi_of(scatter.j, safe, unsafe)[0] == exactly(chi)
    assert xbi_of(scatter.j, safe, unsafe)[0] == exactly(scatter.xbi[0])


def test_j_is_negative_where_the_centroids_are_closer_than_chance_has_them() -> None:
    anchors = matched(64)
    rows = rows_of(anchors, 8)
    rows[64:] -= rows[64:].mean(axis=0) - rows[:64].mean(axis=0)
    scatter = scatters(Gram.of(rows, 64), ones(rows))
    assert scatter.j[0] == pytest.approx(-2 / 64)
    assert scatter.chi[0] == pytest.approx(0.0, abs=1e-9)


def test_coincident_centroids_are_the_worst_and_not_the_best() -> None:
    rows = np.array([[0.0, 1.0], [0.0, -1.0], [1.0, 0.0], [-1.0, 0.0]])
    assert judge.davies_bouldin_score(rows, [0, 0, 1, 1]) == 0.0
    for geometry in geometries(rows, 2):
        assert by_rows(AuditMeasure.DBI, geometry, *sides(rows, 2))[0] == np.inf
        assert scatters(geometry, ones(rows)).xbi[0] == np.inf


def test_classes_without_scatter_are_wholly_apart() -> None:
    nothing = Scatter(*(np.array([value]) for value in (3.0, 2.0, 0.0, 4.0)))
    assert (nothing.j[0], nothing.chi[0], nothing.xbi[0]) == (np.inf, np.inf, 0.0)


def test_a_large_mean_costs_no_digits() -> None:
    anchors = matched(64)
    rows = rows_of(anchors, 10, shift=0.3)
    near, far = (scatters(Gram.of(rows + mean, 64), ones(rows)) for mean in (0.0, 1e6))
    assert far.j[0] == pytest.approx(near.j[0], rel=1e-8)
    blocks = scatters(Rows(rows + 1e6, 64), ones(rows))
    assert blocks.j[0] == pytest.approx(near.j[0], rel=1e-8)


def test_float32_rows_agree_with_float64_ones() -> None:
    anchors = matched(3000)
    rows = rows_of(anchors, 40, shift=0.1).astype(np.float32)
    weights = bootstrap_weights(anchors, 20)
    single, double = (scatters(Rows(one, anchors.safe), weights) for one in (rows, rows.astype(np.float64)))
    assert single.j == pytest.approx(double.j, rel=1e-4)
    assert single.within == pytest.approx(double.within, rel=1e-6)


def test_both_geometries_say_the_same_of_every_draw() -> None:
    anchors = mixed()
    rows = rows_of(anchors, 12, shift=0.4)
    weights, labels = bootstrap_weights(anchors, 30), permuted_labels(anchors, 30)
    gram, blocks = (
        (
            estimates(geometry, anchors, weights, chi_max=30.0),
            p_values(geometry, anchors, labels),
        )
        for geometry in geometries(rows, anchors.safe)
    )
    assert gram[1] == blocks[1]
    for measure in USUAL:
        assert gram[0][measure].value == exactly(blocks[0][measure].value)
        assert gram[0][measure].draws == pytest.approx(blocks[0][measure].draws, rel=1e-9)


def test_the_cheaper_geometry_is_taken() -> None:
    assert isinstance(geometry_of(np.ones((400, 4096), np.float32), 200, 2000), Gram)
    assert isinstance(geometry_of(np.ones((9000, 8), np.float32), 200, 200), Rows)


def test_measures_of_pairs_are_refused_on_too_many_rows() -> None:
    anchors = matched(64)
    with pytest.raises(Rejected, match=AuditFault.TOO_MANY_ROWS):
        estimates(
            Rows(rows_of(anchors, 3), 64),
            anchors,
            bootstrap_weights(anchors, 2),
            measures=(AuditMeasure.DUNN,),
        )
    with pytest.raises(Rejected, match=AuditFault.TOO_MANY_ROWS):
        Gram.of(np.ones((8193, 1)), 4000)


def test_classes_of_one_vector_each_are_refused() -> None:
    anchors = matched(64)
    rows = np.repeat([[0.0], [1.0]], 64, axis=0)
    with pytest.raises(Rejected, match=AuditFault.CONSTANT):
        estimates(Gram.of(rows, 64), anchors, bootstrap_weights(anchors, 2))


def test_every_measure_says_which_way_is_up() -> None:
    anchors = matched(64)
    near, far = (
        estimates(
            Gram.of(rows_of(anchors, 6, shift=shift), 64),
            anchors,
            bootstrap_weights(anchors, 2),
            measures=EVERY,
            chi_max=100.0,
        )
        for shift in (0.2, 0.8)
    )
    assert set(near) == set(AuditMeasure) - {AuditMeasure.AQI_RELEASED}
    for measure in near:
        assert (far[measure].value > near[measure].value) == measure.is_rising, measure
        assert measure.meaning


def test_appendix_b_is_left_out_without_a_pool() -> None:
    anchors: Anchors = matched(64)
    found = estimates(Gram.of(rows_of(anchors, 3), 64), anchors, bootstrap_weights(anchors, 2))
    assert AuditMeasure.AQI_APPENDIX_B not in found
    assert is_unsafe(anchors).sum() == 64
