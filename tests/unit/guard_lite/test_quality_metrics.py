"""The benchmark's figures, against scikit-learn's and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.guard_quality.metrics import Binary, Choice, auroc, binary, choice, ece

judge = pytest.importorskip("sklearn.metrics", reason="scikit-learn comes with the dev extra")
judged = st.lists(st.tuples(st.booleans(), st.sampled_from(np.linspace(0, 1, 9).tolist())), min_size=1)


def near(value: float) -> Any:
    return pytest.approx(value)


@given(judged)
def test_auroc_is_scikit_learns_also_with_ties(pairs: list[tuple[bool, float]]) -> None:
    truth, chance = np.array([label for label, _ in pairs]), np.array([value for _, value in pairs])
    expected = judge.roc_auc_score(truth, chance) if 0 < truth.sum() < len(truth) else None
    assert auroc(truth, chance) == (None if expected is None else pytest.approx(expected))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=1))
def test_macro_f1_is_scikit_learns_over_the_labels_that_occur(pairs: list[tuple[str, str]]) -> None:
    truth, said = [true for true, _ in pairs], [label for _, label in pairs]
    macro = judge.f1_score(truth, said, labels=sorted(set(truth)), average="macro", zero_division=0)
    accuracy = judge.accuracy_score(truth, said)
    expected = Choice(len(pairs), len(set(truth)), near(accuracy), near(macro))
    assert choice(truth, said) == expected


def test_a_probability_of_one_half_says_yes() -> None:
    assert binary([1, 0, 1, 0], [0.5, 0.5, 0.4, 0.4]) == Binary(4, 2, 0.5, 0.5, 0.5, 0.5, near(0.05))


def test_what_is_not_defined_is_none() -> None:
    assert binary([0, 0], [0.0, 0.0]) == Binary(2, 0, None, None, None, None, 0.0)
    assert choice([], []) == Choice(0, 0, None, None)
    assert ece(np.zeros(0, np.bool_), np.zeros(0)) is None


def test_calibration_error_is_the_gap_between_what_is_said_and_what_is_true_by_bin() -> None:
    truth = np.array([True, True, False, False])
    # Bins of 1/15: {0.9, 0.91} says 0.905 and is 0.5; {0.1} and {1.0} stand alone.
    chance = np.array([0.91, 1.0, 0.9, 0.1])
    assert ece(truth, chance) == pytest.approx((abs(1.81 - 1) + 0.0 + 0.1) / 4)
