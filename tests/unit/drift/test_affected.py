"""e-BH: what is told, and how much of it is false, whatever the e-values depend on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.drift.affected import e_bh

Floats = NDArray[np.float64]
LOGS = st.lists(st.floats(-50.0, 50.0), min_size=1, max_size=60)


def _by_definition(log_e: Floats, rate: float) -> NDArray[np.bool_]:
    e = np.exp(log_e)
    most = max(
        (j for j in range(1, e.size + 1) if (e >= e.size / (rate * j) * (1 - 1e-12)).sum() >= j), default=0
    )
    return e >= e.size / (rate * most) * (1 - 1e-12) if most else np.zeros(e.size, bool)


@given(LOGS)
def test_it_tells_what_the_definition_tells(logs: list[float]) -> None:
    log_e = np.array(logs)

    assert e_bh(log_e).tolist() == _by_definition(log_e, 0.05).tolist()


@given(LOGS, st.floats(0.0, 20.0), st.integers(0, 59))
def test_more_evidence_never_tells_fewer(logs: list[float], more: float, place: int) -> None:
    log_e = np.array(logs)
    stronger = log_e.copy()
    stronger[place % log_e.size] += more

    assert np.all(e_bh(stronger) >= e_bh(log_e))


def test_no_evidence_tells_nobody() -> None:
    assert not e_bh(np.full(5, -np.inf)).any()
    assert e_bh(np.zeros(0)).size == 0


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        e_bh(np.array([1.0, np.nan]))


@pytest.mark.parametrize("dependence", [0.0, 0.9, 1.0, -1.0])
def test_false_discoveries_are_few_whatever_the_dependence(dependence: float) -> None:
    rng = np.random.default_rng(5)
    cells, shifted, runs, push = 40, 10, 4_000, 3.0
    common = rng.normal(size=(runs, 1))
    signs = np.where(np.arange(cells) % 2, -1.0, 1.0) if dependence < 0 else np.ones(cells)
    part = abs(dependence)
    noise = np.sqrt(part) * common * signs + np.sqrt(1.0 - part) * rng.normal(size=(runs, cells))
    x = noise + np.where(np.arange(cells) < shifted, push, 0.0)
    log_e = push * x - push * push / 2.0  # the likelihood ratio, whose mean is 1 where nothing shifted
    told = np.stack([e_bh(row) for row in log_e])
    false_share = told[:, shifted:].sum(axis=1) / np.maximum(told.sum(axis=1), 1)

    assert false_share.mean() <= 0.05
