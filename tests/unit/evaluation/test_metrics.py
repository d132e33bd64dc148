"""The figures of merit, against scikit-learn's and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.evaluation.metrics import Binary, BinaryTask, Choice, ChoiceTask, binary, choice

judge = pytest.importorskip("sklearn.metrics", reason="scikit-learn comes with the dev extra")

PROBABILITIES = st.one_of(st.sampled_from(np.linspace(0, 1, 9).tolist()), st.floats(0.0, 1.0))
"""Ties, and none."""
JUDGED = st.lists(st.tuples(st.booleans(), PROBABILITIES, st.integers(0, 4)), min_size=1, max_size=60)
"""Label, probability, and how often the row counts."""


def exactly(value: float | None) -> Any:
    return None if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)


def columns(rows: list[tuple[bool, float, int]]) -> tuple[Any, Any, Any]:
    truth, chance, times = zip(*rows, strict=True)
    return np.array(truth), np.array(chance), np.array(times, np.float64)


@given(JUDGED)
def test_binary_figures_are_scikit_learns_also_with_ties_and_weights(
    rows: list[tuple[bool, float, int]],
) -> None:
    truth, chance, times = columns(rows)
    called = chance >= 0.5
    weighed = {"sample_weight": times}
    yes, said = float(times[truth].sum()), float(times[called].sum())
    is_two_sided = 0 < yes < times.sum()
    bins = np.minimum((chance * 15).astype(int), 14)
    gaps = [abs((times * (chance - truth))[bins == number].sum()) for number in range(15)]

    assert BinaryTask(truth, chance).figures(times) == Binary(
        rows=times.sum(),
        positives=yes,
        precision=exactly(judge.precision_score(truth, called, **weighed)) if said else None,
        recall=exactly(judge.recall_score(truth, called, **weighed)) if yes else None,
        f1=exactly(judge.f1_score(truth, called, **weighed)) if yes else None,
        auroc=exactly(judge.roc_auc_score(truth, chance, **weighed)) if is_two_sided else None,
        auprc=exactly(judge.average_precision_score(truth, chance, **weighed)) if yes else None,
        ece=exactly(sum(gaps) / times.sum()) if times.sum() else None,
    )


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("abcd"), st.integers(0, 3)), min_size=1, max_size=40
    )
)
def test_macro_f1_is_scikit_learns_over_the_labels_that_occur(rows: list[tuple[str, str, int]]) -> None:
    truth, said, times = columns(rows)  # type: ignore[arg-type]  # columns of any kind
    occurs = sorted({label for label, _, count in rows if count})
    if not occurs:
        assert ChoiceTask(truth, said).figures(times) == Choice(0, 0, None, None)
        return
    weighed = {"sample_weight": times}
    macro = judge.f1_score(truth, said, labels=occurs, average="macro", zero_division=0, **weighed)
    accuracy = judge.accuracy_score(truth, said, **weighed)

    assert ChoiceTask(truth, said).figures(times) == Choice(
        times.sum(), len(occurs), exactly(accuracy), exactly(macro)
    )


def test_a_probability_of_one_half_says_yes() -> None:
    near_ece = exactly(0.05)
    assert binary([1, 0, 1, 0], [0.5, 0.5, 0.4, 0.4]) == Binary(4, 2, 0.5, 0.5, 0.5, 0.5, 0.5, near_ece)


def test_what_is_not_defined_is_none() -> None:
    assert binary([0, 0], [0.0, 0.0]) == Binary(2, 0, None, None, None, None, None, 0.0)
    assert binary([], []) == Binary(0, 0, None, None, None, None, None, None)
    assert choice([], []) == Choice(0, 0, None, None)


def test_calibration_error_is_the_gap_between_what_is_said_and_what_is_true_by_bin() -> None:
    # Bins of 1/15: {0.9, 0.91} says 0.905 and is 0.5; {0.1} and {1.0} stand alone.
    figures = binary([True, True, False, False], [0.91, 1.0, 0.9, 0.1])

    assert figures.ece == pytest.approx((abs(1.81 - 1) + 0.0 + 0.1) / 4)


def test_calibration_error_of_a_choice_is_that_of_the_chosen_label() -> None:
    figures = ChoiceTask(["a", "b", "b"], ["a", "b", "a"], [0.9, 0.9, 0.2]).figures()

    assert figures.ece == pytest.approx((abs(1.8 - 2) + 0.2) / 3)
