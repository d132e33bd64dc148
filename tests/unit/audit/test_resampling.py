"""The fast draws are the slow ones: rows drawn again, scikit-learn asked again."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.audit.anchors import Anchors, Floats
from monitor.audit.estimates import by_rows, clustered_noise, estimates, p_values, scatters
from monitor.audit.geometry import Gram, Rows
from monitor.audit.measures import OF_PAIRS, USUAL, AuditMeasure
from monitor.audit.resampling import bootstrap_weights, permuted_labels
from tests.unit.audit.drawn import is_unsafe, matched, mixed, rows_of
from tests.unit.audit.test_measures import dunn_by_hand

judge = pytest.importorskip("sklearn.metrics", reason="scikit-learn comes with the dev extra")

EVERY = (*USUAL, *OF_PAIRS)


def by_class(weights: Floats, anchors: Anchors) -> tuple[Floats, Floats]:
    return weights * ~is_unsafe(anchors), weights * is_unsafe(anchors)


def test_a_draw_is_what_scikit_learn_says_of_the_drawn_rows() -> None:
    anchors = mixed()
    rows = rows_of(anchors, 7, shift=0.5)
    weights = bootstrap_weights(anchors, 25)
    gram, blocks = Gram.of(rows, anchors.safe), Rows(rows, anchors.safe)
    for place, times in enumerate(weights.astype(int)):
        drawn = np.repeat(np.arange(len(rows)), times)
        again, labels = rows[drawn], is_unsafe(anchors)[drawn]
        one = weights[place : place + 1]
        for geometry in (gram, blocks):
            assert scatters(geometry, one).chi[0] == pytest.approx(
                judge.calinski_harabasz_score(again, labels), rel=1e-9
            )
            assert by_rows(AuditMeasure.DBI, geometry, *by_class(one, anchors))[0] == pytest.approx(
                judge.davies_bouldin_score(again, labels), rel=1e-9
            )
        assert by_rows(AuditMeasure.SILHOUETTE, gram, *by_class(one, anchors))[0] == pytest.approx(
            judge.silhouette_score(again, labels), rel=1e-7
        )
        assert by_rows(AuditMeasure.DUNN, gram, *by_class(one, anchors))[0] == pytest.approx(
            dunn_by_hand(again, labels), rel=1e-7
        )


def test_whole_clusters_are_drawn_and_as_many_of_each_stratum_as_there_are() -> None:
    anchors = mixed()
    weights = bootstrap_weights(anchors, 50)
    clusters = len(anchors.strata)
    times = np.stack([weights[:, anchors.clusters == one].min(axis=1) for one in range(clusters)], axis=1)
    assert np.array_equal(times[:, anchors.clusters], weights)
    for stratum in range(3):
        members = anchors.strata == stratum
        assert (times[:, members].sum(axis=1) == members.sum()).all()


def test_matched_pairs_keep_the_sizes_of_the_classes() -> None:
    weights = bootstrap_weights(matched(64), 50)
    assert (weights[:, :64] == weights[:, 64:]).all()
    assert (weights[:, :64].sum(axis=1) == 64).all()


def test_draws_are_those_of_their_seed() -> None:
    anchors = mixed()
    for draw in (bootstrap_weights, permuted_labels):
        assert np.array_equal(draw(anchors, 5, seed=1), draw(anchors, 5, seed=1))
        assert not np.array_equal(draw(anchors, 5, seed=1), draw(anchors, 5, seed=2))


def test_labels_of_a_pair_swap_or_stay() -> None:
    labels = permuted_labels(matched(64), 400)
    assert (labels[:, :64] + labels[:, 64:] == 1).all()
    assert labels[:, :64].mean(axis=0) == pytest.approx(0.5, abs=0.11)


def test_labels_stay_within_mixed_clusters_and_whole_on_pure_ones() -> None:
    anchors = mixed()
    labels = permuted_labels(anchors, 60)
    truth = ~is_unsafe(anchors)
    pure = 0
    for cluster in range(len(anchors.strata)):
        members = anchors.clusters == cluster
        of_cluster = labels[:, members].sum(axis=1)
        if anchors.strata[cluster] == 0:
            assert (of_cluster == truth[members].sum()).all()
        else:
            assert np.isin(of_cluster, (0, members.sum())).all()
            pure += 1
    safe_clusters = sum(
        labels[:, anchors.clusters == cluster].mean(axis=1)
        for cluster in range(len(anchors.strata))
        if anchors.strata[cluster]
    )
    assert pure > 20
    assert (safe_clusters == (anchors.strata == 1).sum()).all()


def test_anchors_alone_permute_freely() -> None:
    ids = [str(n) for n in range(130)]
    anchors = Anchors.of(ids, ["safe"] * 65 + ["unsafe"] * 65)
    labels = permuted_labels(anchors, 500)
    assert (labels.sum(axis=1) == 65).all()
    assert labels.mean(axis=0) == pytest.approx(0.5, abs=0.1)


def test_a_permuted_p_value_is_the_rank_among_scikit_learns() -> None:
    anchors = matched(64)
    rows = rows_of(anchors, 5, shift=0.12)
    labels = permuted_labels(anchors, 99)
    found = p_values(Gram.of(rows, 64), anchors, labels, measures=EVERY)
    truth = ~is_unsafe(anchors)
    for measure, score, sign in (
        (AuditMeasure.CHI, judge.calinski_harabasz_score, 1),
        (AuditMeasure.DBI, judge.davies_bouldin_score, -1),
        (AuditMeasure.SILHOUETTE, judge.silhouette_score, 1),
    ):
        observed = sign * score(rows, truth)
        wanted = (1 + sum(sign * score(rows, one > 0) >= observed for one in labels)) / 100
        assert found[measure] == pytest.approx(wanted), measure
    assert (
        found[AuditMeasure.J]
        == found[AuditMeasure.XBI]
        == found[AuditMeasure.AQI_SECTION_3]
        == found[AuditMeasure.CHI]
    )


def test_draws_lie_around_the_value() -> None:
    anchors = matched(64)
    found = estimates(
        Gram.of(rows_of(anchors, 20, shift=0.2), 64), anchors, bootstrap_weights(anchors, 200), measures=EVERY
    )
    for measure in (
        AuditMeasure.J,
        AuditMeasure.J_CLUSTERED,
        AuditMeasure.CHI,
        AuditMeasure.DBI,
        AuditMeasure.DUNN,
        AuditMeasure.SILHOUETTE,
    ):
        assert found[measure].draws.mean() == pytest.approx(found[measure].value, rel=1e-9), measure
        low, high = found[measure].interval
        assert low < found[measure].value < high, measure


def test_the_noise_of_anchors_alone_is_that_of_two_means() -> None:
    ids = [str(n) for n in range(100)]
    anchors = Anchors.of(ids, ["safe"] * 40 + ["unsafe"] * 60, least=2)
    rows = rows_of(anchors, 9)
    wanted = sum(part.var(axis=0, ddof=1).sum() / len(part) for part in (rows[:40], rows[40:]))
    for geometry in (Gram.of(rows, 40), Rows(rows, 40)):
        assert clustered_noise(geometry, anchors) == pytest.approx(wanted, rel=1e-9)


def test_the_noise_of_pairs_is_that_of_their_differences() -> None:
    anchors = matched(70)
    rows = rows_of(anchors, 9)
    rows[70:] += 2 * rows[:70]
    wanted = (rows[:70] - rows[70:]).var(axis=0, ddof=1).sum() / 70
    for geometry in (Gram.of(rows, 70), Rows(rows, 70)):
        assert clustered_noise(geometry, anchors) == pytest.approx(wanted, rel=1e-9)


def test_the_noise_is_how_much_whole_clusters_vary() -> None:
    anchors = mixed()
    rows = rows_of(anchors, 4, shift=0.3) + np.random.default_rng(1).normal(size=(60, 4))[anchors.clusters]
    gram = Gram.of(rows, anchors.safe)
    drawn = scatters(gram, bootstrap_weights(anchors, 4000)).apart.mean()
    point = scatters(gram, np.ones((1, len(rows)))).apart[0]
    assert clustered_noise(gram, anchors) == pytest.approx(drawn - point, rel=0.12)
    assert clustered_noise(Rows(rows, anchors.safe), anchors) == pytest.approx(
        clustered_noise(gram, anchors), rel=1e-9
    )
