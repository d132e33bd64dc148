"""What is taken for a set of anchors, and what is refused, with which word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monitor.audit.anchors import Anchors
from monitor.audit.faults import AuditFault
from monitor.errors import Rejected
from tests.unit.audit.drawn import matched, rows_of


def refused(call: Any, *given: Any, **named: Any) -> str:
    with pytest.raises(Rejected) as caught:
        call(*given, **named)
    return caught.value.reason


def test_anchors_have_one_order_however_they_come() -> None:
    ids, labels, clusters = list("dcba"), ["safe", "unsafe", "unsafe", "safe"], list("xxyy")
    first = Anchors.of(ids, labels, clusters, least=2)
    second = Anchors.of(ids[::-1], labels[::-1], clusters[::-1], least=2)
    assert first.ids == ("a", "d", "b", "c")
    assert first.same_as(second)
    rows = np.arange(8.0).reshape(4, 2)
    assert np.array_equal(first.vectors(rows), second.vectors(rows[::-1]))


def test_the_names_of_clusters_do_not_matter() -> None:
    ids, labels = list("abcd"), ["safe", "safe", "unsafe", "unsafe"]
    one = Anchors.of(ids, labels, ["p", "q", "p", "q"], least=2)
    assert one.same_as(Anchors.of(ids, labels, ["2", "1", "2", "1"], least=2))
    assert not one.same_as(Anchors.of(ids, labels, ["p", "q", "q", "p"], least=2))


@pytest.mark.parametrize(
    ("ids", "labels", "clusters", "fault"),
    [
        (["a", "b"], ["safe"], None, AuditFault.SHAPE),
        (["a", "b"], ["safe", "unsafe"], ["x"], AuditFault.SHAPE),
        (["a", "b"], ["safe", "Unsafe"], None, AuditFault.WRONG_LABEL),
        (["a", "b"], ["safe", "1"], None, AuditFault.WRONG_LABEL),
        (["a", "a"], ["safe", "unsafe"], None, AuditFault.DUPLICATE_ANCHORS),
        (["a", "b"], ["safe", "safe"], None, AuditFault.ONE_CLASS),
        (["a", "b"], ["unsafe", "unsafe"], None, AuditFault.ONE_CLASS),
        ([], [], None, AuditFault.ONE_CLASS),
        (["a", "b"], ["safe", "unsafe"], None, AuditFault.NOT_ENOUGH),
    ],
)
def test_what_is_no_set_of_anchors_is_refused(
    ids: list[str], labels: list[str], clusters: list[str] | None, fault: AuditFault
) -> None:
    assert refused(Anchors.of, ids, labels, clusters) == fault


def test_the_first_labels_may_all_be_safe() -> None:
    labels = ["safe"] * 64 + ["unsafe"] * 64
    assert Anchors.of([str(n) for n in range(128)], labels).safe == 64


def test_sixty_three_are_not_enough_and_sixty_four_are() -> None:
    assert refused(matched, 63) == AuditFault.NOT_ENOUGH
    assert matched(64).unsafe == 64


def test_many_rows_of_few_conversations_are_not_enough() -> None:
    ids = [str(n) for n in range(400)]
    labels = ["safe"] * 200 + ["unsafe"] * 200
    assert refused(Anchors.of, ids, labels, [str(n % 20) for n in range(400)]) == AuditFault.NOT_ENOUGH


def test_no_error_quotes_an_id_or_a_label() -> None:
    with pytest.raises(Rejected) as caught:
        Anchors.of(["my secret", "b"], ["safe", "my secret"])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_hidden_state_that_is_not_finite_is_refused(
    value: float, kind: type[np.float32 | np.float64]
) -> None:
    rows = rows_of(matched(64), 3).astype(kind)
    rows[5, 1] = value
    assert refused(matched(64).vectors, rows) == AuditFault.NOT_FINITE


def test_large_hidden_states_are_finite() -> None:
    rows = np.full((128, 3), 3e38, np.float32)
    rows[0] = 0.0
    rows[64:] /= 2
    assert np.isfinite(matched(64).vectors(rows)).all()


@pytest.mark.parametrize("shape", [(128,), (127, 3), (128, 0), (128, 3, 1)])
def test_vectors_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    assert refused(matched(64).vectors, np.zeros(shape)) == AuditFault.SHAPE


def test_constant_hidden_states_are_refused() -> None:
    assert refused(matched(64).vectors, np.ones((128, 3), np.float32)) == AuditFault.CONSTANT


def test_one_text_with_both_labels_is_refused_and_a_repeat_within_a_class_is_not() -> None:
    anchors, rows = matched(64), rows_of(matched(64), 3)
    rows[1] = rows[0]
    anchors.vectors(rows)
    rows[100] = rows[0]
    assert refused(anchors.vectors, rows) == AuditFault.BOTH_LABELS
