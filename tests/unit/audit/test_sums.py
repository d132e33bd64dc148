"""Sufficient statistics: exact against the batch after any history of adding, removing and merging."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.audit.anchors import Floats
from monitor.audit.estimates import scatters
from monitor.audit.faults import AuditFault
from monitor.audit.geometry import Gram
from monitor.audit.scatter import Scatter
from monitor.audit.sums import ClassSums, scatter_of
from monitor.errors import Rejected

HISTORIES = st.tuples(
    st.integers(1, 20),
    st.lists(st.tuples(st.integers(0, 1), st.integers(1, 30), st.booleans()), min_size=2, max_size=40),
    st.integers(0, 2**32 - 1),
)
"""Dimensions; class, rows and whether some leave again, of each step; seed."""


def batch(safe: Floats, unsafe: Floats) -> Scatter:
    rows = np.concatenate([safe, unsafe])
    return scatters(Gram.of(rows, len(safe)), np.ones((1, len(rows))))


def same(found: Scatter, wanted: Scatter) -> None:
    for name in ("j", "chi", "xbi", "within", "apart"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name)[0], rel=1e-9, abs=1e-9), name


@given(HISTORIES)
@settings(deadline=None, max_examples=80)
def test_any_history_of_adding_and_removing_gives_what_the_batch_gives(
    history: tuple[int, list[tuple[int, int, bool]], int],
) -> None:
    dimensions, steps, seed = history
    chance = np.random.default_rng(seed)
    shift = chance.normal(0, 1000, dimensions)
    kept: list[list[Floats]] = [[shift + chance.normal(size=(3, dimensions))] for _ in range(2)]
    sums = [ClassSums.empty(shift).plus(one[0]) for one in kept]
    for label, count, leaves in steps:
        rows = shift + chance.normal(label, 1, (count, dimensions))
        sums[label] = sums[label].plus(rows)
        kept[label].append(rows)
        if leaves:
            gone = kept[label].pop(int(chance.integers(len(kept[label]))))
            sums[label] = sums[label].minus(gone)
    if sums[0].n + sums[1].n < 3:
        with pytest.raises(Rejected, match=AuditFault.NOT_ENOUGH):
            scatter_of(*sums)
        return
    same(scatter_of(*sums), batch(*(np.concatenate(one) for one in kept)))


def test_two_thousand_replacements_leave_no_error_behind() -> None:
    chance = np.random.default_rng(1)
    shift = np.full(50, 1e4)
    window = shift + chance.normal(size=(2, 100, 50))
    sums = [ClassSums.empty(shift).plus(one) for one in window]
    for step in range(2000):
        label, place = step % 2, int(chance.integers(100))
        fresh = shift + chance.normal(size=50)
        sums[label] = sums[label].minus(window[label, place][None]).plus(fresh[None])
        window[label, place] = fresh
    same(scatter_of(*sums), batch(*window))


def test_large_means_are_safe_about_the_reference() -> None:
    chance = np.random.default_rng(2)
    safe, unsafe = chance.normal(size=(2, 200, 10)) + 1e6
    found = scatter_of(*(ClassSums.empty(np.full(10, 1e6)).plus(one) for one in (safe, unsafe)))
    assert found.j == pytest.approx(batch(safe - 1e6, unsafe - 1e6).j[0], rel=1e-9)


def test_merged_sums_are_those_of_all_rows() -> None:
    rows = np.random.default_rng(3).normal(size=(30, 4))
    shift = np.zeros(4)
    merged = ClassSums.empty(shift).plus(rows[:11]).merged(ClassSums.empty(shift).plus(rows[11:]))
    whole = ClassSums.empty(shift).plus(rows)
    assert merged.n == whole.n
    assert merged.total == pytest.approx(whole.total, rel=1e-12)
    assert merged.squares == pytest.approx(whole.squares, rel=1e-12)


def test_removing_all_leaves_exactly_nothing() -> None:
    rows = np.random.default_rng(4).normal(size=(30, 4))
    left = ClassSums.empty(np.zeros(4)).plus(rows).minus(rows)
    assert (left.n, left.squares) == (0, 0.0)
    assert not left.total.any()


def test_float32_rows_are_summed_in_float64() -> None:
    rows = np.random.default_rng(5).normal(size=(30, 4)).astype(np.float32)
    shift = np.zeros(4)
    assert (
        ClassSums.empty(shift).plus(rows).squares
        == ClassSums.empty(shift).plus(rows.astype(np.float64)).squares
    )


def test_bad_sums_are_refused() -> None:
    sums = ClassSums.empty(np.zeros(3)).plus(np.ones((2, 3)))
    with pytest.raises(Rejected, match=AuditFault.CHANGED_SHAPE):
        sums.plus(np.ones((2, 4)))
    with pytest.raises(Rejected, match=AuditFault.NOT_FINITE):
        sums.plus(np.full((1, 3), np.nan))
    with pytest.raises(Rejected, match=AuditFault.SHAPE):
        sums.minus(np.ones((3, 3)))
    other = ClassSums.empty(np.ones(3)).plus(np.ones((2, 3)))
    with pytest.raises(Rejected, match=AuditFault.CHANGED_SHAPE):
        sums.merged(other)
    with pytest.raises(Rejected, match=AuditFault.CHANGED_SHAPE):
        scatter_of(sums, other)
    with pytest.raises(Rejected, match=AuditFault.ONE_CLASS):
        scatter_of(sums, ClassSums.empty(np.zeros(3)))
    one = ClassSums.empty(np.zeros(3)).plus(np.ones((1, 3)))
    with pytest.raises(Rejected, match=AuditFault.NOT_ENOUGH):
        scatter_of(one, one)
