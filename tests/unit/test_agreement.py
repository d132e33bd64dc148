"""Agreement with labels, held against scikit-learn."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, f1_score, precision_score, recall_score  # type: ignore[import-untyped]  # scikit-learn has no types

from monitor.agreement import Agreement, Answers, compare

PAIRS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80)


def answers(refusal: bool | None) -> Answers:  # noqa: FBT001  # a value under test, no switch
    return Answers(refusal, prompt_harmful=None, response_harmful=None)


@given(PAIRS)
@pytest.mark.filterwarnings("ignore")
def test_every_figure_is_scikit_learns(pairs: list[tuple[bool, bool]]) -> None:
    labels, verdicts = [a for a, _ in pairs], [b for _, b in pairs]
    found = compare(
        "refusal",
        [(str(n), label) for n, label in enumerate(labels)],
        {str(n): answers(verdict) for n, verdict in enumerate(verdicts)},
    )
    expected = cohen_kappa_score(labels, verdicts, labels=[False, True])
    if found.kappa is None:
        assert math.isnan(expected)
    else:
        assert found.kappa == pytest.approx(expected)
    assert found.agreement == pytest.approx(sum(a == b for a, b in pairs) / len(pairs))
    for ours, theirs in (
        (found.f1, f1_score),
        (found.precision, precision_score),
        (found.recall, recall_score),
    ):
        assert (ours or 0.0) == pytest.approx(theirs(labels, verdicts, zero_division=0))


def test_what_is_missing_or_unanswered_is_counted_apart() -> None:
    found = compare(
        "refusal", [("a", True), ("b", True), ("c", False)], {"a": answers(True), "b": answers(None)}
    )
    assert found == Agreement("refusal", 1, 1, both_yes=1, label_only=0, verdict_only=0, both_no=0)
    assert (found.labelled, found.compared) == (3, 1)


def test_nothing_compared_has_no_figures() -> None:
    found = compare("refusal", [], {})
    assert (found.agreement, found.kappa, found.f1) == (None, None, None)
