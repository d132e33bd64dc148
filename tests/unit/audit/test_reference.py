"""The frozen reference: what it does to the scale, how it is kept."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.audit.anchors import Matrix
from monitor.audit.estimates import scatters
from monitor.audit.faults import AuditFault
from monitor.audit.geometry import Gram
from monitor.audit.reference import Reference
from monitor.errors import Misconfigured, Rejected

judge = pytest.importorskip("sklearn.preprocessing", reason="scikit-learn comes with the dev extra")


def rows_of(
    seed: int = 0, n: int = 300, dimensions: int = 5
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).normal(3, [1, 2, 5, 0.1, 100], (n, dimensions))


def test_a_reference_standardises_as_scikit_learn_does() -> None:
    rows, other = rows_of(), rows_of(1)
    wanted = judge.StandardScaler().fit(rows)
    assert Reference.fit(rows).standardised(other) == pytest.approx(
        wanted.transform(other), rel=1e-9, abs=1e-12
    )


def test_the_scale_of_a_dimension_is_taken_away() -> None:
    rows = rows_of()
    rows[150:] += [0.5, 0, 0, 0, 0]
    stretched = rows * [10, 1, 1, 1, 1]
    ones = np.ones((1, 300))

    def chi(of: object) -> float:
        return float(scatters(Gram.of(np.asarray(of), 150), ones).chi[0])

    assert chi(stretched) != pytest.approx(chi(rows), rel=0.5)
    one, other = (Reference.fit(each).standardised(each) for each in (rows, stretched))
    assert chi(other) == pytest.approx(chi(one), rel=1e-9)


def test_a_constant_dimension_is_left_out() -> None:
    double = rows_of()
    double[:, 2] = 1234.5678
    both: tuple[Matrix, Matrix] = (double, double.astype(np.float32))
    for rows in both:
        reference = Reference.fit(rows)
        assert reference.constant == 1
        later: Matrix = 2 * rows
        assert not reference.standardised(later)[:, 2].any()
        assert reference.standardised(later).dtype == rows.dtype


def test_a_reference_survives_being_stored() -> None:
    reference = Reference.fit(rows_of())
    again = Reference.from_bytes(reference.to_bytes())
    assert again.rows == reference.rows
    assert np.array_equal(again.mean, reference.mean)
    assert np.array_equal(again.scale, reference.scale)
    assert again.digest == reference.digest != Reference.fit(rows_of(1)).digest


def test_a_damaged_reference_says_what_to_do() -> None:
    stored = Reference.fit(rows_of()).to_bytes()
    for damaged in (b"", b"nothing", stored[:-3], stored[:-8] + b"\xff" * 8):
        with pytest.raises(Misconfigured, match="Fit the reference again"):
            Reference.from_bytes(damaged)


def test_what_can_be_no_reference_is_refused() -> None:
    for rows, fault in (
        (np.ones((1, 3)), AuditFault.SHAPE),
        (np.ones(3), AuditFault.SHAPE),
        (np.ones((5, 3)), AuditFault.CONSTANT),
        (np.full((5, 3), np.nan), AuditFault.NOT_FINITE),
    ):
        with pytest.raises(Rejected, match=fault):
            Reference.fit(rows)
    with pytest.raises(Rejected, match=AuditFault.CHANGED_SHAPE):
        Reference.fit(rows_of()).standardised(np.ones((2, 6)))
