"""Every measure against scikit-learn, against numbers from outside, and by hand."""

from __future__ import annotations

from fractions import Fraction

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


def over_a_gap(value: float, rows: Floats, gap: float) -> object:
    """What is divided by, or is, a distance that is taken from inner products, by scikit-learn as here: |a|^2 - 2ab + |b|^2 is
    right to some float64 steps of the longest row's square, which are few digits of a gap that is nearly nothing.
    """
    return pytest.approx(
        value, rel=max(1e-9, 4 * np.finfo(float).eps * np.square(rows).sum(axis=1).max() / gap**2)
    )


def geometries(rows: Floats, safe: int) -> tuple[Geometry, Geometry]:
    return Gram.of(rows, safe), Rows(rows, safe)


def ones(rows: Floats) -> Floats:
    return np.ones((1, len(rows)))


def sides(rows: Floats, safe: int) -> tuple[Floats, Floats]:
    first = (np.arange(len(rows)) < safe).astype(np.float64)[None, :]
    return first, 1 - first


def davies_bouldin_by_hand(rows: Floats, safe: int) -> tuple[float, float]:
    """The index and the distance of the centroids, from differences alone: nothing cancels but what the rows themselves lack."""
    means = [part.mean(axis=0) for part in (rows[:safe], rows[safe:])]
    gap = float(np.linalg.norm(means[0] - means[1]))
    spread = sum(
        float(np.linalg.norm(part - mean, axis=1).mean())
        for part, mean in zip((rows[:safe], rows[safe:]), means, strict=True)
    )
    return spread / gap, gap


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
    by_hand, gap = davies_bouldin_by_hand(rows, safe)
    assert by_hand == over_a_gap(judge.davies_bouldin_score(rows, labels), rows, gap)
    for geometry in geometries(rows, safe):
        chi = scatters(geometry, ones(rows)).chi[0]
        assert chi == over_a_gap(judge.calinski_harabasz_score(rows, labels), rows, gap)
        assert by_rows(AuditMeasure.DBI, geometry, *sides(rows, safe))[0] == over_a_gap(by_hand, rows, gap)
    gram = Gram.of(rows, safe)
    assert by_rows(AuditMeasure.SILHOUETTE, gram, *sides(rows, safe))[0] == pytest.approx(
        judge.silhouette_score(rows, labels), rel=1e-9, abs=1e-9
    )
    nearest = min(float(np.linalg.norm(rows[:safe] - row, axis=1).min()) for row in rows[safe:])
    dunn = by_rows(AuditMeasure.DUNN, gram, *sides(rows, safe))[0]
    assert dunn == over_a_gap(dunn_by_hand(rows, labels), rows, nearest)


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
    gap = float(np.linalg.norm(means))
    assert scatter.xbi[0] == over_a_gap(within / (total * gap**2), rows, gap)
    assert scatter.xbi[0] * chi == over_a_gap((total - 2) * safe * unsafe / total**2, rows, gap)
    variance = within / (total - 2)
    j = (float(means @ means) - variance * (1 / safe + 1 / unsafe)) / variance
    assert scatter.j[0] == pytest.approx(j, rel=1e-9, abs=1e-9)
    assert chi == over_a_gap(1 + safe * unsafe / total * j, rows, gap)
    assert chi_of(scatter.j, safe, unsafe)[0] == over_a_gap(chi, rows, gap)
    assert xbi_of(scatter.j, safe, unsafe)[0] == over_a_gap(scatter.xbi[0], rows, gap)


def test_centroids_that_nearly_coincide_are_told_better_than_scikit_learn_does() -> None:
    chance = np.random.default_rng(645426)
    rows = chance.normal(chance.normal(size=1), 1, (22, 1))
    rows[11:] += chance.normal()
    values = [Fraction(float(value)) for value in rows[:, 0]]
    means = [sum(part) / Fraction(11) for part in (values[:11], values[11:])]
    gap = abs(means[0] - means[1])
    assert gap < 1e-5
    spread = sum(
        abs(value - mean)
        for part, mean in zip((values[:11], values[11:]), means, strict=True)
        for value in part
    )
    exact = float(spread / 11 / gap)
    gram, blocks = (
        by_rows(AuditMeasure.DBI, geometry, *sides(rows, 11))[0] for geometry in geometries(rows, 11)
    )
    assert blocks == exactly(exact)
    theirs = judge.davies_bouldin_score(rows, np.arange(22) >= 11)
    assert 100 * abs(gram - exact) < abs(theirs - exact)


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
