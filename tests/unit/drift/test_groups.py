"""A group's likelihood ratio: one shift of all members, or of a part of them."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.drift.detector import ODDS
from monitor.drift.groups import SOME, Groups, keys_of, levels_of
from monitor.drift.measures import Measure
from monitor.drift.streams import StreamKey, Streams


def _two() -> tuple[Groups, Streams]:
    groups, streams = Groups(), Streams()
    for category in "xyz":
        key = StreamKey(Measure.REFUSAL, "cell", "a", "m", category, ("g", "1", "h", 1))
        groups.join(streams.add(key), key)
    streams.is_armed[:3] = True
    groups.rows.is_active[: groups.rows.size] = groups.says_something(streams)
    return groups, streams


def test_a_groups_ratio_is_the_product_of_its_members() -> None:
    groups, _ = _two()
    log_l = np.random.default_rng(1).normal(size=(2, ODDS.size))
    rows, together, variance = groups.log_ratios(np.array([0, 2]), log_l, np.array([1.0, 2.0]))
    assert [groups.rows.keys[row].level for row in rows] == ["tenant_model"]
    assert together[0, : ODDS.size] == pytest.approx(log_l.sum(axis=0))
    assert together[0, ODDS.size :] == pytest.approx(np.log(1 - SOME + SOME * np.exp(log_l)).sum(axis=0))
    assert variance.tolist() == [3.0]


def test_nothing_seen_says_nothing_of_any_group() -> None:
    groups, _ = _two()
    rows, together, variance = groups.log_ratios(
        np.zeros(0, dtype=np.int64), np.zeros((0, ODDS.size)), np.zeros(0)
    )
    assert (rows.size, together.shape, variance.size) == (0, (0, 2 * ODDS.size), 0)


def test_members_of_a_group_are_found_again() -> None:
    groups, streams = _two()
    row = groups.rows.index[StreamKey(Measure.REFUSAL, "tenant_model", "a", "m", None, ("g", "1", "h", 1))]
    assert groups.members(row, streams.size).tolist() == [0, 1, 2]
    assert groups.overlapping(np.array([1])).tolist() == sorted(groups.of[1].tolist())


@pytest.mark.parametrize("measure", Measure)
def test_every_measure_has_groups_of_what_it_can_share(measure: Measure) -> None:
    key = StreamKey(measure, "cell", "a", "m", "x", None)
    found = [group for group in keys_of(key) if group is not None]
    assert [group.level for group in found] == [
        level
        for level in ("tenant_model", "tenant", "model", "category", "all")
        if level in levels_of(measure)
    ]
    assert all(group.scope.holds(key.scope) for group in found)
