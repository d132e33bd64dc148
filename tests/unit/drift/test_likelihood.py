"""Laplace's approximation against the integral done by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import betaln, logsumexp  # type: ignore[import-untyped]  # scipy carries no types

from monitor.drift.likelihood import Counts, sigmoid, softplus

Floats = NDArray[np.float64]
SHIFTS = np.array([-2.0, -0.5, 0.3, 1.0, 2.0])
CHANGES = np.array([0, 4, 8, 11])


def _by_quadrature(
    k: Floats, n: Floats, offset: Floats, *, a: float, b: float, change: int, shift: float
) -> float:
    level = np.linspace(-18.0, 8.0, 20_001)
    log_f = a * level - (a + b) * np.logaddexp(0.0, level)
    for place, (positives, events, season) in enumerate(zip(k, n, offset, strict=True)):
        x = level + season + (shift if place >= change else 0.0)
        log_f = log_f + positives * x - events * np.logaddexp(0.0, x)
    return float(logsumexp(log_f))


@pytest.mark.parametrize("season", [0.0, 0.7])
@pytest.mark.parametrize(
    ("rate", "reference"), [(0.001, 2_000), (0.01, 2_000), (0.05, 2_000), (0.2, 20_000), (0.97, 2_000)]
)
def test_log_bayes_factors_are_those_of_quadrature(rate: float, reference: int, season: float) -> None:
    rng = np.random.default_rng(11)
    n = rng.integers(5, 80, 12) * (20.0 if rate < 0.005 else 1.0)
    offset = season * np.sin(np.arange(12.0))
    level = np.log(rate / (1.0 - rate)) + offset + np.where(np.arange(12) >= 8, 1.0, 0.0)
    k = rng.binomial(n.astype(int), sigmoid(level)).astype(float)
    a = rng.binomial(reference, rate) + 0.5
    b = reference - a + 1.0

    counts = Counts(k[:, None], n[:, None], offset[:, None], a=np.array([a]), b=np.array([b]), phi=np.ones(1))
    ours = counts.surface(CHANGES, SHIFTS).log_bayes[:, 0]

    nothing = _by_quadrature(k, n, offset, a=a, b=b, change=12, shift=0.0)
    golden = np.array(
        [
            [_by_quadrature(k, n, offset, a=a, b=b, change=c, shift=s) - nothing for s in SHIFTS]
            for c in CHANGES
        ]
    )
    probable = golden > golden.max() - 10.0
    assert ours[probable] == pytest.approx(golden[probable], abs=0.05)


def test_without_a_shift_the_evidence_is_none() -> None:
    k, n = np.array([[3.0], [0.0], [5.0]]), np.array([[10.0], [0.0], [5.0]])
    counts = Counts(k, n, np.zeros((3, 1)), a=np.array([2.0]), b=np.array([9.0]), phi=np.ones(1))

    assert counts.surface(np.arange(3), np.zeros(1)).log_bayes == pytest.approx(np.zeros((3, 1, 1)), abs=1e-9)


def test_tempered_counts_count_as_so_many_fewer() -> None:
    k, n, zero = np.array([[4.0], [9.0]]), np.array([[40.0], [30.0]]), np.zeros((2, 1))
    tempered = Counts(k, n, zero, a=np.array([6.0]), b=np.array([60.0]), phi=np.array([3.0]))
    fewer = Counts(k / 3, n / 3, zero, a=np.array([2.0]), b=np.array([20.0]), phi=np.ones(1))

    for mine, golden in zip(
        (tempered.surface(np.arange(2), SHIFTS).log_bayes,),
        (fewer.surface(np.arange(2), SHIFTS).log_bayes,),
        strict=True,
    ):
        assert mine == pytest.approx(golden, abs=1e-12)


def test_the_complement_says_the_same_of_the_opposite_shift() -> None:
    rng = np.random.default_rng(2)
    n = rng.integers(1, 50, (9, 2)).astype(float)
    k = rng.binomial(n.astype(int), 0.3).astype(float)
    offset = np.repeat(rng.normal(0.0, 0.3, (3, 2)), 3, axis=0)
    a, b = np.array([12.0, 30.0]), np.array([28.0, 70.0])
    one = Counts(k, n, offset, a=a, b=b, phi=np.ones(2)).surface(np.arange(9), SHIFTS)
    other = Counts(n - k, n, -offset, a=b, b=a, phi=np.ones(2)).surface(np.arange(9), -SHIFTS)

    assert one.log_bayes == pytest.approx(other.log_bayes, abs=1e-9)


def test_a_baseline_is_a_beta_distribution_by_closed_form() -> None:
    # A shift of the whole of the counts by nothing else than counts: with k of n and a shift so far up that all are positive,
    # the marginal likelihood before it is the beta-binomial's.
    a, b, k, n = 5.0, 45.0, 7.0, 60.0
    counts = Counts(
        np.array([[k], [10.0]]),
        np.array([[n], [10.0]]),
        np.zeros((2, 1)),
        a=np.array([a]),
        b=np.array([b]),
        phi=np.ones(1),
    )
    ours = counts.surface(np.array([1]), np.array([30.0])).log_bayes[0, 0, 0]
    golden = betaln(a + k, b + n - k) - betaln(a + k + 10.0, b + n - k)

    assert ours == pytest.approx(golden, abs=0.02)


def test_the_logistic_functions_are_finite_far_out() -> None:
    x = np.array([-800.0, -30.0, 0.0, 30.0, 800.0])

    assert sigmoid(x) == pytest.approx([0.0, 9.3576e-14, 0.5, 1.0, 1.0], rel=1e-4, abs=1e-300)
    assert softplus(x) == pytest.approx([0.0, 9.3576e-14, np.log(2.0), 30.0, 800.0], rel=1e-4)
